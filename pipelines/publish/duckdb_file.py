"""The next published DuckDB file: the one before the last brought up to date, or a copy of the warehouse.

A copy costs as much as the warehouse is large, bringing up to date as much as has changed. The file to bring up to
date is the one that was published before the last: no reader finds it by name any more, and it is only written to
where nobody has it open.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import duckdb

from pipelines.durable import TEMPORARY_SUFFIX, copy_file, sync
from pipelines.home import Home
from pipelines.publish.views import create_views
from pipelines.warehouse.catalogue import typed_tables
from pipelines.warehouse.database import attach_reading, discard, open_copy
from pipelines.warehouse.load import newest_loaded_sweep_id, transaction
from pipelines.warehouse.rows import rows_of
from pipelines.warehouse.touched import Touched, tables_of_touched, touched_since
from schemas.sql import literal, quote
from schemas.tables import DETAILS_FIELDS, PRIVATE_TABLES, PUBLISHED_TABLES, QUARANTINE, SCHEMA_VERSION, SWEEPS

WAREHOUSE = "warehouse"
OF_NO_MILESTONE = (DETAILS_FIELDS, QUARANTINE, SWEEPS)
"""Tables that are small and not told by milestone: written anew with every publish."""

MAX_GROWTH = 1.5
"""Rows that are replaced leave holes; a file larger than the warehouse by this much is copied anew."""


def make_next(home: Home, file: Path) -> None:
    """Make `file`, whole and synced, with what the closed warehouse holds."""
    discard(file)
    if not _bring_up_to_date(home, file):
        discard(file)
        copy_file(home.warehouse_file, file)
        with open_copy(file) as connection:
            for table in PRIVATE_TABLES:
                connection.execute(f"DROP TABLE {quote(table.name)}")
            create_views(connection)
    sync(file)


def retire(home: Home) -> Path | None:
    """Give the published file, about to be replaced, a second name, to be brought up to date under later.

    None where there is none yet, or where the file system knows no second names.
    """
    second = home.spare_duckdb.with_name(home.spare_duckdb.name + TEMPORARY_SUFFIX)
    second.unlink(missing_ok=True)
    try:
        second.hardlink_to(home.published_duckdb)
    except OSError:
        return None
    return second


def _bring_up_to_date(home: Home, file: Path) -> bool:
    """Turn the spare file into the next one; False where that cannot be done or is not worth while."""
    spare = home.spare_duckdb
    if not spare.exists():
        return False
    spare.replace(file)
    if not is_closed(file) or file.stat().st_size > MAX_GROWTH * home.warehouse_file.stat().st_size:
        return False
    with open_copy(file) as connection:
        attach_reading(connection, home.warehouse_file, WAREHOUSE)
        version = connection.execute("SELECT max(version) FROM schema_version").fetchall()[0][0]
        newest = newest_loaded_sweep_id(connection)
        touched = touched_since(connection, newest, catalog=WAREHOUSE) if version == SCHEMA_VERSION else None
        if touched is None:
            return False
        with transaction(connection):
            _replace_touched(connection, touched)
        create_views(connection)
        connection.execute(f"DETACH {WAREHOUSE}")
    return True


def is_closed(file: Path) -> bool:
    """Whether no process has a file open. Linux leases a file for writing only then; elsewhere nobody can tell."""
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    descriptor = os.open(file, os.O_RDWR)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _replace_touched(connection: duckdb.DuckDBPyConnection, touched: Touched) -> None:
    before, after = typed_tables(connection), typed_tables(connection, catalog=WAREHOUSE)
    held = tables_of_touched(connection) | tables_of_touched(connection, catalog=WAREHOUSE)
    for name in {*before.values(), *touched.tables} - set(after.values()):
        connection.execute(f"DROP TABLE IF EXISTS {quote(name)}")
    for name in sorted(after.values()):
        if name in touched.tables or name not in before.values():
            _make_again(connection, name)
        elif name in held:
            _replace(connection, name, "*", is_whole=False)
    for table in PUBLISHED_TABLES:
        columns = ", ".join(map(quote, table.stored_columns))
        _replace(connection, table.name, columns, is_whole=table in OF_NO_MILESTONE)


def _replace(connection: duckdb.DuckDBPyConnection, name: str, columns: str, *, is_whole: bool) -> None:
    """The rows of touched milestones, or all rows, as they stand in the warehouse."""
    own, source = quote(name), f"{WAREHOUSE}.{quote(name)}"
    chosen = "" if is_whole else " WHERE milestone_id IN (SELECT milestone_id FROM touched)"
    rows = source if is_whole else f"({rows_of(connection, source, 'touched')})"
    connection.execute(f"DELETE FROM {own}{chosen}")  # noqa: S608
    connection.execute(f"INSERT INTO {own} BY NAME SELECT {columns} FROM {rows}")  # noqa: S608


def _make_again(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """A typed table as it stands in the warehouse, comments included."""
    of_table = f"database_name = '{WAREHOUSE}' AND table_name = {literal(name)}"
    ((ddl, comment),) = connection.execute(f"SELECT sql, comment FROM duckdb_tables() WHERE {of_table}").fetchall()  # noqa: S608
    columns = connection.execute(
        f"SELECT column_name, comment FROM duckdb_columns() WHERE {of_table} AND comment IS NOT NULL"  # noqa: S608
    ).fetchall()
    connection.execute(f"DROP TABLE IF EXISTS {quote(name)}")
    connection.execute(ddl)
    connection.execute(f"INSERT INTO {quote(name)} SELECT * FROM {WAREHOUSE}.{quote(name)}")  # noqa: S608
    if comment is not None:
        connection.execute(f"COMMENT ON TABLE {quote(name)} IS {literal(comment)}")
    for column, text in columns:
        connection.execute(f"COMMENT ON COLUMN {quote(name)}.{quote(column)} IS {literal(text)}")
