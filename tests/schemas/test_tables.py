"""Every declared table: what Arrow writes, DuckDB stores and returns unchanged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.columns import HASH_LENGTH
from schemas.endpoints import PUBLISHED_TABLES
from schemas.sql import literal, quote
from schemas.table import SQL_TYPES, Column, Table
from schemas.tables import FLAT_TABLES
from tests.schemas.rows import ALL_TABLES, good_rows, to_arrow

EVERY_TABLE = pytest.mark.parametrize("table", ALL_TABLES, ids=lambda table: table.name)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def _write_stored(table: Table, file: Path) -> pa.Table:
    rows = to_arrow(table, good_rows(table))
    pq.write_table(rows.select(list(table.stored_columns)), file)
    return rows


@EVERY_TABLE
def test_duckdb_has_the_declared_columns(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    connection.execute(table.ddl)
    described = connection.execute(f"DESCRIBE {quote(table.name)}").fetchall()
    assert [(name, kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")) for name, kind, *_ in described] == [
        (column.name, column.sql_type) for column in table.columns
    ]
    assert [nullable == "YES" for _, _, nullable, *_ in described] == [
        column.nullable or column.generated is not None for column in table.columns
    ]


@EVERY_TABLE
def test_rows_written_with_arrow_round_trip_through_duckdb(
    connection: duckdb.DuckDBPyConnection, table: Table, tmp_path: Path
) -> None:
    rows = _write_stored(table, tmp_path / "rows.parquet")
    connection.execute(table.ddl)
    connection.execute(
        f"INSERT INTO {quote(table.name)} BY NAME FROM read_parquet(?)",
        [str(tmp_path / "rows.parquet")],
    )
    found = connection.sql(f"FROM {quote(table.name)}").to_arrow_table()
    assert found.schema.names == table.arrow_schema.names
    assert found.schema.types == table.arrow_schema.types
    # Generated columns too: the good rows were written with what DuckDB should compute.
    assert found.to_pylist() == rows.to_pylist()


@EVERY_TABLE
def test_duckdb_refuses_null_in_a_required_column(
    connection: duckdb.DuckDBPyConnection, table: Table, tmp_path: Path
) -> None:
    _write_stored(table, tmp_path / "rows.parquet")
    connection.execute(table.ddl)
    for column in table.columns:
        if column.nullable or column.generated:
            continue
        with pytest.raises(duckdb.ConstraintException, match=rf"NOT NULL.*\b{column.name}\"?$"):
            connection.execute(
                f"INSERT INTO {quote(table.name)} BY NAME "
                f"SELECT * REPLACE (NULL AS {quote(column.name)}) FROM read_parquet(?)",
                [str(tmp_path / "rows.parquet")],
            )


@EVERY_TABLE
def test_comments_describe_the_table_inside_duckdb(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    connection.execute(table.ddl)
    for statement in table.comments:
        connection.execute(statement)
    assert connection.execute("SELECT comment FROM duckdb_tables() WHERE table_name = ?", [table.name]).fetchall() == [
        (table.description,)
    ]
    assert connection.execute(
        "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index", [table.name]
    ).fetchall() == [(column.name, column.description) for column in table.columns]


@EVERY_TABLE
def test_arrow_says_which_columns_are_required_and_what_they_mean(table: Table) -> None:
    for column, field in zip(table.columns, table.arrow_schema, strict=True):
        assert (field.name, field.type, field.nullable) == (column.name, column.type, column.nullable)
        assert field.metadata == {b"description": column.description.encode()}


@EVERY_TABLE
def test_names_are_unique_and_everything_has_a_description(table: Table) -> None:
    names = [column.name.lower() for column in table.columns]
    assert len(names) == len(set(names)), "DuckDB does not tell names apart by case"
    assert all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in (table.name, *table.arrow_schema.names))
    assert table.description.endswith(".")
    assert table.grain
    for column in table.columns:
        assert column.description.endswith("."), column.name
        assert column.source, column.name
    assert all(rule.description for rule in table.all_rules)


@EVERY_TABLE
def test_the_key_is_made_of_required_columns(table: Table) -> None:
    required = {column.name for column in table.columns if not column.nullable and not column.generated}
    assert table.key
    assert set(table.key) <= required


def test_names_of_tables_are_unique() -> None:
    names = [table.name for table in ALL_TABLES]
    assert len(names) == len(set(names))


@EVERY_TABLE
def test_references_are_to_keys_of_published_tables(table: Table) -> None:
    published = {other.name: other for other in PUBLISHED_TABLES}
    for reference in table.references:
        column = {column.name: column for column in table.columns}[reference.column]
        target = published[reference.table]
        assert target.key == (reference.to,)
        assert target.arrow_schema.field(reference.to).type == column.type


def test_flat_tables_are_published_and_refer_to_milestones() -> None:
    assert PUBLISHED_TABLES[: len(FLAT_TABLES)] == FLAT_TABLES
    assert all("milestone_id" in table.arrow_schema.names for table in FLAT_TABLES)


def test_a_generated_column_is_computed_and_never_stored(connection: duckdb.DuckDBPyConnection) -> None:
    [table] = [table for table in ALL_TABLES if table.name == "milestone_versions"]
    assert [column.name for column in table.columns if column.name not in table.stored_columns] == ["is_current"]
    connection.register("rows", to_arrow(table, good_rows(table)).select(list(table.stored_columns)))
    connection.execute(table.ddl)
    connection.execute("INSERT INTO milestone_versions BY NAME FROM rows")
    query = "SELECT is_current FROM milestone_versions ORDER BY version"
    assert connection.execute(query).fetchall() == [(False,), (False,), (True,)]
    connection.execute("UPDATE milestone_versions SET valid_to = now()")
    assert connection.execute(query).fetchall() == [(False,)] * 3
    with pytest.raises(duckdb.Error, match="generated"):
        connection.execute("UPDATE milestone_versions SET is_current = true")


@pytest.mark.parametrize("text", ["plain", "it's", "''", "a\nb", "--", "; DROP TABLE x", 'a"b', "é 😀", "", "\\'"])
def test_odd_names_and_descriptions_are_quoted_in_ddl_and_comments(
    connection: duckdb.DuckDBPyConnection, text: str
) -> None:
    assert connection.execute(f"SELECT {literal(text)}").fetchall() == [(text,)]
    if text:
        column = Column(text, next(iter(SQL_TYPES)), text, "")
        table = Table(f"t {text}", "", text, (column,), (text,))
        connection.execute(table.ddl)
        for statement in table.comments:
            connection.execute(statement)
        assert connection.sql(f"FROM {quote(table.name)}").columns == [text]


def test_every_type_round_trips_through_duckdb(connection: duckdb.DuckDBPyConnection) -> None:
    for arrow_type, sql_type in SQL_TYPES.items():
        assert connection.sql(f"SELECT NULL::{sql_type} AS x").to_arrow_table().schema.field("x").type == arrow_type


def test_from_columns_takes_lists_by_name() -> None:
    [table] = [table for table in ALL_TABLES if table.name == "milestone_sources"]
    lists = {"provider_id": ["3"], "milestone_id": ["1"], "provider": ["2"]}
    assert table.from_columns(lists).to_pylist() == [{"milestone_id": "1", "provider": "2", "provider_id": "3"}]
    with pytest.raises(KeyError):
        table.from_columns({"milestone_id": ["1"]})
    with pytest.raises(pa.ArrowInvalid):
        table.from_columns(lists | {"provider": []})
    with pytest.raises(pa.ArrowTypeError):
        table.from_columns(lists | {"provider": [7]})


def test_a_content_hash_has_as_many_digits_as_declared() -> None:
    assert HASH_LENGTH == 32
