"""Headline figures of a snapshot as a small JSON file, for embedding where nobody runs SQL.

It lies in the snapshot; `published/summary.json` is a link through `latest`, so that it changes in the same step.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from pipelines.durable import sync
from pipelines.publish.manifest import PublishedFile, describe
from schemas.sql import literal

SUMMARY_FILE = "summary.json"

_ONE_ROW = """
    SELECT * EXCLUDE (lag),
           (SELECT count(*) FROM milestones WHERE is_simulated AND vanished_at IS NULL) AS simulated,
           (SELECT count(*) FROM milestones WHERE vanished_at IS NOT NULL) AS vanished,
           (SELECT count(DISTINCT event_ticker) FROM milestone_events JOIN milestones USING (milestone_id)
            WHERE NOT is_simulated AND vanished_at IS NULL) AS events,
           (SELECT count(*) FROM milestone_versions) AS versions,
           (SELECT count(*) FROM live_milestones(at_time := {now})) AS live,
           (SELECT count(*) FROM upcoming_milestones(at_time := {now})) AS upcoming,
           (SELECT count(*) FROM milestones_starting_within(24, at_time := {now})) AS starting_within_24_hours,
           (SELECT count(*) FROM reschedules
            WHERE seen_at > CAST({now} AS TIMESTAMPTZ) - INTERVAL 7 DAY) AS reschedules_of_7_days
    FROM freshness(at_time := {now})
"""
_BY_CATEGORY_GROUP = """
    SELECT category_group, count(*) FROM milestones WHERE NOT is_simulated AND vanished_at IS NULL
    GROUP BY category_group ORDER BY count(*) DESC, category_group
"""


def summary(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> dict[str, Any]:
    """The figures by name; simulated games and vanished milestones are left out of those that do not name them."""
    cursor = connection.execute(_ONE_ROW.format(now=literal(now.isoformat())))
    figures = dict(zip([column[0] for column in cursor.description or []], cursor.fetchall()[0], strict=True))
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
