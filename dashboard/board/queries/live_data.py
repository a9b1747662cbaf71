"""The newest live data of milestones: score, status, and when they were first seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from board.rows import fetch_one


@dataclass(frozen=True)
class LiveData:
    """The newest live data of a milestone."""

    score: str | None
    live_status: str | None
    live_status_group: str | None
    winner: str | None
    observed_at: datetime


_SIDE = "coalesce(format('{:.10g}', %s), '?')"
# Before the start the API sends the score 0 to 0.
NEWEST = f"""
    SELECT milestone_id, status AS live_status, status_group AS live_status_group, winner, observed_at,
           CASE WHEN coalesce(home_score, away_score) IS NOT NULL AND status_group IS DISTINCT FROM 'scheduled'
                THEN {_SIDE % "home_score"} || ' – ' || {_SIDE % "away_score"} END AS score
    FROM live_data WHERE is_current
"""  # noqa: S608 - of constants
"""A query of one row for each milestone with live data."""

OF_MILESTONE = f"SELECT * EXCLUDE (milestone_id) FROM ({NEWEST}) WHERE milestone_id = $milestone_id"  # noqa: S608


def of_milestone(connection: duckdb.DuckDBPyConnection, milestone_id: str) -> LiveData | None:
    """The newest live data of a milestone, or None."""
    return fetch_one(connection, LiveData, OF_MILESTONE, {"milestone_id": milestone_id})
