"""Flattens the free-form `details` into leaves: one per scalar or empty container, lossless for any keys.

Paths look like `season.week` and `competitor_ids[0]`. A key of letters, digits, `_` and `-` is written as it is, any
other as a JSON string (`"a.b"`), so that every path can be parsed and no two leaves share one. The path of an empty or
missing `details` is the empty string.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

ANY_KEY = "*"
ITEM = "[]"

_ID_KEY = re.compile(
    r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\d+|[a-z]+(:[a-z_]+)+:\d+|[0-9a-f]{16,}", re.ASCII
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_SEGMENT = re.compile(r'[A-Za-z0-9_-]+|\*|\[\]|"(?:[^"\\]|\\.)*"', re.ASCII)


class Leaf(NamedTuple):
    """A scalar or an empty container: path, JSON kind, text, and the value as a double for numbers.

    `field` is the path without array positions and with `*` for keys that are ids.
    """

    path: str
    field: str
    kind: str
    value: str | None
    value_number: float | None


def leaves(details: Any, path: str = "", field: str = "") -> Iterator[Leaf]:
    """Every leaf of a decoded JSON value, in document order; iterative, since recursion has a limit.

    `path` and `field` are those of the value itself, if it is nested in another.
    """
    stack: list[tuple[str, str, Any]] = [(path, field, details)]
    while stack:
        path, field, node = stack.pop()
        if isinstance(node, dict) and node:
            stack.extend([(*_below(path, field, key), child) for key, child in node.items()][::-1])
        elif isinstance(node, list) and node:
            of_items = field + ITEM
            stack.extend([(f"{path}[{index}]", of_items, child) for index, child in enumerate(node)][::-1])
        else:
            yield Leaf(path, field, *_scalar(node))


class LeafColumns:
    """The leaves of many details as columns: the result of `leaves`, in the same order, without a Python step per leaf.

    Nearly all details hold only text, under the same few sets of keys: paths and fields are computed once per set, and
    only the values differ by record. Only values that are neither text nor an array of texts are walked leaf by leaf.
    """

    def __init__(self) -> None:
        self.counts: list[int] = []
        """The number of leaves of each details object."""
        self.paths: list[str] = []
        self.fields: list[str] = []
        self.kinds: list[str] = []
        self.values: list[str | None] = []
        self.numbers: list[float | None] = []

    def add(self, details: dict[str, Any] | None) -> None:
        """Add the leaves of one details object; None adds one leaf of the kind null."""
        before = len(self.paths)
        if not details:
            self._walk("", "", details)
        elif set(map(type, values := details.values())) == _ONLY_TEXT:
            self._extend(*_names(tuple(details)), list(values))
        else:
            self._add_members(details)
        self.counts.append(len(self.paths) - before)

    def _add_members(self, details: dict[str, Any]) -> None:
        for key, value in details.items():
            path, field = segment(key), field_segment(key)
            if type(value) is str:
                self._extend((path,), (field,), (value,))
            elif type(value) is list and set(map(type, value)) == _ONLY_TEXT:
                self._extend(_item_paths(path, len(value)), (field + ITEM,) * len(value), value)
            else:
                self._walk(path, field, value)

    def _walk(self, path: str, field: str, node: Any) -> None:
        for leaf in leaves(node, path, field):
            self.paths.append(leaf.path)
            self.fields.append(leaf.field)
            self.kinds.append(leaf.kind)
            self.values.append(leaf.value)
            self.numbers.append(leaf.value_number)

    def _extend(self, paths: Sequence[str], fields: Sequence[str], texts: Sequence[str]) -> None:
        """Add leaves that are all strings."""
        self.paths += paths
        self.fields += fields
        self.kinds += ["string"] * len(texts)
        self.values += texts
        self.numbers += [None] * len(texts)


_ONLY_TEXT = {str}


# Milestone types have few sets of keys; the bounds limit the memory that hostile keys could take.
@lru_cache(maxsize=1_024)
def _names(keys: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Paths and fields of the values under the top-level keys of details."""
    return tuple(map(segment, keys)), tuple(map(field_segment, keys))


@lru_cache(maxsize=1_024)
def _item_paths(path: str, count: int) -> tuple[str, ...]:
    return tuple(f"{path}[{index}]" for index in range(count))


def _below(path: str, field: str, key: str) -> tuple[str, str]:
    """Path and field of the value under a key."""
    own, general = segment(key), field_segment(key)
    return (f"{path}.{own}", f"{field}.{general}") if path else (own, general)


# The same few hundred keys repeat in every milestone; ids used as keys would fill an unbounded cache.
@lru_cache(maxsize=4_096)
def segment(key: str) -> str:
    """A key as written in a path."""
    return key if _BARE_KEY.fullmatch(key) else msgspec.json.encode(key).decode()


@lru_cache(maxsize=4_096)
def field_segment(key: str) -> str:
    """A key as written in a field: `*` where the key is an id, which is data and not a name.

    Ids are UUIDs, numbers, provider ids (`sr:competitor:123`) and long hexadecimal texts.
    """
    return ANY_KEY if _ID_KEY.fullmatch(key) else segment(key)


def split_field(field: str) -> tuple[str, ...]:
    """The segments of a field: keys as written, `*` and `[]`."""
    return tuple(match[0] for match in _SEGMENT.finditer(field))


def key_of(segment_text: str) -> str:
    """The key of a segment, the reverse of `segment`."""
    return str(msgspec.json.decode(segment_text)) if segment_text.startswith('"') else segment_text


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
    """The nearest double; None for an integer beyond the range of doubles."""
    try:
        return float(number)
    except OverflowError:
        return None
