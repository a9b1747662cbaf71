"""Live and upcoming milestones in the known data."""

from __future__ import annotations

from datetime import timedelta

import duckdb
import pytest

from board.queries.now import CurrentMilestone, Filters, current_milestones

from ..known import HOSTILE
from ..publishing import NOW


def titles(found: tuple[CurrentMilestone, ...]) -> list[str]:
    return [milestone.title for milestone in found]


def test_live_and_next_by_start(connection: duckdb.DuckDBPyConnection) -> None:
    found = current_milestones(connection, 48)
    assert titles(found) == ["Live game", HOSTILE, "Soon, at another time", "Twin", "Fresh", "Later"]
    assert [milestone.is_live for milestone in found] == [True, *[False] * 5]


@pytest.mark.parametrize(("ahead", "last"), [(3, HOSTILE), (6, "Fresh"), (72, "Far")], ids=["3 h", "6 h", "72 h"])
def test_the_number_of_hours_limits_the_result(connection: duckdb.DuckDBPyConnection, ahead: int, last: str) -> None:
    assert titles(current_milestones(connection, ahead))[-1] == last


def test_a_missing_end_is_guessed_from_the_type(connection: duckdb.DuckDBPyConnection) -> None:
    ends = {h.title: (h.ends_at - h.starts_at, h.end_is_guessed) for h in current_milestones(connection, 48)}
    assert ends["Live game"] == (timedelta(hours=2), True)
    assert ends["Fresh"] == (timedelta(hours=2), True)
    # No esports match has an end, so there is no usual duration.
    assert ends["Later"] == (timedelta(hours=3), True)


def test_status_and_league(connection: duckdb.DuckDBPyConnection) -> None:
    found = {
        h.title: (h.league, h.status, h.status_group, h.start_is_tentative) for h in current_milestones(connection, 48)
    }
    assert found["Twin"] == ("NFL", "time-tbd", "scheduled", True)
    assert found["Later"] == ("LoL", None, None, False)


def test_participants_in_one_line(connection: duckdb.DuckDBPyConnection) -> None:
    found = {h.title: h.participants for h in current_milestones(connection, 48)}
    assert found["Live game"] == "Kraków Kings, Łódź Lions"
    assert found["Twin"] == "unknown (11111111…), Kraków Kings"
    assert found["Later"] == "Player 7, Player 8, Player 9, Player 10 and 2 more"
    assert found[HOSTILE] == HOSTILE
    assert found["Fresh"] is None


def test_live_data(connection: duckdb.DuckDBPyConnection) -> None:
    live, *_, twin = (h for h in current_milestones(connection, 48) if h.title in ("Live game", "Twin"))
    assert (live.score, live.live_status) == ("7 – 3.5", "inprogress")
    assert live.observed_at is not None
    assert live.observed_at >= NOW
    # It has not begun: its score of 0 to 0 is not one.
    assert (twin.score, twin.live_status) == (None, "scheduled")
    assert twin.observed_at is not None


def test_the_main_event_has_a_title(connection: duckdb.DuckDBPyConnection) -> None:
    found = {h.title: (h.main_event_ticker, h.main_event_title) for h in current_milestones(connection, 48)}
    assert found["Live game"] == ("KXMAIN-1", "Lions at Kings")
    assert found["Twin"] == (None, None)


def test_times_are_in_utc(connection: duckdb.DuckDBPyConnection) -> None:
    assert current_milestones(connection, 48)[0].starts_at == NOW - timedelta(hours=1)
    assert current_milestones(connection, 48)[0].starts_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), ["Live game", HOSTILE, "Soon, at another time", "Twin", "Fresh", "Later"]),
        (Filters(groups=frozenset({"Esports", "Mentions"})), [HOSTILE, "Later"]),
        (Filters(types=frozenset({"esports_match"})), ["Later"]),
        (Filters(leagues=frozenset({"LoL"})), ["Later"]),
        (Filters(search="TIME another"), ["Soon, at another time"]),
        (Filters(search="kxmain"), ["Live game"]),
        (Filters(search="kxevent-4"), ["Later"]),
        (Filters(search="LÄTER"), ["Later"]),
        (Filters(search="lol"), ["Later"]),
        (Filters(search="krakow"), ["Live game", "Twin"]),
        (Filters(search="kra kings"), ["Live game", "Twin"]),
        (Filters(search="live KINGS"), ["Live game"]),
        (Filters(search="lions at"), ["Live game"]),
        (Filters(search="lodz"), ["Live game"]),
        (Filters(search="player 10"), ["Later"]),
        (Filters(groups=frozenset({"Esports"}), leagues=frozenset({"NFL"})), []),
    ],
    ids=[
        "nothing",
        "groups",
        "type",
        "league",
        "words in any order",
        "main ticker",
        "other ticker",
        "accents",
        "league by search",
        "name",
        "abbreviation and name",
        "title and name",
        "main event's title",
        "a name with a stroke",
        "a name that is not listed",
        "all must hold",
    ],
)
def test_filters(connection: duckdb.DuckDBPyConnection, filters: Filters, expected: list[str]) -> None:
    assert titles(filters.apply(current_milestones(connection, 48))) == expected
