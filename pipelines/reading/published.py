"""Questions to the published file of a home, and to its quarantine. Never writes, needs neither Arrow nor Dagster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from pipelines.errors import MilestonesError, WarehouseBusy
from pipelines.reading.answers import Question, TextAnswer
from pipelines.reading.connection import NothingPublished, QueryResult, open_reader
from pipelines.reading.query_errors import NOT_A_QUERY, QueryFailed, faults_explained
from pipelines.storage.home import DEMO_HOME, HOME_VARIABLE, Home
from pipelines.storage.lock import writer_lock
from schemas.sql import quote

TABLES = """
    SELECT table_name FROM duckdb_tables()
    WHERE database_name = current_database() AND table_name <> 'schema_version'
      AND (table_name = 'details_fields' OR NOT starts_with(table_name, 'details_'))
    ORDER BY table_oid
"""
"""Those of every published file, in its order; which types have a table of their own differs."""


REFUSED = """
    SELECT sweep_id, page, position, milestone_id, reason, field, seen_at, left(record, 80) AS record
    FROM quarantine ORDER BY sweep_id DESC, page, position LIMIT {limit}
"""


@contextmanager
def reading(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file, opened for one use. Raises NothingPublished, WarehouseUnusable."""
    if not home.published_duckdb.exists():
        raise NothingPublished(
            f"nothing is published at {home.published_duckdb}{_demo(home)}: run milestones ingest first"
        )
    with open_reader(home.published_duckdb) as connection:
        yield connection


def _demo(home: Home) -> str:
    """Where the demo is, if it was run here and is not what was asked."""
    demo = Home(DEMO_HOME.absolute())
    if demo == home or not demo.published_duckdb.exists():
        return ""
    return f" (the demo's data are: export {HOME_VARIABLE}={DEMO_HOME})"


def ask(connection: duckdb.DuckDBPyConnection, query: str) -> QueryResult:
    """Run one query. Raises QueryFailed, which says what to do about it."""
    with faults_explained(connection):
        cursor = connection.execute(query)
        # DuckDB answers a text without a statement with None, against its types.
        if not cursor or not cursor.description:
            raise QueryFailed(NOT_A_QUERY)
        return QueryResult([column[0] for column in cursor.description], cursor.fetchall())


def ask_home(home: Home, query: str) -> QueryResult:
    """Run one query on the published file."""
    with reading(home) as connection:
        return ask(connection, query)


def refused(home: Home, *, limit: int) -> TextAnswer:
    """The newest refused records, those of sweeps that failed and were never published too.

    They are in the warehouse, which one process opens at a time. While a run holds it, the published file answers.
    Raises NothingPublished, WarehouseBusy (nothing is published yet), WarehouseUnusable.
    """
    query = REFUSED.format(limit=int(limit))
    if home.warehouse_file.exists():
        try:
            with writer_lock(home, purpose="milestones quarantine"), open_reader(home.warehouse_file) as connection:
                return _whole(connection, query)
        except (WarehouseBusy, PermissionError):
            if not home.published_duckdb.exists():
                raise
    with reading(home) as connection:
        return _whole(connection, query)


def _whole(connection: duckdb.DuckDBPyConnection, query: str) -> TextAnswer:
    answer = Question(connection, query).answer()
    return TextAnswer(answer.columns, list(answer.rows))


def table_rows(home: Home) -> dict[str, int]:
    """Rows of every published table."""
    with reading(home) as connection:
        return row_counts(connection)


def pages_of_last_full_sweep(home: Home) -> int | None:
    """How many pages the last full sweep had; None when none was published."""
    try:
        answer = ask_home(home, "SELECT arg_max(pages, sweep_id) FROM sweeps WHERE mode = 'full' AND is_complete")
    except MilestonesError:
        return None
    pages: int | None = answer.rows[0][0]
    return pages


def row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of every table of the published file."""
    names = [row[0] for row in ask(connection, TABLES).rows]
    return {name: ask(connection, f"SELECT count(*) FROM {quote(name)}").rows[0][0] for name in names}  # noqa: S608
