"""Questions to the published file: what `status` shows and `sql` asks. Reads, never writes, needs no Dagster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from pipelines.errors import MilestonesError, WarehouseBusy
from pipelines.reading.answers import Question, TextAnswer, distinct
from pipelines.reading.connection import open_reader
from pipelines.reading.query_errors import NOT_A_QUERY, QueryFailed, faults_explained
from pipelines.storage.disk_usage import sizes
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


class NothingPublished(MilestonesError):
    """There is no published file yet."""


DRIFT = """
    SELECT type, path, kinds, first_seen_at FROM details_fields
    QUALIFY first_sweep_id > min(first_sweep_id) OVER (PARTITION BY type) AND path <> ''
    ORDER BY first_sweep_id DESC, type, path LIMIT 5
"""
"""Fields that a type did not have from its first sweep on, the newest first."""


MISSING = """
    SELECT count(*) FILTER (category IS NULL) AS category, count(*) FILTER (title IS NULL) AS title,
           count(*) FILTER (notification_message IS NULL) AS notification_message,
           count(*) FILTER (details IS NULL) AS details
    FROM milestones WHERE vanished_at IS NULL
"""
"""Milestones without a value that the API calls required. A missing array of tickers is an empty one in the tables."""

REFUSED = """
    SELECT sweep_id, page, position, milestone_id, reason, field, seen_at, left(record, 80) AS record
    FROM quarantine ORDER BY sweep_id DESC, page, position LIMIT {limit}
"""

LATENESS_DAYS = 7
LATENESS = f"""
    WITH loaded AS (
        SELECT sweep_id, mode, started_at,
               max(watermark) OVER earlier AS watermark_before
        FROM sweeps WHERE status = 'loaded'
        WINDOW earlier AS (ORDER BY sweep_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ), brought AS (
        SELECT epoch(valid_from - last_updated_ts) AS late, epoch(watermark_before - last_updated_ts) AS behind
        FROM milestone_versions JOIN loaded USING (sweep_id)
        WHERE mode = 'incremental' AND last_updated_ts BETWEEN valid_from - INTERVAL 1 DAY AND valid_from
          AND started_at >= (SELECT max(started_at) FROM loaded WHERE mode = 'incremental')
                            - INTERVAL {LATENESS_DAYS} DAY
    )
    SELECT count(*) AS rows, quantile_disc(late, 0.99) AS seconds_p99, max(late) AS seconds_max,
           CASE WHEN count(*) > 0 THEN greatest(max(behind), 0) END AS overlap_used_seconds
    FROM brought
"""  # noqa: S608
"""How late incremental sweeps see updates, over the versions that they brought first.

A version counts where its update lies at most a day back: the zero time, times of the future, and rows that waited for
the end of a long pause say nothing about it. Waiting for the next sweep is part of `seconds_*`; `overlap_used_seconds`
is the farthest that an update lay before the watermark of its time: only the overlap brings such a row.
"""


@dataclass(frozen=True)
class Answer:
    """Column names and rows of a query."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    @property
    def records(self) -> list[dict[str, Any]]:
        """Rows by column name."""
        names = distinct(self.columns)
        return [dict(zip(names, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Status:
    """What `milestones status` shows.

    `missing` counts milestones without a value that the API calls required, by column; `unpublished` is the newest
    sweep where it is not the newest published one; `lateness` has rows, seconds_p99, seconds_max and
    overlap_used_seconds, None where there are no rows: see LATENESS.
    """

    published_file: str
    bytes: int
    rows: dict[str, int]
    sweeps: list[dict[str, Any]]
    watermark: datetime | None
    last_full_at: datetime | None
    newest_update: datetime | None
    quarantined_by_reason: list[dict[str, Any]]
    missing: dict[str, int]
    drift: list[dict[str, Any]]
    sizes: dict[str, int]
    unpublished: dict[str, Any] | None
    lateness: dict[str, Any]


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


def ask(connection: duckdb.DuckDBPyConnection, query: str) -> Answer:
    """Run one query. Raises QueryFailed, which says what to do about it."""
    with faults_explained(connection):
        cursor = connection.execute(query)
        # DuckDB answers a text without a statement with None, against its types.
        if not cursor or not cursor.description:
            raise QueryFailed(NOT_A_QUERY)
        return Answer([column[0] for column in cursor.description], cursor.fetchall())


def ask_home(home: Home, query: str) -> Answer:
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
        return _row_counts(connection)


def pages_of_last_full_sweep(home: Home) -> int | None:
    """How many pages the last full sweep had; None when none was published."""
    try:
        answer = ask_home(home, "SELECT arg_max(pages, sweep_id) FROM sweeps WHERE mode = 'full' AND is_complete")
    except MilestonesError:
        return None
    pages: int | None = answer.rows[0][0]
    return pages


def status(home: Home, *, sweeps: int = 5) -> Status:
    """Freshness, rows, the last sweeps and refusals, of the published file; and what came after it."""
    with reading(home) as connection:
        last = ask(connection, f"SELECT * FROM sweeps ORDER BY sweep_id DESC LIMIT {int(sweeps)}").records  # noqa: S608
        watermark, last_full_at = ask(
            connection, "SELECT max(watermark), max(finished_at) FILTER (mode = 'full' AND is_complete) FROM sweeps"
        ).rows[0]
        return Status(
            published_file=str(home.published_duckdb),
            bytes=home.published_duckdb.stat().st_size,
            rows=_row_counts(connection),
            sweeps=last,
            watermark=watermark,
            last_full_at=last_full_at,
            newest_update=ask(connection, "SELECT newest_update FROM freshness").rows[0][0],
            quarantined_by_reason=ask(
                connection,
                "SELECT reason, field, count(*) AS records FROM quarantine "
                "GROUP BY ALL ORDER BY records DESC, reason LIMIT 5",
            ).records,
            missing={name: count for name, count in ask(connection, MISSING).records[0].items() if count},
            drift=ask(connection, DRIFT).records,
            sizes=sizes(home),
            unpublished=_unpublished(home, last[0]["sweep_id"] if last else ""),
            lateness=ask(connection, LATENESS).records[0],
        )


def _row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    names = [row[0] for row in ask(connection, TABLES).rows]
    return {name: ask(connection, f"SELECT count(*) FROM {quote(name)}").rows[0][0] for name in names}  # noqa: S608


def _unpublished(home: Home, newest_published: str) -> dict[str, Any] | None:
    if not any(folder.name > newest_published for folder in home.raw.glob("[0-9]*")):
        return None
    # Only then: landed pages are read with Arrow, which takes longer to load than most queries take.
    from pipelines.storage.landing import Landing  # noqa: PLC0415

    landing = Landing.newest(home.raw)
    if landing is None or landing.sweep.sweep_id <= newest_published:
        return None
    sweep = landing.sweep
    return {"sweep_id": sweep.sweep_id, "mode": sweep.mode, "state": sweep.state, "error": sweep.error}
