"""JSON that keeps every digit: numbers are written as they were spelled. Python's `json` has doubles only."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from datetime import datetime
from json.encoder import encode_basestring
from typing import Any

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)
_INDENT = "  "


class Raw(str):
    """JSON text to write unchanged: a number as it was spelled, or a value on one line."""

    __slots__ = ()


class Pairs(tuple[tuple[str, Any], ...]):
    """A JSON object with its members in order, including repeated names."""

    __slots__ = ()


def number(text: str) -> str:
    """Raw for a JSON number; text for anything else, such as inf and nan."""
    return Raw(text) if _NUMBER.fullmatch(text) else text


def parsed(text: str) -> Any:
    """Parse JSON with numbers as Raw and objects as Pairs; the text itself if it is not JSON."""
    try:
        return json.loads(text, parse_int=Raw, parse_float=Raw, parse_constant=_no_constant, object_pairs_hook=Pairs)
    except (ValueError, RecursionError):
        return text


def single_line_json(text: str) -> Any:
    """Raw for JSON on one line, parsed JSON for several lines; the text itself if it is not JSON."""
    if "\n" in text or "\r" in text:
        return parsed(text)
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text
    return Raw(text)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def dumps(value: Any, *, indent: bool = False, level: int = 0) -> str:
    """JSON on one line, or indented by two spaces.

    Times are RFC 3339, NaN and infinity are null, other unknown types are text.
    """
    if isinstance(value, str):
        return str(value) if isinstance(value, Raw) else encode_basestring(value)
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return json.dumps(value) if math.isfinite(value) else "null"
    if isinstance(value, datetime):
        return encode_basestring(value.isoformat().replace("+00:00", "Z"))
    if isinstance(value, (dict, Pairs)):
        pairs: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else value
        members = (
            f"{encode_basestring(str(name))}: {dumps(member, indent=indent, level=level + 1)}" for name, member in pairs
        )
        return _enclosed("{", members, "}", indent=indent, level=level)
    if isinstance(value, (list, tuple)):
        items = (dumps(item, indent=indent, level=level + 1) for item in value)
        return _enclosed("[", items, "]", indent=indent, level=level)
    return encode_basestring(str(value))


def _enclosed(start: str, members: Iterable[str], end: str, *, indent: bool, level: int) -> str:
    inside = list(members)
    if not indent or not inside:
        return start + ", ".join(inside) + end
    begin = "\n" + _INDENT * (level + 1)
    return start + begin + f",{begin}".join(inside) + "\n" + _INDENT * level + end
