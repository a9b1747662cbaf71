"""Runs SQL on the warehouse: the files in `warehouse/sql`, transactions, inserts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from typing import Any

import duckdb

from pipelines.staging.files import Staging
from pipelines.warehouse.connection import limit_memory
from schemas.sql import quote
from schemas.table import Table


@cache
def sql(name: str) -> str:
    """The text of a file in `warehouse/sql`."""
    return resources.files("pipelines.warehouse").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection, *, deletes: bool = False, arriving: int = 0) -> Iterator[None]:
    """Commit, or roll back after an error: DuckDB's COMMIT of a failed transaction reports success and rolls back.

    `deletes`: rows of every row group may be deleted or replaced. `arriving`: records of the sweep that is loaded.
    """
    if deletes:
        limit_memory(connection, deletes=True, arriving=arriving)
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def unordered(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Insert rows in any order: two and a half times as fast on two cores."""
    connection.execute("SET preserve_insertion_order = false")
    yield
    # Not reset after an error: no insert follows, and a statement in a failed transaction would raise another error.
    connection.execute("RESET preserve_insertion_order")


def run_file(connection: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> None:
    """Run every statement of a file, each with the parameters that it names."""
    for statement in duckdb.extract_statements(sql(name)):
        connection.execute(statement, {key: parameters[key] for key in statement.named_parameters})


def append(connection: duckdb.DuckDBPyConnection, staging: Staging, table: Table) -> None:
    """Insert the staged rows of a table, in any order: worker processes have mixed it already."""
    with unordered(connection):
        connection.execute(
            f"INSERT INTO {quote(table.name)} BY NAME SELECT * FROM read_parquet($rows)",  # noqa: S608
            {"rows": staging.files(table)},
        )


def insert_row(connection: duckdb.DuckDBPyConnection, table: Table, row: dict[str, Any]) -> None:
    """Insert one row, given as values by column name."""
    names = ", ".join(quote(name) for name in table.stored_columns)
    marks = ", ".join("?" for _ in table.stored_columns)
    connection.execute(
        f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})",  # noqa: S608
        [row[name] for name in table.stored_columns],
    )
