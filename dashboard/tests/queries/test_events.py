"""One event in the known data."""

from __future__ import annotations

from datetime import timedelta

import duckdb
import pytest

from board.queries import events
from board.queries.events import Event, EventStart

from ..known import HOSTILE, SIMULATED, SOON
from ..publishing import NOW, number


@pytest.mark.parametrize(
    ("ticker", "basis", "ahead", "milestones"),
    [("KXMAIN-1", "main", -1, 1), ("KXEVENT-3", "primary", 3.75, 1), ("KXSHARED", "related", 3.75, 2)],
)
def test_best_start(
    connection: duckdb.DuckDBPyConnection, ticker: str, basis: str, ahead: float, milestones: int
) -> None:
    best = events.event_start(connection, ticker)
    assert best is not None
    assert (best.basis, best.starts_at, best.milestones) == (basis, NOW + timedelta(hours=ahead), milestones)


def test_a_start_that_is_tentative(connection: duckdb.DuckDBPyConnection) -> None:
    twin, soon = (events.event_start(connection, ticker) for ticker in ("KXSHARED", "KXEVENT-3"))
    assert twin is not None
    assert soon is not None
    found = {one.title: one for one in events.event_milestones(connection, "KXSHARED")}
    assert (found["Twin"].league, found["Twin"].status, found["Twin"].status_group) == ("NFL", "time-tbd", "scheduled")
    assert found["Twin"].start_is_tentative
    # The event's best start is that of the other milestone.
    assert not twin.start_is_tentative
    assert not soon.start_is_tentative


def test_starts_that_disagree(connection: duckdb.DuckDBPyConnection) -> None:
    best = events.event_start(connection, "KXSHARED")
    assert best is not None
    assert best.is_ambiguous
    assert best.spread == timedelta(hours=1.25)


@pytest.mark.parametrize(
    ("basis", "is_ambiguous", "spread_hours", "is_shared"),
    [
        ("related", True, 1, True),
        ("related", False, 0, False),
        ("primary", True, 1, False),
        ("primary", True, 24, False),
        ("main", True, 25, True),
        ("primary", False, 25, False),
    ],
)
def test_an_event_of_several_games_has_no_start_of_its_own(
    basis: str, is_ambiguous: bool, spread_hours: float, is_shared: bool
) -> None:
    spread = timedelta(hours=spread_hours)
    start = EventStart("KX", NOW, basis, "Game", "game", 2, is_ambiguous, NOW, NOW + spread, spread, False, False)
    assert start.is_shared is is_shared


def test_a_simulated_game_has_no_start_but_is_shown(connection: duckdb.DuckDBPyConnection) -> None:
    assert events.event_start(connection, f"KXEVENT-{SIMULATED}") is None
    (found,) = events.event_milestones(connection, f"KXEVENT-{SIMULATED}")
    assert found.is_simulated


@pytest.mark.parametrize("ticker", ["KXNOTHING", "kxmain-1", "' OR 1=1 --"], ids=["unknown", "other case", "quotes"])
def test_an_unknown_event_has_no_rows(connection: duckdb.DuckDBPyConnection, ticker: str) -> None:
    assert events.event_start(connection, ticker) is None
    assert events.event_milestones(connection, ticker) == ()
    assert events.start_versions(connection, ticker) == ()


def test_roles(connection: duckdb.DuckDBPyConnection) -> None:
    assert [(one.role, one.title) for one in events.event_milestones(connection, "KXMAIN-1")] == [("main", "Live game")]
    assert [one.role for one in events.event_milestones(connection, "KXSHARED")] == ["related", "related"]


def test_starts_of_all_versions(connection: duckdb.DuckDBPyConnection) -> None:
    first, second = events.start_versions(connection, "KXEVENT-3")
    assert [version.start_date for version in (first, second)] == [
        NOW + timedelta(hours=3),
        NOW + timedelta(hours=3.75),
    ]
    assert first.valid_to == second.valid_from
    assert second.valid_to is None
    assert {first.milestone_id, second.milestone_id} == {number(SOON)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("kxmain", ["KXMAIN-1"]),
        ("SHARED", ["KXSHARED"]),
        ("-1", ["KXMAIN-1", "KXEVENT-1", "KXEVENT-10"]),
        ("live game", ["KXMAIN-1", "KXEVENT-1"]),
        ("GAME  Lïve", ["KXMAIN-1", "KXEVENT-1"]),
        ("live nothing", []),
        ("twin", ["KXSHARED"]),
        ("lodz", ["KXMAIN-1", "KXEVENT-1"]),
        ("kra LIVE lions", ["KXMAIN-1", "KXEVENT-1"]),
        ("lions at kings", ["KXMAIN-1"]),
        ("lod at", ["KXMAIN-1"]),
        ("alone", []),
        (" ", []),
        ("%", []),
        ("_", []),
    ],
    ids=[
        "other case",
        "in the middle",
        "shortest first",
        "title",
        "words and accents",
        "not every word",
        "title of one of two",
        "name",
        "title, name and abbreviation",
        "event's title",
        "event's sub title",
        "named by no milestone",
        "blank",
        "no wildcard %",
        "no wildcard _",
    ],
)
def test_suggestions(connection: duckdb.DuckDBPyConnection, text: str, found: list[str]) -> None:
    assert sorted(one.event_ticker for one in events.suggestions(connection, text, 9)) == sorted(found)


def test_suggestions_begin_with_those_that_begin_with_the_text(connection: duckdb.DuckDBPyConnection) -> None:
    found = [one.event_ticker for one in events.suggestions(connection, "KXEVENT-1", 9)]
    assert found == ["KXEVENT-1", "KXEVENT-10"]
    assert len(events.suggestions(connection, "KX", 3)) == 3


def test_a_suggestion_by_title_names_the_milestone_that_has_it(connection: duckdb.DuckDBPyConnection) -> None:
    (found,) = events.suggestions(connection, "twin", 9)
    assert (found.title, found.participants, found.milestones) == ("Twin", "unknown (11111111…), Kraków Kings", 2)


def test_titles_of_an_event(connection: duckdb.DuckDBPyConnection) -> None:
    found = events.event(connection, "KXMAIN-1")
    assert found == Event("KXMAIN-1", "Lions at Kings", "LOD at KRA", "KXMAIN", "Main games", "National league", "Game")
    without_series = events.event(connection, "KXEVENT-7")
    assert without_series is not None
    assert (without_series.series_ticker, without_series.series_title) == ("KXUNKNOWN", None)
    assert events.event(connection, "KXEVENT-3") is None


def test_lists_have_the_title_of_the_event(connection: duckdb.DuckDBPyConnection) -> None:
    found = [(one.event_ticker, one.event_title) for one in events.suggestions(connection, "live game", 9)]
    assert found == [("KXEVENT-1", None), ("KXMAIN-1", "Lions at Kings")]
    (attack, *_) = events.starting_next(connection, 3)
    assert (attack.event_title, attack.participants) == (HOSTILE, HOSTILE)


def test_participants_of_milestones_of_an_event(connection: duckdb.DuckDBPyConnection) -> None:
    (found,) = events.event_milestones(connection, "KXMAIN-1")
    assert found.participants == "Kraków Kings, Łódź Lions"
    assert {one.participants for one in events.start_versions(connection, "KXMAIN-1")} == {found.participants}


def test_starts_that_moved(connection: duckdb.DuckDBPyConnection) -> None:
    (moved,) = events.moved(connection, 9)
    assert (moved.event_ticker, moved.shift) == ("KXEVENT-3", timedelta(minutes=45))


def test_starting_next(connection: duckdb.DuckDBPyConnection) -> None:
    assert [one.event_ticker for one in events.starting_next(connection, 3)] == ["KXEVENT-7", "KXEVENT-3", "KXEVENT-10"]
