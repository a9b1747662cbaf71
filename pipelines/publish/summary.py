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
from pipelines.publish.before import SINCE, Before
from pipelines.publish.manifest import PublishedFile, describe
from schemas.sql import literal
from schemas.tables import MILESTONE_EVENTS, MILESTONES

SUMMARY_FILE = "summary.json"

_FRESHNESS = "SELECT * EXCLUDE (lag) FROM freshness(at_time := {now})"
_COUNTS = {
    "simulated": "milestones WHERE is_simulated AND vanished_at IS NULL",
    "vanished": "milestones WHERE vanished_at IS NOT NULL",
    "versions": "milestone_versions",
    "live": "live_milestones(at_time := {now})",
    "upcoming": "upcoming_milestones(at_time := {now})",
    "starting_within_24_hours": "milestones_starting_within(24, at_time := {now})",
    "reschedules_of_7_days": "reschedules WHERE seen_at > CAST({now} AS TIMESTAMPTZ) - INTERVAL 7 DAY",
}
"""One after the other: all in one query, they would be held in memory together."""
# Not count(DISTINCT ...), which holds all of them in memory whatever the limit. Few milestones are left out.
_EVENTS = """
    SELECT count(*) FROM (
        SELECT DISTINCT event_ticker FROM milestone_events ANTI JOIN
        (SELECT milestone_id FROM milestones WHERE is_simulated OR vanished_at IS NOT NULL) USING (milestone_id))
"""
# What is no event of any milestone but the touched ones came, or went, with them.
_MORE_EVENTS = """
    WITH now AS ({now}), before AS ({before}),
    others AS (
        SELECT DISTINCT event_ticker
        FROM (FROM milestone_events SEMI JOIN (FROM now UNION FROM before) USING (event_ticker))
        ANTI JOIN {since} USING (milestone_id)
        ANTI JOIN (SELECT milestone_id FROM milestones WHERE is_simulated OR vanished_at IS NOT NULL)
        USING (milestone_id)
    )
    SELECT (SELECT count(*) FROM now ANTI JOIN others USING (event_ticker))
         - (SELECT count(*) FROM before ANTI JOIN others USING (event_ticker))
"""
_EVENTS_OF_TOUCHED = """
    SELECT DISTINCT event_ticker FROM ({events}) SEMI JOIN (
        SELECT milestone_id FROM ({milestones}) SEMI JOIN {since} USING (milestone_id)
        WHERE NOT is_simulated AND vanished_at IS NULL
    ) USING (milestone_id)
"""
_BY_CATEGORY_GROUP = """
    SELECT category_group, count(*) FROM milestones WHERE NOT is_simulated AND vanished_at IS NULL
    GROUP BY category_group ORDER BY count(*) DESC, category_group
"""


class Figures(msgspec.Struct):
    """What the next summary takes over from one."""

    events: int


def write_summary(
    connection: duckdb.DuckDBPyConnection, building: Path, snapshot: str, before: Before | None, *, now: datetime
) -> PublishedFile:
    """Write the file into a snapshot that is being built, out of the DuckDB file; its entry for the manifest."""
    file = building / SUMMARY_FILE
    figures = {"snapshot": snapshot, "published_at": now, **_summary(connection, before, now=now)}
    file.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")
    sync(file)
    return describe(file, path=f"{building.parent.name}/{snapshot}/{SUMMARY_FILE}", table=None, rows=0)


def _summary(connection: duckdb.DuckDBPyConnection, before: Before | None, *, now: datetime) -> dict[str, Any]:
    """The figures by name; simulated games and vanished milestones are left out of those that do not name them."""
    at = literal(now.isoformat())
    cursor = connection.execute(_FRESHNESS.format(now=at))
    figures = dict(zip([column[0] for column in cursor.description or []], cursor.fetchall()[0], strict=True))
    for name, rows in _COUNTS.items():
        figures[name] = _count(connection, f"SELECT count(*) FROM {rows.format(now=at)}")  # noqa: S608
    figures["events"] = _events(connection, before)
    return figures | {"by_category_group": dict(connection.execute(_BY_CATEGORY_GROUP).fetchall())}


def _events(connection: duckdb.DuckDBPyConnection, before: Before | None) -> int:
    """Distinct events. Where the snapshot before says how many there were, only those of touched milestones are met."""
    held = {table: before.held(table) for table in (MILESTONES.name, MILESTONE_EVENTS.name)} if before else {}
    if before is None or not all(held.values()):
        return _count(connection, _EVENTS)
    try:
        counted = msgspec.json.decode((before.folder / SUMMARY_FILE).read_bytes(), type=Figures).events
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return _count(connection, _EVENTS)
    now, then = (
        _EVENTS_OF_TOUCHED.format(since=SINCE, milestones=rows[MILESTONES.name], events=rows[MILESTONE_EVENTS.name])
        for rows in (before.newest.rows, {table: _parquet(files) for table, files in held.items()})
    )
    return counted + _count(connection, _MORE_EVENTS.format(since=SINCE, now=now, before=then))


def _parquet(files: list[str]) -> str:
    return f"FROM read_parquet([{', '.join(map(literal, files))}])"


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    count: int = connection.execute(query).fetchall()[0][0]
    return count
