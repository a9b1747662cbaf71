"""The field catalogue: derives columns from evidence, by rules that do not depend on the order of arrival.

- A key with values of one kind gets a column of that kind's type; integer and number together are DOUBLE; any other
  mixture is VARCHAR and holds the value's text. A key that only ever held null or {} gets none.
- A nested object gets the columns of its keys. An object that ever had an id as a key, or has too many keys, is a
  map: its keys are data, and it gets one VARCHAR column with its JSON text. Only `details` itself keeps the columns of
  its other keys if it has ids as keys: the ids go to a column `details` beside them.
- An array of scalars is a LIST of its items' type; any other array is a VARCHAR column of JSON text.
- In a type with too many columns all nested objects become maps.
- A name is the keys joined by `_`, in lower case. If several paths want the same name, the path that is spelled
  exactly like it gets it; the others get a digest of their path appended, so that no two names differ only by case.
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
"""Recorded objects have up to eight keys; an object with hundreds is a map, whatever its keys look like."""

MAX_COLUMNS = 200
"""Limit per type; recorded types have up to fourteen. Filling a table takes time and memory quadratic in its columns: a
thousand columns take seconds and gigabytes for a single row."""

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
class DetailsColumn:
    """A column of a typed table. `shape`: a scalar, a list of an array's items, or the JSON text of any value."""

    path: str
    name: str
    sql_type: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class DetailsField:
    """A row of `schemas.tables.DETAILS_FIELDS`, without type and table; `column` is None where it gets none."""

    path: str
    kinds: str
    records: int
    first_seen_at: datetime
    last_seen_at: datetime
    first_sweep_id: str
    example: str | None
    discarded_kinds: str | None
    column: DetailsColumn | None

    @property
    def is_discarded(self) -> bool:
        """Whether the contract kept any of its kinds out of the columns."""
        return self.discarded_kinds is not None


def fields_of_type(evidence: Iterable[Evidence]) -> list[DetailsField]:
    """The fields of one type, ordered by path, with their columns."""
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
    # Only leaves have evidence: that of an object or an array is combined from the leaves below it.
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
    """The name of each type's table: details_<type>, safe and free of case-insensitive collisions."""
    return _unique_names({type_: type_ for type_ in types}, prefix="details_", reserved=reserved)


def _columns(kinds: dict[Segments, set[str]]) -> dict[Segments, DetailsColumn]:
    """The columns, by the segments of the value that they hold."""
    maps = _maps(kinds)
    shaped = _shaped(kinds, maps)
    if len(shaped) > MAX_COLUMNS:
        shaped = _shaped(kinds, maps | {segments[:1] for segments in kinds if len(segments) > 1})
    paths = {owner: _path(owner) for owner in shaped}
    wanted = {path: "_".join(map(key_of, owner)) if owner else DETAILS for owner, path in paths.items()}
    names = _unique_names(wanted, prefix="", reserved={ROW_KEY})
    return {owner: DetailsColumn(path, names[path], *shaped[owner]) for owner, path in paths.items()}


def _shaped(kinds: dict[Segments, set[str]], maps: set[Segments]) -> dict[Segments, tuple[str, Shape]]:
    """SQL type and shape of each column, given which objects are maps."""
    members: dict[Segments, dict[Segments, set[str]]] = defaultdict(dict)
    for segments, of_path in kinds.items():
        owner = _owner(segments, maps)
        members[owner][segments] = of_path
    return {owner: shape for owner, below in members.items() if (shape := _shape(owner, below)) is not None}


def _path(segments: Segments) -> str:
    """Segments joined to a path, the reverse of `split_field`."""
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
    """The value whose column holds a leaf: the outermost map or array that contains it, or the leaf itself."""
    for depth in range(len(segments)):
        if segments[:depth] in maps or segments[depth] in (ITEM, ANY_KEY):
            return segments[:depth]
    return segments


def _shape(owner: Segments, members: dict[Segments, set[str]]) -> tuple[str, Shape] | None:
    """SQL type and shape of a column, from the kinds of its leaves; None where it would hold nothing."""
    own = members.get(owner, set()) - _NO_VALUE
    below = {segments: kinds for segments, kinds in members.items() if segments != owner}
    if not below:
        # The items of an empty array are unknown: text, until some are seen.
        return (_TYPES.get(frozenset(own), TEXT), "text" if "empty_array" in own else "scalar") if own else None
    items = below.get((*owner, ITEM))
    if items is not None and len(below) == 1 and own <= {"empty_array"} and not items & {"empty_object", "empty_array"}:
        return f"{_TYPES.get(frozenset(items - {'null'}), TEXT)}[]", "list"
    return TEXT, "text"


def _field(
    segments: Segments, own: list[Evidence], below: list[Evidence], containers: set[str], column: DetailsColumn | None
) -> DetailsField:
    rows = own + below
    return DetailsField(
        path=_path(segments),
        kinds=", ".join(sorted({row.kind for row in own} - {ANY_KIND} | containers)),
        # A version has a leaf here or leaves below, never both.
        records=sum(max((row.records for row in of), default=0) for of in (own, below)),
        first_seen_at=min(row.first_seen_at for row in rows),
        last_seen_at=max(row.last_seen_at for row in rows),
        first_sweep_id=min(row.first_sweep_id for row in rows),
        example=min((row.example for row in own if row.example is not None), default=None),
        discarded_kinds=", ".join(sorted({row.kind for row in own if row.is_discarded} - {ANY_KIND})) or None,
        column=column,
    )


def _unique_names(wanted: dict[str, str], *, prefix: str, reserved: Collection[str]) -> dict[str, str]:
    """A safe name for each key: unique, not reserved, independent of the order of the keys."""
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
    """The name in lower case: letters, digits and `_`, limited in length, not starting with a digit."""
    safe = _UNSAFE.sub("_", name.lower())[:MAX_NAME_LENGTH]
    return f"_{safe}" if not safe or safe[0].isdigit() else safe
