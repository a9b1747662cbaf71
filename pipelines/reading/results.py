"""The result of one SQL statement, with every value as the text that DuckDB spells.

Python cannot hold every DuckDB value: intervals with months, infinite times and 32-bit floats. So DuckDB casts values
to text, and the `Kind` of a column says what they were. Output formats are in `reading.formats`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import duckdb

from pipelines.reading.json_text import number, parsed
from pipelines.reading.parameters import Values, values_of
from pipelines.reading.query_errors import NOT_A_QUERY, QueryFailed, explain_errors
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
"""Types whose text never holds text of the API."""

_TIME = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)?(\+00)?", re.ASCII)


@dataclass(frozen=True)
class Kind:
    """What the text of a value means.

    `name` is number, boolean, time, other (such as a date or UUID: never text of the API), json (DuckDB's type JSON),
    json_text (a text column that is declared to hold JSON), text, list, map or struct. `fields` are those of a struct,
    or a single unnamed one for the items of a list or the values of a map.
    """

    name: str = "text"
    fields: tuple[tuple[str, Kind], ...] = ()
    sql_type: str = "VARCHAR"
    """The type to cast to: the same structure, with text leaves."""

    @property
    def item(self) -> Kind:
        """The kind of a list's items or a map's values."""
        return self.fields[0][1]


TEXT, NUMBER, JSON_TEXT = Kind(), Kind("number"), Kind("json_text")


@dataclass(frozen=True)
class Column:
    """A column of a result. `type` is DuckDB's name of its type."""

    name: str
    kind: Kind = TEXT
    type: str = field(default="", compare=False)


@dataclass(frozen=True)
class TextResult:
    """Columns and rows. A value is None, text as DuckDB spells it, or (if requested) a nested structure of such text.

    `more` counts the rows that were not fetched.
    """

    columns: Sequence[Column]
    rows: Iterable[Sequence[Any]]
    more: int = 0

    @property
    def names(self) -> list[str]:
        """Column names, made unique."""
        return unique_names(column.name for column in self.columns)

    @property
    def records(self) -> list[dict[str, Any]]:
        """Rows by column name."""
        return [dict(zip(self.names, row, strict=True)) for row in self.rows]


def with_json_text(columns: Sequence[Column], names: Collection[str]) -> tuple[list[Column], set[str]]:
    """The columns, those of text with these lower-case names as JSON text; and the names that are columns of JSON."""
    found = [
        replace(column, kind=JSON_TEXT) if column.kind == TEXT and column.name.lower() in names else column
        for column in columns
    ]
    return found, {one.name.lower() for one in found if one.kind.name in ("json", "json_text")} & set(names)


def unique_names(columns: Iterable[str]) -> list[str]:
    """Make column names unique: a repeated name gets a number (a, a_2)."""
    seen: Counter[str] = Counter()
    names = []
    for column in columns:
        seen[column] += 1
        names.append(column if seen[column] == 1 else f"{column}_{seen[column]}")
    return names


@dataclass
class BoundStatement:
    """One statement whose result columns are known. Raises QueryFailed.

    `values` may have more parameters than the statement.
    """

    connection: duckdb.DuckDBPyConnection
    statement: str
    values: Values = field(default_factory=dict)
    columns: list[Column] = field(init=False)
    _bound: dict[str, str] = field(init=False, default_factory=dict)
    _relation: duckdb.DuckDBPyRelation | None = field(init=False, default=None)
    _has_result: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        with explain_errors(self.connection):
            found = self.connection.extract_statements(self.statement)
            if not found:
                raise QueryFailed(NOT_A_QUERY)
            self._bound = values_of(found[0], self.values)
            relation = self.connection.sql(self.statement, params=self._bound or None)
            self._has_result = relation is not None and found[0].type not in _WITHOUT_RESULT
            self.columns = [] if relation is None else _columns(relation)
            # Only a SELECT can be a subquery. The relation of any other statement can be queried instead.
            if found[0].type != duckdb.StatementType.SELECT:
                self._relation = relation

    @property
    def has_result(self) -> bool:
        """Whether it returns a result; statements that create or set something do not."""
        return self._has_result

    def result(self, *, is_nested: bool = False, limit: int | None = None) -> TextResult:
        """All rows, or the first `limit`, fetched in batches while they are read.

        `is_nested` keeps lists and structs, else they are text.
        """
        return TextResult(self.columns, self._rows(is_nested=is_nested, limit=limit))

    def first(self, limit: int) -> TextResult:
        """The first `limit` rows, and the number of the others."""
        rows = list(islice(self._rows(limit=limit + 1), limit + 1))
        more = self.count() - limit if len(rows) > limit else 0
        return TextResult(self.columns, rows[:limit], more)

    def _rows(self, *, is_nested: bool = False, limit: int | None = None) -> Iterator[tuple[Any, ...]]:
        casts = (
            f"CAST(c{index} AS {column.kind.sql_type if is_nested else 'VARCHAR'})"
            for index, column in enumerate(self.columns)
        )
        tail = "" if limit is None else f" LIMIT {limit:d}"
        with explain_errors(self.connection):
            if self._relation is not None:
                yield from self._query_relation(self._relation, ", ".join(casts), tail)
                return
            cursor = self.connection.execute(self._subquery(", ".join(casts)) + tail, self._bound or None)
            while batch := cursor.fetchmany(ROWS_PER_FETCH):
                yield from batch

    def count(self) -> int:
        """The number of rows."""
        with explain_errors(self.connection):
            if self._relation is not None:
                return int(self._query_relation(self._relation, "count(*)")[0][0])
            return int(self.connection.execute(self._subquery("count(*)"), self._bound or None).fetchall()[0][0])

    def _subquery(self, what: str) -> str:
        # Own lines, as the statement may end with a comment.
        return f"SELECT {what} FROM (\n{self.statement}\n) AS {self._alias()}"  # noqa: S608

    def _query_relation(self, relation: duckdb.DuckDBPyRelation, what: str, tail: str = "") -> list[tuple[Any, ...]]:
        found = relation.query("result", f"SELECT {what} FROM result AS {self._alias()}{tail}")  # noqa: S608
        return found.fetchall() if found else []

    def _alias(self) -> str:
        return f"result ({', '.join(f'c{index}' for index in range(len(self.columns)))})"


_WITHOUT_RESULT = frozenset(
    getattr(duckdb.StatementType, name)
    for name in (
        *("CREATE", "CREATE_FUNC", "DROP", "ALTER", "INSERT", "UPDATE", "DELETE", "MERGE_INTO", "COPY", "EXPORT"),
        *("SET", "VARIABLE_SET", "PREPARE", "TRANSACTION", "ATTACH", "DETACH", "LOAD", "ANALYZE", "VACUUM"),
    )
    # Statement types differ between DuckDB versions.
    if hasattr(duckdb.StatementType, name)
)
"""Statements that return only a status."""


def to_rfc3339(text: str) -> str:
    """A time in RFC 3339; one that it cannot express (infinity, BC) as DuckDB spells it."""
    match = _TIME.fullmatch(text)
    if not match:
        return text
    fraction = match[3].ljust(7, "0") if match[3] else ""
    return f"{match[1]}T{match[2]}{fraction}{'Z' if match[4] else ''}"


def to_display_time(text: str) -> str:
    """A time with a zone, to the second; other text unchanged."""
    match = _TIME.fullmatch(text)
    return f"{match[1]} {match[2]}Z" if match and match[4] else text


def json_value(kind: Kind, value: Any, *, json: Callable[[str], Any] = parsed) -> Any:
    """Convert a value that was cast to `kind.sql_type` for `json_text.dumps`. `json` parses JSON text, or keeps it."""
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
            return to_rfc3339(value)
        case "json":
            return json(value)
        case "json_text":
            return json(value) if value.startswith(("{", "[")) else value
        case "list":
            return [json_value(kind.item, item, json=json) for item in value]
        case "map":
            return {key: json_value(kind.item, item, json=json) for key, item in value.items()}
    kinds = dict(kind.fields)
    return {key: json_value(kinds[key], item, json=json) for key, item in value.items()}


def _columns(relation: duckdb.DuckDBPyRelation) -> list[Column]:
    found = []
    for name, type_ in zip(relation.columns, relation.types, strict=True):
        kind = _kind(type_)
        if kind == TEXT and name.lower() in JSON_TEXT_COLUMNS:
            kind = JSON_TEXT
        found.append(Column(name, kind, str(type_)))
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
