"""The answer of one statement, every value spelled by DuckDB itself.

Python holds fewer values than DuckDB does: no months in intervals, no infinite times, no float that is not a double. So
values are cast to text before they are handed over, and a column's `Kind` says what they were.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import duckdb

from pipelines.reading.json_text import number, parsed
from pipelines.reading.query_errors import NOT_A_QUERY, QueryFailed, faults_explained
from schemas.json_columns import JSON_TEXT_COLUMNS
from schemas.sql import quote

ROWS_PER_FETCH = 10_000

_NUMBERS = frozenset(
    (
        *("tinyint", "smallint", "integer", "bigint", "hugeint", "bignum", "decimal", "float", "double"),
        *("utinyint", "usmallint", "uinteger", "ubigint", "uhugeint"),
    )
)
_TIMES = frozenset(("timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns", "timestamp with time zone"))
_OTHERS = frozenset(("date", "time", "time_ns", "time with time zone", "interval", "uuid", "bit"))
"""Whose spelling holds no text of anybody's."""

_TIME = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)?(\+00)?", re.ASCII)


@dataclass(frozen=True)
class Kind:
    """What the text of a value means: number, boolean, time, other (no text of anybody's), json (of DuckDB's type
    JSON), json_text (of a column that is declared to hold it), text; or list, map, struct.

    `fields` are a struct's, or one without a name: a list's items, a map's values.
    """

    name: str = "text"
    fields: tuple[tuple[str, Kind], ...] = ()
    sql_type: str = "VARCHAR"
    """What to cast to, so that every leaf is text and nothing else changes."""

    @property
    def item(self) -> Kind:
        """Of a list's items or a map's values."""
        return self.fields[0][1]


TEXT, NUMBER = Kind(), Kind("number")


@dataclass(frozen=True)
class Column:
    """A column of an answer."""

    name: str
    kind: Kind = TEXT


@dataclass(frozen=True)
class TextAnswer:
    """Columns and rows. A value is None, text as DuckDB spells it, or (where asked for as such) nested text.

    `more` counts the rows that were left out.
    """

    columns: Sequence[Column]
    rows: Iterable[Sequence[Any]]
    more: int = 0

    @property
    def names(self) -> list[str]:
        """Names that can be keys."""
        return distinct(column.name for column in self.columns)

    @property
    def records(self) -> list[dict[str, Any]]:
        """Rows by column name."""
        return [dict(zip(self.names, row, strict=True)) for row in self.rows]


def distinct(columns: Iterable[str]) -> list[str]:
    """Names that can be keys; one that comes again is numbered: a, a_2."""
    seen: Counter[str] = Counter()
    names = []
    for column in columns:
        seen[column] += 1
        names.append(column if seen[column] == 1 else f"{column}_{seen[column]}")
    return names


@dataclass
class Question:
    """One statement, bound: it is known what columns its answer has. Raises QueryFailed."""

    connection: duckdb.DuckDBPyConnection
    statement: str
    columns: list[Column] = field(init=False)
    _relation: duckdb.DuckDBPyRelation | None = field(init=False, default=None)
    _has_answer: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        with faults_explained(self.connection):
            found = self.connection.extract_statements(self.statement)
            if not found:
                raise QueryFailed(NOT_A_QUERY)
            relation = self.connection.sql(self.statement)
            self._has_answer = relation is not None and found[0].type not in _SILENT
            self.columns = [] if relation is None else _columns(relation)
            # Whatever is no SELECT cannot be part of one: its relation can.
            if found[0].type != duckdb.StatementType.SELECT:
                self._relation = relation

    @property
    def has_answer(self) -> bool:
        """Whether it asks; statements that make or set something do not."""
        return self._has_answer

    def answer(self, *, is_nested: bool = False) -> TextAnswer:
        """All rows, fetched as they are read. With `is_nested` lists and structs come as such, else as one text."""
        return TextAnswer(self.columns, self._rows(is_nested=is_nested))

    def first(self, limit: int) -> TextAnswer:
        """As many rows, and how many more there are."""
        rows = list(islice(self._rows(limit=limit + 1), limit + 1))
        more = self._count() - limit if len(rows) > limit else 0
        return TextAnswer(self.columns, rows[:limit], more)

    def _rows(self, *, is_nested: bool = False, limit: int | None = None) -> Iterator[tuple[Any, ...]]:
        casts = (
            f"CAST(c{index} AS {column.kind.sql_type if is_nested else 'VARCHAR'})"
            for index, column in enumerate(self.columns)
        )
        tail = "" if limit is None else f" LIMIT {limit:d}"
        with faults_explained(self.connection):
            if self._relation is not None:
                yield from self._ask(self._relation, ", ".join(casts), tail)
                return
            cursor = self.connection.execute(self._asking(", ".join(casts)) + tail)
            while batch := cursor.fetchmany(ROWS_PER_FETCH):
                yield from batch

    def _count(self) -> int:
        with faults_explained(self.connection):
            if self._relation is not None:
                return int(self._ask(self._relation, "count(*)")[0][0])
            return int(self.connection.execute(self._asking("count(*)")).fetchall()[0][0])

    def _asking(self, what: str) -> str:
        # On lines of its own: it may end in a comment.
        return f"SELECT {what} FROM (\n{self.statement}\n) AS {self._named()}"  # noqa: S608

    def _ask(self, relation: duckdb.DuckDBPyRelation, what: str, tail: str = "") -> list[tuple[Any, ...]]:
        asked = relation.query("answer", f"SELECT {what} FROM answer AS {self._named()}{tail}")  # noqa: S608
        return asked.fetchall() if asked else []

    def _named(self) -> str:
        return f"answer ({', '.join(f'c{index}' for index in range(len(self.columns)))})"


_SILENT = frozenset(
    getattr(duckdb.StatementType, name)
    for name in (
        *("CREATE", "CREATE_FUNC", "DROP", "ALTER", "INSERT", "UPDATE", "DELETE", "MERGE_INTO", "COPY", "EXPORT"),
        *("SET", "VARIABLE_SET", "PREPARE", "TRANSACTION", "ATTACH", "DETACH", "LOAD", "ANALYZE", "VACUUM"),
    )
    # Which there are differs from one DuckDB to the next.
    if hasattr(duckdb.StatementType, name)
)
"""Statements whose answer is that they were run."""


def in_rfc3339(text: str) -> str:
    """A time with T and Z; one that RFC 3339 does not have (infinity, before Christ) as DuckDB spells it."""
    match = _TIME.fullmatch(text)
    if not match:
        return text
    fraction = match[3].ljust(7, "0") if match[3] else ""
    return f"{match[1]}T{match[2]}{fraction}{'Z' if match[4] else ''}"


def for_people(text: str) -> str:
    """A time with a zone to the second."""
    match = _TIME.fullmatch(text)
    return f"{match[1]} {match[2]}Z" if match and match[4] else text


def json_value(kind: Kind, value: Any, *, json: Callable[[str], Any] = parsed) -> Any:
    """What `json_text.dumps` writes for a value that was cast to `kind.sql_type`; `json` reads JSON, or leaves it."""
    if value is None:
        return None
    match kind.name:
        case "text" | "other":
            return value
        case "number":
            return number(value)
        case "boolean":
            return value == "true"
        case "time":
            return in_rfc3339(value)
        case "json":
            return json(value)
        case "json_text":
            return json(value) if value.startswith(("{", "[")) else value
        case "list":
            return [json_value(kind.item, one, json=json) for one in value]
        case "map":
            return {key: json_value(kind.item, one, json=json) for key, one in value.items()}
    kinds = dict(kind.fields)
    return {key: json_value(kinds[key], one, json=json) for key, one in value.items()}


def _columns(relation: duckdb.DuckDBPyRelation) -> list[Column]:
    found = []
    for name, type_ in zip(relation.columns, relation.types, strict=True):
        kind = _kind(type_)
        found.append(Column(name, Kind("json_text") if kind == TEXT and name.lower() in JSON_TEXT_COLUMNS else kind))
    return found


def _kind(type_: Any) -> Kind:
    """The kind of a DuckDB type. Tuples, unions and variants are text."""
    name = str(type_.id)
    if str(type_) == "JSON":
        return Kind("json")
    if name in ("list", "array"):
        item = _kind(type_.children[0][1])
        size = type_.children[1][1] if name == "array" else ""
        return Kind("list", (("", item),), sql_type=f"{item.sql_type}[{size}]")
    if name == "map":
        item = _kind(type_.children[1][1])
        return Kind("map", (("", item),), sql_type=f"MAP(VARCHAR, {item.sql_type})")
    if name == "struct" and all(member for member, _ in type_.children):
        fields = tuple((member, _kind(of)) for member, of in type_.children)
        members = ", ".join(f"{quote(member)} {kind.sql_type}" for member, kind in fields)
        return Kind("struct", fields, sql_type=f"STRUCT({members})")
    if name in _NUMBERS:
        return NUMBER
    if name in _TIMES:
        return Kind("time")
    return Kind(name if name == "boolean" else "other") if name == "boolean" or name in _OTHERS else TEXT
