"""The field catalogue: from evidence to columns, by rules that do not depend on the order in which it came.

- A key with values of one kind makes a column of that kind's type; integer and number together are DOUBLE; any other
  mixture is VARCHAR and holds the value's text. A key that only ever held null or {} makes none.
- A nested object makes the columns of its keys. An object that ever had an id for a key, or has too many keys, is a
  map: its keys are data and make no columns, it makes one VARCHAR column with its JSON text. Only `details` itself
  keeps the columns of its other keys where it has ids for keys: they make a column `details` beside them.
- An array of scalars is a LIST of the type that its items have; any other array is a VARCHAR column of JSON text.
- A type that would have too many columns has its nested objects as maps, all of them.
- Names are the keys joined by `_`, in lower case. Where several paths want one name, the path that is spelled just
  like it gets it; the others get theirs with a digest of the path, so that no two differ only by case.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pipelines.flatten.details import ANY_KEY, ITEM, key_of, split_field
from pipelines.flatten.evidence import ANY_KIND

MAX_KEYS_PER_OBJECT = 200
"""Recorded objects have up to eight keys; an object with hundreds is a mapping, whatever its keys look like."""

MAX_COLUMNS = 200
"""Of a type. Recorded ones have up to fourteen; filling a table takes time and memory by the square of its columns, and
a thousand are seconds and gigabytes for a single row."""

MAX_NAME_LENGTH = 60
ROW_KEY = "milestone_id"
DETAILS = "details"
TEXT = "VARCHAR"

_TYPES = {
    frozenset({"string"}): TEXT,
    frozenset({"boolean"}): "BOOLEAN",
    frozenset({"integer"}): "BIGINT",
    frozenset({"number"}): "DOUBLE",
    frozenset({"integer", "number"}): "DOUBLE",
}
_NO_VALUE = frozenset({"null", "empty_object"})
_UNSAFE = re.compile(r"[^a-z0-9_]", re.ASCII)

Segments = tuple[str, ...]
Shape = Literal["scalar", "list", "text"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A row of `schemas.tables.EVIDENCE`; times are UTC."""

    type: str
    path: str
    kind: str
    records: int
    first_seen_at: datetime
    last_seen_at: datetime
    first_sweep_id: str
    example: str | None
    is_discarded: bool


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a type's own table. `shape`: a scalar, a list of the items, or the text of whatever is there."""

    path: str
    name: str
    sql_type: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Field:
    """A row of `schemas.tables.DETAILS_FIELDS`, without the type's name and table."""

    path: str
    kinds: str
    records: int
    first_seen_at: datetime
    last_seen_at: datetime
    first_sweep_id: str
    example: str | None
    discarded_kinds: str | None
    column: Column | None

    @property
    def is_discarded(self) -> bool:
        """Whether the contract kept any kind of it out of the columns."""
        return self.discarded_kinds is not None


def decide(evidence: Iterable[Evidence]) -> list[Field]:
    """The fields of one type, by path, with the columns that they make."""
    own: dict[Segments, list[Evidence]] = defaultdict(list)
    for row in evidence:
        own[split_field(row.path)].append(row)
    columns = _columns(
        {
            segments: {row.kind for row in rows if not row.is_discarded} - {ANY_KIND}
            for segments, rows in own.items()
            if not all(row.is_discarded for row in rows)
        }
    )
    # An object or an array has no evidence of its own, only its leaves have: what is said of it is made from theirs.
    below: dict[Segments, list[Evidence]] = {segments: [] for segments in (*own, *columns)}
    containers: dict[Segments, set[str]] = defaultdict(set)
    for segments, rows in own.items():
        for depth, segment in enumerate(segments):
            if segments[:depth] in below:
                below[segments[:depth]] += rows
                containers[segments[:depth]].add("array" if segment == ITEM else "object")
    fields = [
        _field(segments, own.get(segments, []), rows, containers[segments], columns.get(segments))
        for segments, rows in below.items()
    ]
    return sorted(fields, key=lambda field: field.path)


def table_names(types: Iterable[str], *, reserved: Collection[str]) -> dict[str, str]:
    """The name of every type's own table: details_<type>, safe and free of case-insensitive collisions."""
    return _settled({type_: type_ for type_ in types}, prefix="details_", reserved=reserved)


def _columns(kinds: dict[Segments, set[str]]) -> dict[Segments, Column]:
    """Columns by the segments of the value that they hold."""
    maps = _maps(kinds)
    shaped = _shaped(kinds, maps)
    if len(shaped) > MAX_COLUMNS:
        shaped = _shaped(kinds, maps | {segments[:1] for segments in kinds if len(segments) > 1})
    paths = {owner: _path(owner) for owner in shaped}
    wanted = {path: "_".join(map(key_of, owner)) if owner else DETAILS for owner, path in paths.items()}
    names = _settled(wanted, prefix="", reserved={ROW_KEY})
    return {owner: Column(path, names[path], *shaped[owner]) for owner, path in paths.items()}


def _shaped(kinds: dict[Segments, set[str]], maps: set[Segments]) -> dict[Segments, tuple[str, Shape]]:
    """SQL type and shape of every column, given which objects are maps."""
    members: dict[Segments, dict[Segments, set[str]]] = defaultdict(dict)
    for segments, of_path in kinds.items():
        owner = _owner(segments, maps)
        members[owner][segments] = of_path
    return {owner: shape for owner, below in members.items() if (shape := _shape(owner, below)) is not None}


def _path(segments: Segments) -> str:
    """The path of segments, the reverse of `split_field`; `[]` is no key, but a key may hold it."""
    return "".join(segment if segment == ITEM else f".{segment}" for segment in segments).removeprefix(".")


def _maps(paths: Iterable[Segments]) -> set[Segments]:
    """The objects whose keys are data."""
    keys: dict[Segments, set[str]] = defaultdict(set)
    for segments in paths:
        for depth, segment in enumerate(segments):
            if segment != ITEM:
                keys[segments[:depth]].add(segment)
    return {
        parent for parent, below in keys.items() if (parent and ANY_KEY in below) or len(below) > MAX_KEYS_PER_OBJECT
    }


def _owner(segments: Segments, maps: set[Segments]) -> Segments:
    """The value whose column holds a leaf: the outermost map or array above it, or the leaf itself."""
    for depth in range(len(segments)):
        if segments[:depth] in maps or segments[depth] in (ITEM, ANY_KEY):
            return segments[:depth]
    return segments


def _shape(owner: Segments, members: dict[Segments, set[str]]) -> tuple[str, Shape] | None:
    """SQL type and shape of a column, from the kinds of the leaves that it holds; None where it would hold nothing."""
    own = members.get(owner, set()) - _NO_VALUE
    below = {segments: kinds for segments, kinds in members.items() if segments != owner}
    if not below:
        # An empty array says nothing of its items: text, until they are seen.
        return (_TYPES.get(frozenset(own), TEXT), "text" if "empty_array" in own else "scalar") if own else None
    items = below.get((*owner, ITEM))
    if items is not None and len(below) == 1 and own <= {"empty_array"} and not items & {"empty_object", "empty_array"}:
        return f"{_TYPES.get(frozenset(items - {'null'}), TEXT)}[]", "list"
    return TEXT, "text"


def _field(
    segments: Segments, own: list[Evidence], below: list[Evidence], containers: set[str], column: Column | None
) -> Field:
    rows = own + below
    return Field(
        path=_path(segments),
        kinds=", ".join(sorted({row.kind for row in own} - {ANY_KIND} | containers)),
        # A version has a leaf here or others below, never both.
        records=sum(max((row.records for row in of), default=0) for of in (own, below)),
        first_seen_at=min(row.first_seen_at for row in rows),
        last_seen_at=max(row.last_seen_at for row in rows),
        first_sweep_id=min(row.first_sweep_id for row in rows),
        example=min((row.example for row in own if row.example is not None), default=None),
        discarded_kinds=", ".join(sorted({row.kind for row in own if row.is_discarded} - {ANY_KIND})) or None,
        column=column,
    )


def _settled(wanted: dict[str, str], *, prefix: str, reserved: Collection[str]) -> dict[str, str]:
    """A safe name for every key: no two alike, none reserved, the same whatever the order of the keys."""
    plain = {key: prefix + _plain(name) for key, name in wanted.items()}
    claims: dict[str, list[str]] = defaultdict(list)
    for key, name in plain.items():
        claims[name].append(key)
    settled: dict[str, str] = {}
    for name, keys in claims.items():
        keepers = keys if len(keys) == 1 else [key for key in keys if prefix + key == name]
        if name not in reserved and len(keepers) == 1:
            settled[keepers[0]] = name
    used = {*reserved, *settled.values()}
    for key in sorted(plain.keys() - settled.keys()):
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass")).hexdigest()
        candidates = (f"{plain[key]}_{digest[:length]}" for length in range(8, len(digest) + 1))
        settled[key] = next(candidate for candidate in candidates if candidate not in used)
        used.add(settled[key])
    return settled


def _plain(name: str) -> str:
    """Lower case, letters, digits and `_`, not too long, never starting with a digit."""
    safe = _UNSAFE.sub("_", name.lower())[:MAX_NAME_LENGTH]
    return f"_{safe}" if not safe or safe[0].isdigit() else safe
