"""The data of `milestones status`: freshness, rows, the last sweeps, refused records, drift, lateness."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from pipelines.reading.connection import run_query
from pipelines.reading.published import open_published, row_counts
from pipelines.storage.disk_usage import sizes
from pipelines.storage.home import Home

DRIFT = """
    SELECT type, path, kinds, first_seen_at FROM details_fields
    QUALIFY first_sweep_id > min(first_sweep_id) OVER (PARTITION BY type) AND path <> ''
    ORDER BY first_sweep_id DESC, type, path LIMIT 5
"""
"""Fields that appeared after the first sweep of their type, newest first."""

MISSING = """
    SELECT count(*) FILTER (category IS NULL) AS category, count(*) FILTER (title IS NULL) AS title,
           count(*) FILTER (notification_message IS NULL) AS notification_message,
           count(*) FILTER (details IS NULL) AS details
    FROM milestones WHERE vanished_at IS NULL
"""
"""Milestones without a value that the API documents as required. In the tables, a missing list of tickers is empty."""

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
"""How late incremental sweeps see updates, over the versions that they stored.

Only updates of the last day before a version count: the zero time, future times and rows after a long pause tell
nothing about lateness. `seconds_*` include the wait for the next sweep. `overlap_used_seconds` is the largest distance
of an update before the watermark of its sweep: only the overlap finds such a row.
"""


@dataclass(frozen=True)
class Status:
    """The data of `milestones status`.

    `last_sweep_at` is when the last full or incremental sweep was loaded: sweeps with filters refresh only a part.
    `endpoints` has a row for each endpoint beside milestones that was swept. `missing` counts milestones without a
    required value, by column; `unpublished` is the newest sweep, if it is newer than the newest published one;
    `lateness` has rows, seconds_p99, seconds_max and overlap_used_seconds, None where there are no rows: see LATENESS.
    """

    published_file: str
    bytes: int
    rows: dict[str, int]
    sweeps: list[dict[str, Any]]
    watermark: datetime | None
    last_full_at: datetime | None
    last_sweep_at: datetime | None
    newest_update: datetime | None
    quarantined_by_reason: list[dict[str, Any]]
    missing: dict[str, int]
    drift: list[dict[str, Any]]
    sizes: dict[str, int]
    unpublished: dict[str, Any] | None
    lateness: dict[str, Any]
    endpoints: list[dict[str, Any]] = field(default_factory=list)


def status(home: Home, *, sweeps: int = 5) -> Status:
    """Read the status from the published file, with the last `sweeps` sweeps, and a newer sweep from `raw/`."""
    with open_published(home) as connection:
        last = run_query(connection, f"SELECT * FROM sweeps ORDER BY sweep_id DESC LIMIT {int(sweeps)}").records  # noqa: S608
        watermark, last_full_at, last_sweep_at, newest_update = run_query(
            connection, "SELECT watermark, last_full_sweep_at, last_sweep_at, newest_update FROM freshness"
        ).rows[0]
        return Status(
            published_file=str(home.published_duckdb),
            bytes=home.published_duckdb.stat().st_size,
            rows=row_counts(connection),
            sweeps=last,
            watermark=watermark,
            last_full_at=last_full_at,
            last_sweep_at=last_sweep_at,
            newest_update=newest_update,
            quarantined_by_reason=run_query(
                connection,
                "SELECT reason, field, count(*) AS records FROM quarantine "
                "GROUP BY ALL ORDER BY records DESC, reason LIMIT 5",
            ).records,
            missing={name: count for name, count in run_query(connection, MISSING).records[0].items() if count},
            drift=run_query(connection, DRIFT).records,
            sizes=sizes(home),
            unpublished=_unpublished(home, last[0]["sweep_id"] if last else ""),
            lateness=run_query(connection, LATENESS).records[0],
            endpoints=_endpoints(connection),
        )


def _endpoints(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """The rows of the view endpoint_freshness; none in a file of an earlier version, which does not have it."""
    known = run_query(connection, "SELECT 1 FROM duckdb_views() WHERE view_name = 'endpoint_freshness'").rows
    return run_query(connection, "SELECT * EXCLUDE (lag) FROM endpoint_freshness").records if known else []


def _unpublished(home: Home, newest_published: str) -> dict[str, Any] | None:
    if not any(folder.name > newest_published for folder in home.raw.glob("[0-9]*")):
        return None
    # Imported here: it loads Arrow, which takes longer than most queries.
    from pipelines.storage.landing import Landing  # noqa: PLC0415

    landing = Landing.newest(home.raw)
    if landing is None or landing.sweep.sweep_id <= newest_published:
        return None
    sweep = landing.sweep
    return {"sweep_id": sweep.sweep_id, "mode": sweep.mode, "state": sweep.state, "error": sweep.error}
