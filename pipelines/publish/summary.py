"""The headline figures of a snapshot as a small JSON file, for web pages and scripts without SQL.

It is a file of the snapshot. `published/summary.json` links to it through `latest`, so that both change together.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from pipelines.publish.manifest import PublishedFile, describe
from pipelines.storage.durable import sync
from schemas.sql import literal

SUMMARY_FILE = "summary.json"

_FRESHNESS = "SELECT * EXCLUDE (lag, lag_minutes) FROM freshness(at_time := {now})"
# As in upcoming_milestones and milestones_starting_within, which find the participants of each milestone as well.
_UPCOMING = """
    milestones WHERE start_date > CAST({now} AS TIMESTAMPTZ) AND NOT is_simulated AND vanished_at IS NULL
                 AND (status_group IS NULL OR status_group NOT IN ('ended', 'off'))"""
_COUNTS = {
    "simulated": "milestones WHERE is_simulated AND vanished_at IS NULL",
    "vanished": "milestones WHERE vanished_at IS NOT NULL",
    # count(DISTINCT ...) would hold all tickers in memory, beyond the memory limit. The anti join excludes few rows.
    "events": """(
        SELECT DISTINCT event_ticker FROM milestone_events ANTI JOIN
        (SELECT milestone_id FROM milestones WHERE is_simulated OR vanished_at IS NOT NULL) USING (milestone_id))""",
    "versions": "milestone_versions",
    "live": "live_milestones(at_time := {now})",
    "upcoming": _UPCOMING,
    "starting_within_24_hours": _UPCOMING + " AND start_date <= CAST({now} AS TIMESTAMPTZ) + INTERVAL 24 HOUR",
    "reschedules_of_7_days": "reschedules WHERE seen_at > CAST({now} AS TIMESTAMPTZ) - INTERVAL 7 DAY",
}
"""Separate queries: a single one would hold the rows of all in memory."""
_BY_CATEGORY_GROUP = """
    SELECT coalesce(category_group, 'no category'), count(*) FROM milestones
    WHERE NOT is_simulated AND vanished_at IS NULL
    GROUP BY ALL ORDER BY 2 DESC, 1
"""


def summary(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> dict[str, Any]:
    """The figures by name. They exclude simulated and vanished milestones, except those named after them."""
    at = literal(now.isoformat())
    cursor = connection.execute(_FRESHNESS.format(now=at))
    figures = dict(zip([column[0] for column in cursor.description or []], cursor.fetchall()[0], strict=True))
    for name, rows in _COUNTS.items():
        figures[name] = connection.execute(f"SELECT count(*) FROM {rows.format(now=at)}").fetchall()[0][0]  # noqa: S608
    return figures | {"by_category_group": dict(connection.execute(_BY_CATEGORY_GROUP).fetchall())}


def write_summary(
    connection: duckdb.DuckDBPyConnection, snapshot: str, building: Path, *, now: datetime
) -> PublishedFile:
    """Write the file into the folder of a snapshot being built; its manifest entry."""
    file = building / SUMMARY_FILE
    figures = {"snapshot": snapshot, "published_at": now, **summary(connection, now=now)}
    file.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")
    sync(file)
    return describe(file, path=f"{building.parent.name}/{snapshot}/{SUMMARY_FILE}", table=None, rows=0)
