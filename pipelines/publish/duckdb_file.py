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
from pipelines.errors import WarehouseUnusable
from pipelines.home import Home
from pipelines.publish.newest import OF_NO_MILESTONE, TOUCHED, WAREHOUSE, Newest, tables_of
from pipelines.publish.views import create_views
from pipelines.reader import CATALOG
from pipelines.warehouse.catalogue import typed_tables
from pipelines.warehouse.database import attach, beside, discard
from pipelines.warehouse.load import LEAVE_GROUPS, newest_loaded_sweep_id, transaction
from pipelines.warehouse.touched import is_known
from schemas.sql import literal, quote
from schemas.tables import MILESTONES, PRIVATE_TABLES, PUBLISHED_TABLES, SCHEMA_VERSION

MAX_GROWTH = 1.5
"""Rows that are replaced leave holes; a file larger than the warehouse by this much is copied anew."""


def take_spare(connection: duckdb.DuckDBPyConnection, home: Home, file: Path) -> str | None:
    """Attach the spare file, as `file`, to be brought up to date; the newest sweep that it holds.

    None, and nothing is attached, where there is none that can be used, or bringing it up to date is not worth while.
    """
    discard(file)
    if not home.spare_duckdb.exists():
        return None
    home.spare_duckdb.replace(file)
    found = file.stat()
    # A second name may be a reader's, or a backup's.
    if not is_closed(file) or found.st_nlink > 1 or found.st_size > MAX_GROWTH * home.warehouse_file.stat().st_size:
        return None
    try:
        attach(connection, file, CATALOG)
    except WarehouseUnusable:
        # Damaged: it would only have saved time.
        return None
    with beside(connection) as own:
        version = own.execute("SELECT max(version) FROM schema_version").fetchall()[0][0]
        newest = newest_loaded_sweep_id(own) if version == SCHEMA_VERSION else None
    if newest is None or not is_known(connection, newest, catalog=WAREHOUSE):
        connection.execute(f"DETACH {CATALOG}")
        return None
    return newest


def make_next(connection: duckdb.DuckDBPyConnection, home: Home, file: Path, newest: Newest | None) -> None:
    """Make `file`, whole and synced, with what the closed warehouse holds; it stays attached, to be read and no more.

    `newest` is what the spare file lacks, which `take_spare` attached; None where there is none: then it is a copy.
    """
    if newest is None:
        discard(file)
        copy_file(home.warehouse_file, file)
        attach(connection, file, CATALOG)
    with beside(connection) as own:
        if newest is None or not newest.has_full:
            own.execute(LEAVE_GROUPS)
        # One transaction: each syncs the write-ahead log.
        with transaction(own):
            if newest is None:
                for table in PRIVATE_TABLES:
                    own.execute(f"DROP TABLE {quote(table.name)}")
            else:
                _replace_touched(own, newest)
            create_views(own)
        # With nothing in the write-ahead log, nothing is written to the file when it is closed either.
        own.execute(f"CHECKPOINT {CATALOG}")
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


def _replace_touched(connection: duckdb.DuckDBPyConnection, newest: Newest) -> None:
    before, after = typed_tables(connection), typed_tables(connection, catalog=WAREHOUSE)
    held = tables_of(connection, CATALOG, f"FROM {MILESTONES.name} SEMI JOIN {TOUCHED} USING (milestone_id)")
    for name in {*before.values(), *newest.touched.tables} - set(after.values()):
        connection.execute(f"DROP TABLE IF EXISTS {quote(name)}")
    for name in sorted(after.values()):
        if name in newest.touched.tables or name not in before.values():
            _make_again(connection, name)
        elif name in held or name in newest.rows:
            _replace(connection, name, "*", newest)
    for table in PUBLISHED_TABLES:
        columns = ", ".join(map(quote, table.stored_columns))
        if table in OF_NO_MILESTONE:
            connection.execute(f"DELETE FROM {quote(table.name)}")  # noqa: S608
            _fill(connection, table.name, columns, f"FROM {WAREHOUSE}.{quote(table.name)}")
        else:
            _replace(connection, table.name, columns, newest)


def _replace(connection: duckdb.DuckDBPyConnection, name: str, columns: str, newest: Newest) -> None:
    """The rows of touched milestones, of which none may be left."""
    connection.execute(f"DELETE FROM {quote(name)} WHERE milestone_id IN (SELECT milestone_id FROM {TOUCHED})")  # noqa: S608
    if name in newest.rows:
        _fill(connection, name, columns, newest.rows[name])


def _fill(connection: duckdb.DuckDBPyConnection, name: str, columns: str, rows: str) -> None:
    connection.execute(f"INSERT INTO {quote(name)} BY NAME SELECT {columns} FROM ({rows})")  # noqa: S608


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
