"""The tools upcoming, event_start and what_changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest
from pydantic import ValidationError

from pipelines.errors import MilestonesError, WrongUse
from pipelines.mcp_server import values
from pipelines.mcp_server.limits import Limits
from pipelines.mcp_server.questions import (
    ChangesAnswer,
    ChangesArguments,
    EventStartAnswer,
    EventStartArguments,
    UpcomingAnswer,
    UpcomingArguments,
    event_start,
    upcoming,
    what_changed,
)
from tests.mcp_server.conftest import SHOWN
from tests.support import NOON, milestone_id

BEFORE = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
"""Milestone N starts N minutes later, all but the first, which moved to the next day."""


def next_ones(connection: duckdb.DuckDBPyConnection, limits: Limits | None = None, **asked: Any) -> UpcomingAnswer:
    return upcoming(connection, UpcomingArguments(**asked), limits or Limits(), now=BEFORE)


def start_of(connection: duckdb.DuckDBPyConnection, ticker: str) -> EventStartAnswer:
    return event_start(connection, EventStartArguments(event_ticker=ticker), Limits())


def changes(connection: duckdb.DuckDBPyConnection, **asked: Any) -> ChangesAnswer:
    return what_changed(connection, ChangesArguments(**asked), Limits())


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({}, [2, 3, 5]),
        ({"hours": 0.05}, [2, 3]),
        ({"hours": 48}, [2, 3, 5, 1]),
        ({"type": "one_off"}, [5]),
        ({"category": "Sports"}, [2, 3]),
        ({"hours": 48, "league": "NFL"}, [1]),
        ({"limit": 1}, [2]),
        ({"hours": 0.01, "type": "football_game"}, []),
    ],
    ids=str,
)
def test_upcoming(connection: duckdb.DuckDBPyConnection, asked: dict[str, Any], numbers: list[int]) -> None:
    answer = next_ones(connection, **asked)
    assert [one.milestone_id for one in answer.milestones] == list(map(milestone_id, numbers))
    assert answer.total == (3 if "limit" in asked else len(numbers))


def test_upcoming_as_text(connection: duckdb.DuckDBPyConnection) -> None:
    text = next_ones(connection, limit=1).text()
    assert "3 milestones, the first 1 of them:" in text
    assert "| 2026-11-30 12:02:00Z | false | Game 2 |" in text
    assert "Data as of 2026-11-23 13:00:0" in text
    assert next_ones(connection, hours=0.01).text().startswith("No milestones.")
    assert next_ones(connection, type="one_off").milestones[0].title == SHOWN


def test_the_limit_of_the_server_counts_too(connection: duckdb.DuckDBPyConnection) -> None:
    assert len(next_ones(connection, Limits(rows=2)).milestones) == 2


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"type": "footbal_game"},
            "there is no type footbal_game among the published milestones; did you mean football_",
        ),
        ({"category": "sport"}, "there is no category sport among the published milestones; did you mean Sports?"),
        ({"league": "NFLX"}, "there is no league NFLX among the published milestones; did you mean NFL?"),
        ({"type": "x' or '1'='1"}, "there is no type x' or '1'='1"),
    ],
    ids=str,
)
def test_an_unknown_filter(connection: duckdb.DuckDBPyConnection, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(MilestonesError) as caught:
        next_ones(connection, **asked)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "asked", [{"hours": 0}, {"hours": "nan"}, {"limit": 0}, {"limit": 1_001}, {"hour": 1}], ids=str
)
def test_wrong_arguments(asked: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        UpcomingArguments(**asked)


def test_the_start_of_an_event(connection: duckdb.DuckDBPyConnection) -> None:
    answer = start_of(connection, " KXGAME-1 ")
    assert answer.starts_at == datetime(2026, 12, 1, 18, 0, tzinfo=UTC)
    assert (answer.basis, answer.is_ambiguous, answer.total, answer.notices) == ("primary", False, 1, [])
    assert [one.role for one in answer.milestones] == ["primary"]
    assert "KXGAME-1 starts 2026-12-01 18:00:00Z, by its primary milestone" in answer.text()


def test_an_ambiguous_start(connection: duckdb.DuckDBPyConnection) -> None:
    answer = start_of(connection, "KXSHARED-26")
    assert (answer.is_ambiguous, answer.total, answer.spread_minutes) == (True, 2, 1.0)
    assert [one.milestone_id for one in answer.milestones] == [milestone_id(2), milestone_id(3)]
    assert answer.notices[0].startswith("Ambiguous: its related milestones have more than one start.")
    assert answer.notices[0] in answer.text()


def test_an_event_of_simulated_milestones_only(connection: duckdb.DuckDBPyConnection) -> None:
    answer = start_of(connection, "SIMNBAGAME-4")
    assert answer.notices == ["Only simulated or vanished milestones list this event."]
    assert [one.is_simulated for one in answer.milestones] == [True]


@pytest.mark.parametrize(
    ("ticker", "message"),
    [
        ("KXGAME-1-HOME", "did you mean KXGAME-1 or "),
        ("kxshared-26", "did you mean KXSHARED-26 or "),
        ("zzz", "find tickers in the tables milestone_events and events"),
    ],
    ids=str,
)
def test_an_unknown_event(connection: duckdb.DuckDBPyConnection, ticker: str, message: str) -> None:
    with pytest.raises(MilestonesError) as caught:
        start_of(connection, ticker)
    assert str(caught.value).startswith(f"no milestone lists the event {ticker}")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        ({"since": NOON}, ["start_date", "title"]),
        ({"since": "2026-11-23T12:30:00"}, ["start_date", "title"]),
        ({"since": "2026-11-23T14:30:00+02:00"}, ["start_date", "title"]),
        ({"since": "2026-11-23T13:30:00"}, []),
        ({"hours": 24 * 365 * 10, "field": "title"}, ["title"]),
        ({"since": NOON, "type": "one_off"}, []),
    ],
    ids=str,
)
def test_what_changed(connection: duckdb.DuckDBPyConnection, asked: dict[str, Any], fields: list[str]) -> None:
    answer = changes(connection, **asked)
    assert sorted(one.field for one in answer.changes) == fields
    assert answer.total == len(fields)


def test_a_change(connection: duckdb.DuckDBPyConnection) -> None:
    answer = changes(connection, since=NOON, field="start_date")
    (change,) = answer.changes
    assert (change.old, change.new) == ("2026-11-30T12:01:00Z", "2026-12-01T18:00:00Z")
    assert change.title == "Game 1 (new date)"
    assert (answer.new_milestones, answer.vanished_milestones) == (4, 0)
    assert "Since 2026-11-23 12:00:00Z: 4 new milestones, 0 vanished." in answer.text()
    assert len(changes(connection, since=NOON, limit=1).changes) == 1


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"since": NOON, "field": "start_dat"}, "no field start_dat ever changed; did you mean start_date?"),
        ({"since": NOON, "field": "zzz"}, "no field zzz ever changed; these did: start_date, title"),
        (
            {"since": NOON, "type": "one_of"},
            "there is no type one_of among the published milestones; did you mean one_off?",
        ),
    ],
    ids=str,
)
def test_an_unknown_field_or_type(connection: duckdb.DuckDBPyConnection, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(MilestonesError) as caught:
        changes(connection, **asked)
    assert str(caught.value).startswith(message)


def test_since_and_hours_exclude_each_other(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(WrongUse, match="exclude each other"):
        changes(connection, since=NOON, hours=1)


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_outside_of_the_calendar(connection: duckdb.DuckDBPyConnection, since: str) -> None:
    with pytest.raises(WrongUse, match=r"since is .* from 1 to 9999"):
        changes(connection, since=since)


def test_an_answer_that_would_be_too_long_has_fewer_rows(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "ANSWER_CHARACTERS", 1_000)
    upcoming_ones = next_ones(connection)
    assert (len(upcoming_ones.milestones), upcoming_ones.total) == (2, 3)
    assert upcoming_ones.text().startswith("3 milestones, the first 2 of them:")
    monkeypatch.setattr(values, "ANSWER_CHARACTERS", 1)
    assert len(changes(connection, since=NOON).changes) == 1
    assert len(start_of(connection, "KXSHARED-26").milestones) == 1
