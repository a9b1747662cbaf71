"""Headline figures of a snapshot as a small JSON file, for embedding where nobody runs SQL.

It lies in the snapshot; `published/summary.json` is a link through `latest`, so that it changes in the same step.
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
_COUNTS = {
    "simulated": "milestones WHERE is_simulated AND vanished_at IS NULL",
    "vanished": "milestones WHERE vanished_at IS NOT NULL",
    # Not count(DISTINCT ...), which holds all of them in memory whatever the limit. Few milestones are left out.
    "events": """(
        SELECT DISTINCT event_ticker FROM milestone_events ANTI JOIN
        (SELECT milestone_id FROM milestones WHERE is_simulated OR vanished_at IS NOT NULL) USING (milestone_id))""",
    "versions": "milestone_versions",
    "live": "live_milestones(at_time := {now})",
    "upcoming": "upcoming_milestones(at_time := {now})",
    "starting_within_24_hours": "milestones_starting_within(24, at_time := {now})",
    "reschedules_of_7_days": "reschedules WHERE seen_at > CAST({now} AS TIMESTAMPTZ) - INTERVAL 7 DAY",
}
"""One after the other: all in one query, they would be held in memory together."""
_BY_CATEGORY_GROUP = """
    SELECT coalesce(category_group, 'no category'), count(*) FROM milestones
    WHERE NOT is_simulated AND vanished_at IS NULL
    GROUP BY ALL ORDER BY 2 DESC, 1
"""


def summary(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> dict[str, Any]:
    """The figures by name; simulated games and vanished milestones are left out of those that do not name them."""
    at = literal(now.isoformat())
    cursor = connection.execute(_FRESHNESS.format(now=at))
    figures = dict(zip([column[0] for column in cursor.description or []], cursor.fetchall()[0], strict=True))
    for name, rows in _COUNTS.items():
        figures[name] = connection.execute(f"SELECT count(*) FROM {rows.format(now=at)}").fetchall()[0][0]  # noqa: S608
    return figures | {"by_category_group": dict(connection.execute(_BY_CATEGORY_GROUP).fetchall())}


def write_summary(
    connection: duckdb.DuckDBPyConnection, snapshot: str, building: Path, *, now: datetime
) -> PublishedFile:
    """Write the file into a snapshot that is being built; its entry for the manifest."""
    file = building / SUMMARY_FILE
    figures = {"snapshot": snapshot, "published_at": now, **summary(connection, now=now)}
    file.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")
    sync(file)
    return describe(file, path=f"{building.parent.name}/{snapshot}/{SUMMARY_FILE}", table=None, rows=0)
