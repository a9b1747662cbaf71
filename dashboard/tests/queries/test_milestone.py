"""One milestone in the known data."""

from __future__ import annotations

from datetime import timedelta

import duckdb

from board.queries import changes, milestone

from ..known import LIVE, SIMULATED, SOON
from ..publishing import NOW, number


def test_columns_of_a_milestone(connection: duckdb.DuckDBPyConnection) -> None:
    found = milestone.milestone(connection, number(LIVE))
    assert found is not None
    assert (found.title, found.start_date, found.league) == ("Live game", NOW - timedelta(hours=1), "NFL")
    assert found.details is not None
    assert '"main_game_event_ticker":"KXMAIN-1"' in found.details
    assert milestone.milestone(connection, "unknown") is None


def test_a_simulated_one_is_found_too(connection: duckdb.DuckDBPyConnection) -> None:
    found = milestone.milestone(connection, number(SIMULATED))
    assert found is not None
    assert found.is_simulated


def test_its_events(connection: duckdb.DuckDBPyConnection) -> None:
    found = milestone.tickers(connection, number(LIVE))
    assert [(one.event_ticker, one.event_title, one.role) for one in found] == [
        ("KXMAIN-1", "Lions at Kings", "main"),
        ("KXEVENT-1", None, "primary"),
    ]


def test_starts_of_its_versions(connection: duckdb.DuckDBPyConnection) -> None:
    first, second = milestone.start_versions(connection, number(SOON))
    assert (first.start_date, second.start_date) == (NOW + timedelta(hours=3), NOW + timedelta(hours=3.75))
    assert milestone.start_versions(connection, "unknown") == ()


def test_its_changes(connection: duckdb.DuckDBPyConnection) -> None:
    found = changes.of_milestone(connection, number(SOON), 9)
    assert sorted(change.kind for change in found) == ["start", "title"]
    assert len(changes.of_milestone(connection, number(SOON), 1)) == 1
    assert changes.of_milestone(connection, number(LIVE), 9) == ()
