"""One milestone, for the panel below a table."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from board.rows import fetch


@dataclass(frozen=True)
class Ticker:
    """An event of a milestone, and the part it plays."""

    event_ticker: str
    role: str


TICKERS = """
    SELECT event_ticker, CASE WHEN is_main THEN 'main' WHEN is_primary THEN 'primary' ELSE 'related' END AS role
    FROM milestone_events WHERE milestone_id = $milestone_id
    ORDER BY is_main DESC, is_primary DESC, related_position, event_ticker
"""

DETAILS = "SELECT details FROM milestones WHERE milestone_id = $milestone_id"


def tickers(connection: duckdb.DuckDBPyConnection, milestone_id: str) -> tuple[Ticker, ...]:
    """Its events, the main one first."""
    return fetch(connection, Ticker, TICKERS, {"milestone_id": milestone_id})


def details(connection: duckdb.DuckDBPyConnection, milestone_id: str) -> str | None:
    """Its details as canonical JSON text; None where there is no such milestone."""
    found = connection.execute(DETAILS, {"milestone_id": milestone_id}).fetchall()
    return found[0][0] if found else None
