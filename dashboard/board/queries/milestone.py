"""One milestone: its columns, its events, and the starts of its versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from board.queries.start_versions import StartVersion, start_versions_where
from board.rows import fetch, fetch_one


@dataclass(frozen=True)
class Milestone:
    """A milestone as listed now, or as last listed before it vanished; `details` is canonical JSON text."""

    milestone_id: str
    category_group: str
    type: str
    title: str
    league: str | None
    start_date: datetime | None
    start_is_tentative: bool
    end_date: datetime | None
    has_placeholder_dates: bool
    status: str | None
    status_group: str | None
    is_simulated: bool
    vanished_at: datetime | None
    details: str | None


@dataclass(frozen=True)
class Ticker:
    """An event of a milestone, and its role."""

    event_ticker: str
    event_title: str | None
    role: str


MILESTONE = """
    SELECT milestone_id, category_group, type, title, league, start_date, start_is_tentative, end_date,
           has_placeholder_dates, status, status_group, is_simulated, vanished_at, details
    FROM milestones WHERE milestone_id = $milestone_id
"""

TICKERS = """
    SELECT event_ticker, title AS event_title,
           CASE WHEN is_main THEN 'main' WHEN is_primary THEN 'primary' ELSE 'related' END AS role
    FROM milestone_events LEFT JOIN events USING (event_ticker) WHERE milestone_id = $milestone_id
    ORDER BY is_main DESC, is_primary DESC, related_position, event_ticker
"""


def milestone(connection: duckdb.DuckDBPyConnection, milestone_id: str) -> Milestone | None:
    """The milestone with this id, simulated and vanished ones included, or None."""
    return fetch_one(connection, Milestone, MILESTONE, {"milestone_id": milestone_id})


def tickers(connection: duckdb.DuckDBPyConnection, milestone_id: str) -> tuple[Ticker, ...]:
    """Its events, the main one first."""
    return fetch(connection, Ticker, TICKERS, {"milestone_id": milestone_id})


def start_versions(connection: duckdb.DuckDBPyConnection, milestone_id: str) -> tuple[StartVersion, ...]:
    """Every start that was ever listed for the milestone, oldest version first."""
    return start_versions_where(connection, "milestone_id = $milestone_id", {"milestone_id": milestone_id})
