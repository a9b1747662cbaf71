"""The free-form `details` as leaves: one row each scalar or empty container, lossless for any keys.

Paths: `season.week`, `competitor_ids[0]`. A key of letters, digits, `_` and `-` stands bare; any other is written as
a JSON string (`"a.b"`), so that every path can be read back and no two leaves share one. The path of an empty
`details` is the empty string.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class Leaf(NamedTuple):
    """A scalar or an empty container: where it stands, its JSON kind, its text and its value as a double."""

    path: str
    kind: str
    value: str | None
    value_number: float | None


def leaves(details: Any) -> Iterator[Leaf]:
    """Every leaf of a decoded JSON value, in document order; iterative, so that no depth can break it."""
    stack: list[tuple[str, Any]] = [("", details)]
    while stack:
        path, node = stack.pop()
        if isinstance(node, dict) and node:
            prefix = f"{path}." if path else ""
            stack.extend([(prefix + segment(key), child) for key, child in node.items()][::-1])
        elif isinstance(node, list) and node:
            stack.extend([(f"{path}[{index}]", child) for index, child in enumerate(node)][::-1])
        else:
            yield Leaf(path, *_scalar(node))


# The same few hundred keys come with every milestone; ids used as keys would fill an unbounded cache.
@lru_cache(maxsize=4_096)
def segment(key: str) -> str:
    """One key as it stands in a path."""
    return key if _BARE_KEY.fullmatch(key) else msgspec.json.encode(key).decode()


def _scalar(node: Any) -> tuple[str, str | None, float | None]:
    match node:
        case str():
            return "string", node, None
        case None:
            return "null", None, None
        case bool():
            return "boolean", "true" if node else "false", None
        case int():
            return "integer", str(node), _as_double(node)
        case Decimal():
            return "number", str(node), _as_double(node)
        case dict():
            return "empty_object", None, None
        case _:
            return "empty_array", None, None


def _as_double(number: int | Decimal) -> float | None:
    """The nearest double; None for an integer that is larger than any."""
    try:
        return float(number)
    except OverflowError:
        return None
