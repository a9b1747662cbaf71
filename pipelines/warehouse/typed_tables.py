"""The field catalogue and the typed tables in the warehouse, kept in step with the evidence inside the load.

A type's table is only touched where its milestones changed; it is made anew from the long table when its columns are
not what the catalogue says they should be, so that a widened column holds all history.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import duckdb

from pipelines.flatten.details import ITEM, key_of, split_field
from pipelines.flatten.field_catalogue import ROW_KEY, Column, Evidence, Field, decide, table_names
from schemas.sql import literal, quote
from schemas.tables import DETAILS_FIELDS, EVIDENCE, MILESTONE_DETAILS, MILESTONE_ID, MILESTONES

ROWS_OF_ONE_PIVOT = 100_000
"""What the aggregates of a pivot hold cannot go to disk: a large type is pivoted in parts."""

MILESTONES_GATHERED = 20_000
"""Of all types that have few each: looking through all leaves for each of them would take longer than the rest."""

RESERVED_NAMES = frozenset({DETAILS_FIELDS.name})


@dataclass(frozen=True, slots=True)
class Drift:
    """A field or kind that a type's details had never shown before."""

    type: str
    path: str
    kind: str

    def __str__(self) -> str:
        return f"{self.type}: {self.path or 'details'} is {self.kind}"


def typed_tables(connection: duckdb.DuckDBPyConnection, catalog: str | None = None) -> dict[str, str]:
    """The name of every type's own table, as catalogued in the current file or in an attached one."""
    fields = f"{quote(catalog)}.details_fields" if catalog else "details_fields"
    query = f"SELECT DISTINCT type, table_name FROM {fields} ORDER BY type"  # noqa: S608
    return dict(connection.execute(query).fetchall())


def known_types(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The types whose details are known."""
    return [row[0] for row in connection.execute("SELECT DISTINCT type FROM internal_evidence").fetchall()]


@dataclass(frozen=True, slots=True)
class Changed:
    """Staged Parquet files of the milestones whose rows changed, and of their leaves."""

    milestones: list[str]
    details: list[str]

    @property
    def leaves(self) -> _Leaves:
        """Read where they were staged: among all leaves there are, finding a few takes long."""
        parameters = {"milestones": self.milestones, "details": self.details}
        return _Leaves("read_parquet($milestones)", "read_parquet($details)", parameters)


@dataclass(frozen=True, slots=True)
class _Leaves:
    """Where milestones and their leaves are read: SQL, and the parameters that it names."""

    milestones: str
    details: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


_STORED = _Leaves(MILESTONES.name, MILESTONE_DETAILS.name)


def refresh(
    connection: duckdb.DuckDBPyConnection,
    types: Iterable[str],
    changed: Changed | None,
    *,
    rows_of_one_pivot: int = ROWS_OF_ONE_PIVOT,
) -> list[str]:
    """Decide the fields of `types` anew and bring their tables in step; the tables that were made or dropped whole.

    `changed` says which rows to touch; None makes the tables of all types anew. A type with more rows than
    `rows_of_one_pivot` is pivoted in parts. Runs inside the load's transaction,
    after the flat tables and the evidence.
    """
    known = known_types(connection)
    before = typed_tables(connection)
    names = table_names(known, reserved=RESERVED_NAMES)
    renamed = {type_ for type_ in before if names.get(type_) != before[type_]}
    for type_ in renamed:
        connection.execute(f"DROP TABLE IF EXISTS {quote(before[type_])}")
        connection.execute("DELETE FROM details_fields WHERE type = ?", [type_])
    made: dict[str, list[Column]] = {}
    for type_ in sorted({*types, *renamed} & set(known)):
        fields = decide(_evidence(connection, type_))
        _catalogue(connection, type_, names[type_], fields)
        columns = [field.column for field in fields if field.column]
        if changed is None or _columns_of(connection, names[type_]) != _declared(columns):
            _make(connection, names[type_], columns)
            made[type_] = columns
        else:
            _remove(connection, names[type_], changed)
            _fill(connection, type_, names[type_], columns, changed.leaves, rows_of_one_pivot)
    few = _types_with_few(connection, made)
    with _gathered(connection, few) as gathered:
        for type_, columns in made.items():
            _fill(connection, type_, names[type_], columns, gathered if type_ in few else _STORED, rows_of_one_pivot)
    return [*(before[type_] for type_ in renamed), *(names[type_] for type_ in made)]


def _types_with_few(connection: duckdb.DuckDBPyConnection, types: Iterable[str]) -> list[str]:
    """Those with the fewest milestones, as many types as have MILESTONES_GATHERED of them together."""
    wanted, few, rows = set(types), list[str](), 0
    if not wanted:
        # As with nearly every poll.
        return few
    query = "SELECT type, count(*) FROM milestones GROUP BY type ORDER BY 2, 1"
    for type_, count in connection.execute(query).fetchall():
        if type_ in wanted and (rows := rows + count) <= MILESTONES_GATHERED:
            few.append(type_)
    return few


@contextmanager
def _gathered(connection: duckdb.DuckDBPyConnection, types: list[str]) -> Iterator[_Leaves]:
    """What the milestones of these types have, in tables of its own where that saves looking for it again."""
    if len(types) < 2:
        yield _STORED
        return
    leaves = _Leaves("gathered_milestones", "gathered_details")
    connection.execute(
        f"CREATE TEMP TABLE {leaves.milestones} AS "  # noqa: S608
        "SELECT milestone_id, type, details FROM milestones WHERE list_contains($types, type)",
        {"types": types},
    )
    connection.execute(
        f"CREATE TEMP TABLE {leaves.details} AS "
        f"FROM milestone_details SEMI JOIN {leaves.milestones} USING (milestone_id)"
    )
    yield leaves
    connection.execute(f"DROP TABLE {leaves.details}")
    connection.execute(f"DROP TABLE {leaves.milestones}")


def _evidence(connection: duckdb.DuckDBPyConnection, type_: str) -> list[Evidence]:
    names = ", ".join(EVIDENCE.stored_columns)
    rows = connection.execute(f"SELECT {names} FROM internal_evidence WHERE type = ?", [type_]).fetchall()  # noqa: S608
    return [Evidence(*row) for row in rows]


def _catalogue(connection: duckdb.DuckDBPyConnection, type_: str, table: str, fields: list[Field]) -> None:
    connection.execute("DELETE FROM details_fields WHERE type = ?", [type_])
    rows = DETAILS_FIELDS.from_columns(
        {
            "type": [type_] * len(fields),
            "path": [field.path for field in fields],
            "kinds": [field.kinds for field in fields],
            "table_name": [table] * len(fields),
            "column_name": [field.column.name if field.column else None for field in fields],
            "sql_type": [field.column.sql_type if field.column else None for field in fields],
            "records": [field.records for field in fields],
            "first_seen_at": [field.first_seen_at for field in fields],
            "last_seen_at": [field.last_seen_at for field in fields],
            "first_sweep_id": [field.first_sweep_id for field in fields],
            "example": [field.example for field in fields],
            "is_discarded": [field.is_discarded for field in fields],
            "discarded_kinds": [field.discarded_kinds for field in fields],
        }
    )
    # A row at a time, ten thousand fields would take seconds.
    connection.register("decided_fields", rows)
    connection.execute("INSERT INTO details_fields BY NAME SELECT * FROM decided_fields")
    connection.unregister("decided_fields")


def _columns_of(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, tuple[str, str | None]]:
    """Types and comments of a table's columns, by name."""
    rows = connection.execute(
        "SELECT column_name, data_type, comment FROM duckdb_columns() "
        "WHERE database_name = current_database() AND table_name = ?",
        [table],
    ).fetchall()
    return {name: (sql_type, comment) for name, sql_type, comment in rows}


def _declared(columns: list[Column]) -> dict[str, tuple[str, str | None]]:
    """What `_columns_of` should find.

    The comments matter: a name and a type can pass from one path to another, and a VARCHAR may hold text of containers
    from now on.
    """
    of_paths = {column.name: (column.sql_type, f"{column.path or 'details'} as {column.shape}") for column in columns}
    return {ROW_KEY: ("VARCHAR", None), **of_paths}


def _make(connection: duckdb.DuckDBPyConnection, table: str, columns: list[Column]) -> None:
    declared = _declared(columns)
    body = "".join(f", {quote(name)} {sql_type}" for name, (sql_type, _) in declared.items() if name != ROW_KEY)
    connection.execute(f"DROP TABLE IF EXISTS {quote(table)}")
    connection.execute(f"CREATE TABLE {quote(table)} ({MILESTONE_ID.ddl}{body})")
    connection.execute(f"COMMENT ON TABLE {quote(table)} IS 'Typed details of one type; see details_fields.'")
    for name, (_, comment) in declared.items():
        if comment is not None:
            connection.execute(f"COMMENT ON COLUMN {quote(table)}.{quote(name)} IS {literal(comment)}")


def _remove(connection: duckdb.DuckDBPyConnection, table: str, changed: Changed) -> None:
    connection.execute(
        f"DELETE FROM {quote(table)} WHERE milestone_id IN (SELECT milestone_id FROM read_parquet(?))",  # noqa: S608
        [changed.milestones],
    )


def _fill(
    connection: duckdb.DuckDBPyConnection,
    type_: str,
    table: str,
    columns: list[Column],
    source: _Leaves,
    rows_of_one_pivot: int,
) -> None:
    """Rows of the type's milestones, pivoted from the long table."""
    parameters: dict[str, Any] = {"type": type_, **source.parameters}
    aggregates, values = [], []
    for number, column in enumerate(columns):
        aggregate, value = _expressions(column, number, parameters)
        aggregates.append(aggregate)
        values.append(value)
    pivoted = "".join(f", {aggregate}" for aggregate in aggregates)
    selected = "".join(f", {value}" for value in values)
    of_type = f"FROM {source.milestones} WHERE type = $type"
    known = {name: parameters[name] for name in ("type", "milestones") if name in parameters}
    # Every milestone has a leaf: only what reads its JSON text needs its row as well.
    joined = " JOIN chosen USING (milestone_id)" if any(column.shape == "text" for column in columns) else ""
    rows = connection.execute(f"SELECT count(*) {of_type}", known).fetchall()[0][0]
    parts = rows // rows_of_one_pivot + 1
    for part in range(parts):
        chosen = f"{of_type} AND hash(milestone_id) % {parts} = {part}" if parts > 1 else of_type
        connection.execute(
            f"WITH chosen AS (SELECT milestone_id, details {chosen}), pivoted AS ("  # noqa: S608
            f"SELECT milestone_id{pivoted} FROM {source.details} SEMI JOIN chosen USING (milestone_id) GROUP BY 1"
            f") INSERT INTO {quote(table)} SELECT milestone_id{selected} FROM pivoted{joined}",
            parameters,
        )


def _expressions(column: Column, number: int, parameters: dict[str, Any]) -> tuple[str, str]:
    """The aggregate that gathers a column's leaves, and the value that is made of it."""
    leaf, item = f"leaf_{number}", f"c{number}"
    parameters[f"p{number}"] = column.path
    if column.shape == "list":
        parameters[f"i{number}"] = column.path + ITEM
        position = r"TRY_CAST(regexp_extract(path, '\[(\d+)\]$', 1) AS INTEGER)"
        aggregate = (
            f"list(value ORDER BY {position}) FILTER (field = $i{number}) AS {leaf}, "
            f"bool_or(path = $p{number} AND kind = 'empty_array') AS {item}"
        )
        return aggregate, f"CASE WHEN {item} THEN [] ELSE TRY_CAST({leaf} AS {column.sql_type}) END"
    aggregate = f"max(value) FILTER (path = $p{number}) AS {leaf}"
    if column.shape == "text":
        parameters[f"j{number}"] = json_pointer(column.path)
        return aggregate, f"coalesce({leaf}, json_extract_string(chosen.details, $j{number}))"
    return aggregate, leaf if column.sql_type == "VARCHAR" else f"TRY_CAST({leaf} AS {column.sql_type})"


def json_pointer(path: str) -> str:
    """A field's path as a JSON pointer (RFC 6901): unlike DuckDB's own paths it can name any key."""
    keys = (key_of(segment) for segment in split_field(path))
    return "".join(f"/{key.replace('~', '~0').replace('/', '~1')}" for key in keys)
