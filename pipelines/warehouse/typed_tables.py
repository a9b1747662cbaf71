"""The field catalogue and the typed tables (details_<type>), updated inside the transaction of the load.

Usually only the rows of changed milestones are replaced. If the columns of a type differ from the catalogue, its table
is recreated from milestone_details, so that a widened column holds all history. Which column a field gets is decided in
`pipelines.flatten.field_catalogue`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import duckdb

from pipelines.flatten.details import ITEM, key_of, split_field
from pipelines.flatten.field_catalogue import (
    ROW_KEY,
    DetailsColumn,
    DetailsField,
    Evidence,
    fields_of_type,
    table_names,
)
from schemas.sql import literal, quote
from schemas.tables import DETAILS_FIELDS, EVIDENCE, MILESTONE_DETAILS, MILESTONE_ID, MILESTONES

ROWS_OF_ONE_PIVOT = 100_000
"""DuckDB cannot spill the list aggregates of a pivot: a larger type is pivoted in parts."""

MILESTONES_GATHERED = 20_000
"""Milestones of small types that are copied to temporary tables first: scanning all leaves for each type is slower."""

RESERVED_NAMES = frozenset({DETAILS_FIELDS.name})


@dataclass(frozen=True, slots=True)
class Drift:
    """A field or kind that the details of a type have for the first time."""

    type: str
    path: str
    kind: str

    def __str__(self) -> str:
        return f"{self.type}: {self.path or 'details'} is {self.kind}"


def typed_tables(connection: duckdb.DuckDBPyConnection, catalog: str | None = None) -> dict[str, str]:
    """The table name of every type, from the catalogue of the current file or of the attached file `catalog`."""
    fields = f"{quote(catalog)}.details_fields" if catalog else "details_fields"
    query = f"SELECT DISTINCT type, table_name FROM {fields} ORDER BY type"  # noqa: S608
    return dict(connection.execute(query).fetchall())


def known_types(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The types that have evidence of their details."""
    return [row[0] for row in connection.execute("SELECT DISTINCT type FROM internal_evidence").fetchall()]


def typed_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """The columns of every typed table with their SQL types, by table name."""
    rows = connection.execute(
        "SELECT DISTINCT table_name, column_name, sql_type FROM details_fields "
        "WHERE column_name IS NOT NULL ORDER BY ALL"
    ).fetchall()
    columns: dict[str, dict[str, str]] = {name: {} for name in typed_tables(connection).values()}
    for table, column, sql_type in rows:
        columns[table][column] = sql_type
    return columns


@dataclass(frozen=True, slots=True)
class ChangedRows:
    """Staged Parquet files of the changed milestones, and of the leaves of their details."""

    milestones: list[str]
    details: list[str]

    @property
    def leaves(self) -> _Leaves:
        """Reads the staged files: finding a few leaves in milestone_details is slow."""
        parameters = {"milestones": self.milestones, "details": self.details}
        return _Leaves("read_parquet($milestones)", "read_parquet($details)", parameters)


@dataclass(frozen=True, slots=True)
class _Leaves:
    """SQL sources of milestones and of their leaves, with the parameters that the SQL names."""

    milestones: str
    details: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


_STORED = _Leaves(MILESTONES.name, MILESTONE_DETAILS.name)


def refresh(
    connection: duckdb.DuckDBPyConnection,
    types: Iterable[str],
    changed: ChangedRows | None,
    *,
    rows_of_one_pivot: int = ROWS_OF_ONE_PIVOT,
) -> list[str]:
    """Update the catalogue and the tables of `types`; returns the names of the tables that were created or dropped.

    `changed` says which rows to replace; None recreates the tables. A type with more rows than `rows_of_one_pivot` is
    pivoted in parts. Run inside the transaction of the load, after the flat tables and the evidence are stored.
    """
    types_with_evidence = known_types(connection)
    before = typed_tables(connection)
    names = table_names(types_with_evidence, reserved=RESERVED_NAMES)
    renamed = {type_ for type_ in before if names.get(type_) != before[type_]}
    for type_ in renamed:
        connection.execute(f"DROP TABLE IF EXISTS {quote(before[type_])}")
        connection.execute("DELETE FROM details_fields WHERE type = ?", [type_])
    wanted = sorted({*types, *renamed} & set(types_with_evidence))
    evidence = _evidence(connection, wanted)
    fields = {type_: fields_of_type(evidence[type_]) for type_ in wanted}
    _write_fields(connection, names, fields)
    columns = {type_: [field.column for field in fields[type_] if field.column] for type_ in wanted}
    actual = _actual_columns(connection) if changed is not None else {}
    kept = [type_ for type_ in wanted if actual.get(names[type_]) == _expected_columns(columns[type_])]
    if changed is not None and kept:
        rows = _rows_by_type(connection, changed.leaves)
        for type_ in kept:
            parts = rows.get(type_, 0) // rows_of_one_pivot + 1
            _delete_rows(connection, names[type_], changed)
            _insert_rows(connection, type_, names[type_], columns[type_], changed.leaves, parts)
    created = [type_ for type_ in wanted if type_ not in kept]
    if created:
        rows = _rows_by_type(connection, _STORED)
        small = _small_types(rows, created)
        with _gathered(connection, small) as gathered:
            for type_ in created:
                source, parts = gathered if type_ in small else _STORED, rows.get(type_, 0) // rows_of_one_pivot + 1
                _create(connection, names[type_], columns[type_])
                _insert_rows(connection, type_, names[type_], columns[type_], source, parts)
    return [*(before[type_] for type_ in renamed), *(names[type_] for type_ in created)]


def _rows_by_type(connection: duckdb.DuckDBPyConnection, source: _Leaves) -> dict[str, int]:
    """The number of milestones of every type in `source`, the smallest type first."""
    named = {name: value for name, value in source.parameters.items() if name == "milestones"}
    query = f"SELECT type, count(*) FROM {source.milestones} GROUP BY type ORDER BY 2, 1"  # noqa: S608
    return dict(connection.execute(query, named).fetchall())


def _small_types(rows: Mapping[str, int], types: Iterable[str]) -> list[str]:
    """The types with the fewest milestones, up to MILESTONES_GATHERED milestones in total. `rows` ascend."""
    wanted, small, total = set(types), list[str](), 0
    for type_, count in rows.items():
        if type_ in wanted and (total := total + count) <= MILESTONES_GATHERED:
            small.append(type_)
    return small


@contextmanager
def _gathered(connection: duckdb.DuckDBPyConnection, types: list[str]) -> Iterator[_Leaves]:
    """Copy the milestones of these types and their leaves to temporary tables, if there are two types or more."""
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


def _evidence(connection: duckdb.DuckDBPyConnection, types: list[str]) -> dict[str, list[Evidence]]:
    names = ", ".join(EVIDENCE.stored_columns)
    query = f"SELECT {names} FROM internal_evidence WHERE list_contains($types, type)"  # noqa: S608
    found: dict[str, list[Evidence]] = {type_: [] for type_ in types}
    for row in connection.execute(query, {"types": types}).fetchall():
        evidence = Evidence(*row)
        found[evidence.type].append(evidence)
    return found


def _write_fields(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, str], fields: Mapping[str, list[DetailsField]]
) -> None:
    """Replace the fields of types in the catalogue; `tables` has the table name of each type."""
    connection.execute("DELETE FROM details_fields WHERE list_contains($types, type)", {"types": list(fields)})
    decided = [(type_, field) for type_, of_type in fields.items() for field in of_type]
    rows = DETAILS_FIELDS.from_columns(
        {
            "type": [type_ for type_, _ in decided],
            "path": [field.path for _, field in decided],
            "kinds": [field.kinds for _, field in decided],
            "table_name": [tables[type_] for type_, _ in decided],
            "column_name": [field.column.name if field.column else None for _, field in decided],
            "sql_type": [field.column.sql_type if field.column else None for _, field in decided],
            "records": [field.records for _, field in decided],
            "first_seen_at": [field.first_seen_at for _, field in decided],
            "last_seen_at": [field.last_seen_at for _, field in decided],
            "first_sweep_id": [field.first_sweep_id for _, field in decided],
            "example": [field.example for _, field in decided],
            "is_discarded": [field.is_discarded for _, field in decided],
            "discarded_kinds": [field.discarded_kinds for _, field in decided],
        }
    )
    # Inserting ten thousand fields row by row would take seconds.
    connection.register("decided_fields", rows)
    connection.execute("INSERT INTO details_fields BY NAME SELECT * FROM decided_fields")
    connection.unregister("decided_fields")


def _actual_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, tuple[str, str | None]]]:
    """The actual columns of every table: SQL type and comment by name."""
    rows = connection.execute(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE database_name = current_database() AND NOT internal"
    ).fetchall()
    tables: dict[str, dict[str, tuple[str, str | None]]] = defaultdict(dict)
    for table, name, sql_type, comment in rows:
        tables[table][name] = (sql_type, comment)
    return tables


def _expected_columns(columns: list[DetailsColumn]) -> dict[str, tuple[str, str | None]]:
    """The columns that `_actual_columns` should have for its table.

    Comments are compared as well: a column can keep its name and type while its path changes, or while it begins to
    hold the JSON text of containers.
    """
    of_paths = {column.name: (column.sql_type, f"{column.path or 'details'} as {column.shape}") for column in columns}
    return {ROW_KEY: ("VARCHAR", None), **of_paths}


def _create(connection: duckdb.DuckDBPyConnection, table: str, columns: list[DetailsColumn]) -> None:
    declared = _expected_columns(columns)
    body = "".join(f", {quote(name)} {sql_type}" for name, (sql_type, _) in declared.items() if name != ROW_KEY)
    connection.execute(f"DROP TABLE IF EXISTS {quote(table)}")
    connection.execute(f"CREATE TABLE {quote(table)} ({MILESTONE_ID.ddl}{body})")
    connection.execute(f"COMMENT ON TABLE {quote(table)} IS 'Typed details of one type; see details_fields.'")
    for name, (_, comment) in declared.items():
        if comment is not None:
            connection.execute(f"COMMENT ON COLUMN {quote(table)}.{quote(name)} IS {literal(comment)}")


def _delete_rows(connection: duckdb.DuckDBPyConnection, table: str, changed: ChangedRows) -> None:
    connection.execute(
        f"DELETE FROM {quote(table)} WHERE milestone_id IN (SELECT milestone_id FROM read_parquet(?))",  # noqa: S608
        [changed.milestones],
    )


def _insert_rows(
    connection: duckdb.DuckDBPyConnection,
    type_: str,
    table: str,
    columns: list[DetailsColumn],
    source: _Leaves,
    parts: int,
) -> None:
    """Insert the rows of the milestones of a type, pivoted from `source` in so many parts."""
    parameters: dict[str, Any] = {"type": type_, **source.parameters}
    aggregates, values = [], []
    for number, column in enumerate(columns):
        aggregate, value = _expressions(column, number, parameters)
        aggregates.append(aggregate)
        values.append(value)
    pivoted = "".join(f", {aggregate}" for aggregate in aggregates)
    selected = "".join(f", {value}" for value in values)
    of_type = f"FROM {source.milestones} WHERE type = $type"
    # Every milestone has a leaf, so only columns that read its JSON text need the milestone row.
    joined = " JOIN chosen USING (milestone_id)" if any(column.shape == "text" for column in columns) else ""
    for part in range(parts):
        chosen = f"{of_type} AND hash(milestone_id) % {parts} = {part}" if parts > 1 else of_type
        connection.execute(
            f"WITH chosen AS (SELECT milestone_id, details {chosen}), pivoted AS ("  # noqa: S608
            f"SELECT milestone_id{pivoted} FROM {source.details} SEMI JOIN chosen USING (milestone_id) GROUP BY 1"
            f") INSERT INTO {quote(table)} SELECT milestone_id{selected} FROM pivoted{joined}",
            parameters,
        )


def _expressions(column: DetailsColumn, number: int, parameters: dict[str, Any]) -> tuple[str, str]:
    """SQL of the aggregate that collects the leaves of a column, and of the value made from it."""
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
    """The path of a field as a JSON pointer (RFC 6901). Unlike DuckDB's own JSON paths, it can name any key."""
    keys = (key_of(segment) for segment in split_field(path))
    return "".join(f"/{key.replace('~', '~0').replace('/', '~1')}" for key in keys)
