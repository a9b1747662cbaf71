"""Views that need the endpoints beside milestones: participants, live status, titles of events, their freshness."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.publish.views_database import AT, Database, after
from tests.support import NOON

pytestmark = pytest.mark.slow

# milestone_participants


def test_participants_have_names(database: Database) -> None:
    database.milestone("game", after(hours=1))
    database.participant("game", "home", entity_id="1")
    database.participant("game", "away", entity_id="2")
    database.target("1", "Chicago C", short_name="Cubs", abbreviation="CHC", type="baseball_team")
    database.target("2", "A's")
    assert database.rows("SELECT * FROM milestone_participants ORDER BY role DESC") == [
        ("game", "home", 0, "1", "Chicago C", "Cubs", "CHC", "baseball_team"),
        ("game", "away", 0, "2", "A's", None, None, None),
    ]


def test_an_unknown_id_keeps_its_row(database: Database) -> None:
    database.milestone("game", after(hours=1))
    database.participant("game", "home", entity_id="known")
    database.participant("game", "away", entity_id="unknown")
    database.target("known", "Łódź")
    database.unknown("targets", "unknown")
    assert dict(database.rows("SELECT entity_id, name FROM milestone_participants")) == {
        "known": "Łódź",
        "unknown": None,
    }


def test_every_milestone_has_its_participants(database: Database) -> None:
    # For joins with any view, whatever that includes.
    for milestone_id, fields in (("real", {}), ("simulated", {"is_simulated": True}), ("gone", {"vanished_at": NOON})):
        database.milestone(milestone_id, NOON, **fields)
        database.participant(milestone_id, "home", entity_id="1")
    assert set(database.ids("milestone_participants")) == {"real", "simulated", "gone"}
    assert set(database.ids("milestone_participants()")) == {"real", "simulated", "gone"}


# The column participants

NAMES = {"1": "Ann", "2": "Bob", "3": "Cid", "4": "Dot", "5": "Eve", "nameless": None}

PARTICIPANTS: dict[str, tuple[list[tuple[str, int, str]], str | None]] = {
    "home before away": ([("away", 0, "1"), ("home", 0, "2")], "Bob vs Ann"),
    "first before second": ([("second", 0, "1"), ("first", 0, "2")], "Bob vs Ann"),
    "two competitors": ([("competitor", 1, "1"), ("competitor", 0, "2")], "Bob vs Ann"),
    "one": ([("home", 0, "1")], "Ann"),
    "three": ([("candidate", place, str(place + 1)) for place in range(3)], "Ann, Bob, Cid"),
    "four": ([("competitor", place, str(place + 1)) for place in range(4)], "Ann, Bob, Cid, Dot"),
    "five": ([("competitor", place, str(place + 1)) for place in range(5)], "Ann, Bob, Cid, Dot, and 1 more"),
    "sides, without a venue": ([("home", 0, "1"), ("away", 0, "2"), ("venue", 0, "3")], "Ann vs Bob"),
    "sides of several words": ([("home_team", 0, "1"), ("home_pitcher", 0, "2"), ("away", 0, "3")], "Bob, Ann, Cid"),
    "competitors before candidates": ([("candidate", 0, "1"), ("competitor", 0, "2")], "Bob"),
    "candidates before others": ([("candidate", 0, "1"), ("state", 0, "2")], "Ann"),
    "others by role and position": ([("team", 0, "1"), ("driver", 1, "2"), ("driver", 0, "3")], "Cid, Bob, Ann"),
    "an unknown id": ([("home", 0, "1"), ("away", 0, "unknown")], "Ann vs unknown"),
    "a target without a name": ([("home", 0, "1"), ("away", 0, "nameless")], "Ann vs nameless"),
    "none": ([], None),
}


@pytest.mark.parametrize(("entities", "expected"), PARTICIPANTS.values(), ids=PARTICIPANTS)
def test_participants_as_one_text(
    database: Database, entities: list[tuple[str, int, str]], expected: str | None
) -> None:
    for target_id, name in NAMES.items():
        database.target(target_id, name)
    for milestone_id, hours in (("next", 1), ("live", -1)):
        database.milestone(milestone_id, after(hours=hours))
        for role, position, entity_id in entities:
            database.participant(milestone_id, role, position, entity_id=entity_id)
    for source in (f"upcoming_milestones({AT})", f"milestones_starting_within(2, {AT})", f"live_milestones({AT})"):
        assert database.rows(f"SELECT participants FROM {source}") == [(expected,)], source


def test_golf_names_four_of_132_competitors(database: Database) -> None:
    database.milestone("open", after(hours=1), type="golf_tournament")
    for place in range(132):
        database.participant("open", "competitor", place, entity_id=f"{place:03}")
        if place != 1:
            database.target(f"{place:03}", f"Golfer {place}")
    assert database.rows(f"SELECT participants FROM upcoming_milestones({AT})") == [
        ("Golfer 0, 001, Golfer 2, Golfer 3, and 128 more",)
    ]
    assert len(database.ids("milestone_participants")) == 132


def test_a_renamed_target_has_its_new_name(database: Database) -> None:
    database.milestone("game", after(hours=1))
    database.participant("game", "home", entity_id="1")
    database.target("1", "Oakland")
    database.connection.execute("UPDATE structured_targets SET name = 'A''s', last_changed_at = now()")
    assert database.rows(f"SELECT participants FROM upcoming_milestones({AT})") == [("A's",)]
    assert database.rows("SELECT name FROM milestone_participants") == [("A's",)]


# live_status


def test_live_status_is_the_newest_version(database: Database) -> None:
    database.milestone("game", after(hours=-1))
    database.live("game", status="live", home_score=1, valid_from=after(minutes=-9), valid_to=after(minutes=-5))
    database.live(
        "game", status="inprogress", version=2, valid_from=after(minutes=-5), home_score=2, away_score=0.5, details="{}"
    )
    assert database.rows("SELECT * FROM live_status") == [
        ("game", after(minutes=-5), None, "inprogress", "live", 2.0, 0.5, None, "{}")
    ]


def test_live_data_of_another_type_than_the_milestone(database: Database) -> None:
    database.milestone("call", after(hours=-1), type="company_report")
    database.live("call", status="live", type="one_off_milestone")
    assert database.rows("SELECT type FROM live_status") == [("one_off_milestone",)]
    assert database.rows(f"SELECT type, live_status FROM live_milestones({AT})") == [("company_report", "live")]


# live_milestones: live data against the status in details

RACE_HOURS = 3
"""The guessed duration of a type without ends."""

BELIEVED: dict[str, tuple[float, str | None, str | None, bool]] = {
    # hours since the start, status in details, status in live data, is live
    "details are stale, the game is over": (1, "live", "closed", False),
    "details are stale, the game was called off": (1, "scheduled", "postponed", False),
    "details are wrong, the game goes on": (1, "closed", "inprogress", True),
    "details are wrong, the game was called off": (1, "cancelled", "live", True),
    "details say ended, live data scheduled": (1, "ended", "not_started", True),
    "no live data, details count": (1, "closed", None, False),
    "no status at all": (1, None, None, True),
    "an unknown spelling, details count": (1, "closed", "Warming up", False),
    "an unknown spelling, nothing in details": (1, None, "Warming up", True),
    "the guessed end has passed, live data say live": (RACE_HOURS + 2, None, "halftime", True),
    "the guessed end has passed, live data say scheduled": (RACE_HOURS + 2, None, "scheduled", False),
    "the guessed end has passed, details say live": (RACE_HOURS + 2, "live", None, False),
    "live before its start": (-0.1, None, "live", False),
}


@pytest.mark.parametrize(("hours", "status", "live_status", "is_live"), BELIEVED.values(), ids=BELIEVED)
def test_live_data_beat_the_status_in_details(
    database: Database, hours: float, status: str | None, live_status: str | None, *, is_live: bool
) -> None:
    database.milestone("one", after(hours=-hours), status=status, type="race")
    if live_status is not None:
        database.live("one", status=live_status, valid_from=after(minutes=-1))
    assert database.ids(f"live_milestones({AT})") == ["one"] * is_live
    within = 0 <= hours < RACE_HOURS
    assert database.ids(f"live_milestones({AT}, include_ended := true)") == ["one"] * (is_live or within)


@pytest.mark.parametrize(
    ("changed_hours_ago", "end", "is_live"),
    [(2.9, None, True), (3, None, False), (0.1, after(hours=-1), False), (0.1, after(hours=1), True)],
    ids=["changed lately", "unchanged for hours", "a real end has passed", "a real end is to come"],
)
def test_a_live_status_outlasts_a_guessed_end_while_it_changes(
    database: Database, changed_hours_ago: float, end: datetime | None, *, is_live: bool
) -> None:
    # Live data are not requested long after the end: the last status may stay live for ever.
    database.milestone("one", after(hours=-10), type="race", end_date=end)
    database.live("one", status="live", valid_from=after(hours=-changed_hours_ago))
    assert database.ids(f"live_milestones({AT})") == ["one"] * is_live


def test_live_milestones_have_the_score(database: Database) -> None:
    database.milestone("one", after(hours=-1), status="scheduled")
    database.milestone("two", after(hours=-2), type="race")
    seen = after(minutes=-2)
    database.live("one", status="2nd half", status_group="live", home_score=3, away_score=1, valid_from=seen)
    columns = "milestone_id, status, status_group, live_status, live_status_group, home_score, away_score, observed_at"
    assert database.rows(f"SELECT {columns} FROM live_milestones({AT})") == [
        ("one", "scheduled", "scheduled", "2nd half", "live", 3.0, 1.0, seen),
        ("two", None, None, None, None, None, None, None),
    ]


# event_starts, shared_events


def test_events_have_titles(database: Database) -> None:
    database.milestone("a", after(hours=1))
    database.milestone("b", after(hours=2))
    known = {"KX-1": ("One", "KX"), "KX-2": ("Two", None), "KX-3": (None, "GONE"), "KX-4": None, "A-5": ("Five", "KX")}
    for ticker, event in known.items():
        database.event(ticker, "a")
        database.event(ticker, "b")
        if event:
            database.traded(ticker, *event)
    database.unknown("events", "KX-4")
    database.series("KX", "The series")
    starts = "SELECT event_ticker, event_title, series_ticker, series_title FROM event_starts ORDER BY event_ticker"
    assert database.rows(starts) == [
        # The series of an event is what the API says, never a part of the ticker.
        ("A-5", "Five", "KX", "The series"),
        ("KX-1", "One", "KX", "The series"),
        ("KX-2", "Two", None, None),
        ("KX-3", None, "GONE", None),
        ("KX-4", None, None, None),
    ]
    assert database.rows("SELECT title FROM event_starts WHERE event_ticker = 'KX-1'") == [("Game a",)]
    shared = "SELECT event_ticker, event_title, series_ticker FROM shared_events"
    assert database.rows(shared) == [
        ("A-5", "Five", "KX"),
        ("KX-1", "One", "KX"),
        ("KX-2", "Two", None),
        ("KX-3", None, "GONE"),
        ("KX-4", None, None),
    ]


# data_quality


def broken(database: Database, rule: str) -> tuple[int, str | None]:
    ((count, example),) = database.rows(f"SELECT milestones, example FROM data_quality({AT}) WHERE rule = '{rule}'")
    return count, example


def test_an_unknown_spelling_in_live_data_counts(database: Database) -> None:
    for milestone_id in "abcde":
        database.milestone(milestone_id, after(hours=-1))
    database.live("a", status="Warming up")
    # The group came from the widget; the spelling is as unknown.
    database.live("b", status="Warming up", status_group="live")
    database.live("c", status="In Progress")
    database.live("d", status=None)
    database.live("e", status="Warming up", valid_to=NOON)
    database.live("e", status="final", version=2)
    assert broken(database, "unknown_live_status") == (2, "a")


def test_unknown_keys_count_by_milestone(database: Database) -> None:
    for milestone_id in "abc":
        database.milestone(milestone_id, after(hours=1))
        database.participant(milestone_id, "home", entity_id=f"home {milestone_id}")
        database.participant(milestone_id, "away", entity_id=f"away {milestone_id}")
        database.event("KX-1", milestone_id)
    for key in ("home b", "away b", "away c", "KX-1", "of no milestone"):
        database.unknown("targets", key)
    assert broken(database, "unknown_participant") == (2, "b")
    assert broken(database, "unknown_event") == (0, None)
    database.unknown("events", "KX-1")
    assert broken(database, "unknown_event") == (3, "a")


REFUSED = {
    "its live data": ("live", "one", 1),
    "a participant": ("targets", "team", 1),
    "an event": ("events", "KX-1", 1),
    "the series of an event": ("series", "KX", 1),
    "a key that could not be read": ("live", None, 0),
    "a record of no milestone": ("targets", "other", 0),
    "the same key of another endpoint": ("events", "team", 0),
}


@pytest.mark.parametrize(("endpoint", "key", "count"), REFUSED.values(), ids=REFUSED)
def test_refused_records_count_by_milestone(database: Database, endpoint: str, key: str | None, count: int) -> None:
    database.milestone("one", after(hours=1))
    database.participant("one", "home", entity_id="team")
    database.event("KX-1", "one")
    database.traded("KX-1", "One", "KX")
    for minutes in (1, 2):
        database.refuse(endpoint, key, seen_at=after(minutes=minutes))
    assert broken(database, "refused_record")[0] == count


@pytest.mark.parametrize(("minutes", "count"), [(-1, 1), (0, 0), (1, 0)], ids=["older", "of that sweep", "newer"])
def test_a_refused_record_counts_until_a_newer_one_is_stored(database: Database, minutes: float, count: int) -> None:
    database.milestone("one", after(hours=-1))
    database.refuse("live", "one")
    database.live("one", status="live", valid_from=after(minutes=minutes))
    assert broken(database, "refused_record")[0] == count


# endpoint_freshness


def test_endpoint_freshness(database: Database) -> None:
    database.endpoint_sweep("targets", 1, mode="full", watermark=after(hours=1), records=100)
    database.endpoint_sweep("targets", 2, records=7, remaining_keys=5, unknown_keys=1)
    database.endpoint_sweep("targets", 3, status="failed", error="no answer")
    database.endpoint_sweep("live", 1, error="interrupted")
    database.endpoint_sweep("live", 4, records=3)
    database.unknown("targets", "a")
    database.unknown("targets", "b")
    database.refuse("live", None)
    cursor = database.connection.execute(f"FROM endpoint_freshness(at_time := '{after(hours=5):%Y-%m-%d %H:%M:%SZ}')")
    names = [column[0] for column in cursor.description or []]
    live, targets = (dict(zip(names, row, strict=True)) for row in cursor.fetchall())
    assert live == {
        "endpoint": "live",
        "last_loaded_at": after(hours=4),
        "lag": timedelta(hours=1),
        "lag_minutes": 60.0,
        "watermark": None,
        "last_sweep_records": 3,
        "remaining_keys": 0,
        "unknown_keys": 0,
        "quarantined": 1,
        "last_error": None,
    }
    assert targets == {
        "endpoint": "targets",
        "last_loaded_at": after(hours=2),
        "lag": timedelta(hours=3),
        "lag_minutes": 180.0,
        "watermark": after(hours=1),
        "last_sweep_records": 7,
        "remaining_keys": 5,
        "unknown_keys": 2,
        "quarantined": 0,
        "last_error": "no answer",
    }


def test_an_endpoint_that_never_loaded_has_a_row(database: Database) -> None:
    database.endpoint_sweep("series", 1, status="failed", error="no answer")
    found: dict[str, Any] = database.record("endpoint_freshness")
    assert {name: value for name, value in found.items() if value is not None} == {
        "endpoint": "series",
        "unknown_keys": 0,
        "quarantined": 0,
        "last_error": "no answer",
    }


def test_no_sweep_no_row(database: Database) -> None:
    assert database.rows("FROM endpoint_freshness") == []
