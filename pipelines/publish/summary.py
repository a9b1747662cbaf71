"""Headline figures of a snapshot as a small JSON file, for embedding where nobody runs SQL.

It lies in the snapshot; `published/summary.json` is a link through `latest`, so that it changes in the same step.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from pipelines.durable import sync
from pipelines.publish.manifest import PublishedFile, describe
from schemas.sql import literal

SUMMARY_FILE = "summary.json"

_FRESHNESS = "SELECT * EXCLUDE (lag) FROM freshness(at_time := {now})"
_IN_TABLES = {
    "simulated": "milestones WHERE is_simulated AND vanished_at IS NULL",
    "vanished": "milestones WHERE vanished_at IS NOT NULL",
    # Not count(DISTINCT ...), which holds all of them in memory whatever the limit. Few milestones are left out.
    "events": """(
        SELECT DISTINCT event_ticker FROM milestone_events ANTI JOIN
        (SELECT milestone_id FROM milestones WHERE is_simulated OR vanished_at IS NOT NULL) USING (milestone_id))""",
    "versions": "milestone_versions",
}
_IN_VIEWS = {
    "live": "live_milestones(at_time := {now})",
    "upcoming": "upcoming_milestones(at_time := {now})",
    "starting_within_24_hours": "milestones_starting_within(24, at_time := {now})",
    "reschedules_of_7_days": "reschedules WHERE seen_at > CAST({now} AS TIMESTAMPTZ) - INTERVAL 7 DAY",
}
_BY_CATEGORY_GROUP = """
    SELECT category_group, count(*) FROM milestones WHERE NOT is_simulated AND vanished_at IS NULL
    GROUP BY category_group ORDER BY count(*) DESC, category_group
"""


def count_rows(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """The figures that tables alone tell, by name: they can be asked of the warehouse, which has no views."""
    return _counted(connection, _IN_TABLES)


def summary(connection: duckdb.DuckDBPyConnection, counted: Mapping[str, int], *, now: datetime) -> dict[str, Any]:
    """The figures by name; simulated games and vanished milestones are left out of those that do not name them.

    `counted` is what `count_rows` gave.
    """
    at = literal(now.isoformat())
    cursor = connection.execute(_FRESHNESS.format(now=at))
    figures = dict(zip([column[0] for column in cursor.description or []], cursor.fetchall()[0], strict=True))
    in_views = _counted(connection, {name: rows.format(now=at) for name, rows in _IN_VIEWS.items()})
    of_groups = dict(connection.execute(_BY_CATEGORY_GROUP).fetchall())
    return {**figures, **counted, **in_views, "by_category_group": of_groups}


def _counted(connection: duckdb.DuckDBPyConnection, rows: Mapping[str, str]) -> dict[str, int]:
    """One after the other: all in one query, they would be held in memory together."""
    return {
        name: connection.execute(f"SELECT count(*) FROM {of_name}").fetchall()[0][0]  # noqa: S608
        for name, of_name in rows.items()
    }


def write_summary(
    connection: duckdb.DuckDBPyConnection, counted: Mapping[str, int], snapshot: str, building: Path, *, now: datetime
) -> PublishedFile:
    """Write the file into a snapshot that is being built; its entry for the manifest. See `summary`."""
    file = building / SUMMARY_FILE
    figures = {"snapshot": snapshot, "published_at": now, **summary(connection, counted, now=now)}
    file.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")
    sync(file)
    return describe(file, path=f"{building.parent.name}/{snapshot}/{SUMMARY_FILE}", table=None, rows=0)
