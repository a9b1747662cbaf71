"""Queries on the published file of a home and on its quarantine. Read-only; imports neither Arrow nor Dagster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from pipelines.errors import MilestonesError, WarehouseBusy
from pipelines.reading.connection import NothingPublished, QueryResult, Settings, open_reader, run_query
from pipelines.reading.results import BoundStatement, TextResult
from pipelines.storage.home import DEMO_HOME, HOME_VARIABLE, Home
from pipelines.storage.lock import writer_lock
from schemas.sql import quote

TABLES = """
    SELECT table_name FROM duckdb_tables()
    WHERE database_name = current_database() AND table_name <> 'schema_version'
      AND (table_name = 'details_fields' OR NOT starts_with(table_name, 'details_'))
    ORDER BY table_oid
"""
"""The tables that every published file has, in order; its details_<type> tables differ."""

REFUSED = """
    SELECT sweep_id, page, position, milestone_id, reason, field, seen_at, left(record, 80) AS record
    FROM quarantine ORDER BY sweep_id DESC, page, position LIMIT {limit}
"""


@contextmanager
def open_published(home: Home, *, limits: Settings | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published file for the block; see `open_reader`. Raises NothingPublished, WarehouseUnusable."""
    if not home.published_duckdb.exists():
        raise nothing_published(home)
    with open_reader(home.published_duckdb, limits=limits) as connection:
        yield connection


def nothing_published(home: Home) -> NothingPublished:
    """The error for a home without a published file."""
    return NothingPublished(
        f"nothing is published at {home.published_duckdb}{_demo(home)}: run milestones ingest first"
    )


def _demo(home: Home) -> str:
    """A hint at the demo's home, if the demo was run here and this is another home."""
    demo = Home(DEMO_HOME.absolute())
    if demo == home or not demo.published_duckdb.exists():
        return ""
    return f" (to use the demo's data: export {HOME_VARIABLE}={DEMO_HOME})"


def query_home(home: Home, query: str) -> QueryResult:
    """Run one query on the published file of a home. Raises NothingPublished, WarehouseUnusable, QueryFailed."""
    with open_published(home) as connection:
        return run_query(connection, query)


def refused_records(home: Home, *, limit: int) -> TextResult:
    """The newest refused records, including those of failed sweeps, which were never published.

    The warehouse has all of them, but only one process can open it. While a run holds it, the published file is read.
    Raises NothingPublished, WarehouseBusy (nothing is published yet), WarehouseUnusable.
    """
    query = REFUSED.format(limit=int(limit))
    if home.warehouse_file.exists():
        try:
            with writer_lock(home, purpose="milestones quarantine"), open_reader(home.warehouse_file) as connection:
                return _fetched(connection, query)
        except (WarehouseBusy, PermissionError):
            if not home.published_duckdb.exists():
                raise
    with open_published(home) as connection:
        return _fetched(connection, query)


def _fetched(connection: duckdb.DuckDBPyConnection, query: str) -> TextResult:
    """The result with all rows in memory: the connection closes before they are printed."""
    result = BoundStatement(connection, query).result()
    return TextResult(result.columns, list(result.rows))


def pages_of_last_full_sweep(home: Home) -> int | None:
    """How many pages the last full sweep had; None if there is none."""
    try:
        result = query_home(home, "SELECT arg_max(pages, sweep_id) FROM sweeps WHERE mode = 'full' AND is_complete")
    except MilestonesError:
        return None
    pages: int | None = result.rows[0][0]
    return pages


def row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of every table of the published file."""
    names = [row[0] for row in run_query(connection, TABLES).rows]
    return {name: run_query(connection, f"SELECT count(*) FROM {quote(name)}").rows[0][0] for name in names}  # noqa: S608
