"""Views and macros on rows that were written to have known results."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.publish.views import create_views, describe_views, view_texts
from schemas.statuses import status_group
from schemas.tables import (
    MILESTONE_CHANGES,
    MILESTONE_VERSIONS,
    QUARANTINE,
    SWEEPS,
)
from schemas.view import View
from tests.publish.views_database import AT, Database, after
from tests.schemas.rows import good_rows
from tests.support import NOON

pytestmark = pytest.mark.slow

PLACEHOLDER = "2000-01-01 00:00:00+00"
ASKED = "include_simulated := true, include_vanished := true"


# What every view has in common

VIEWS = sorted(view_texts())


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_has_its_description_in_duckdb(database: Database, name: str) -> None:
    (view,) = [one for one in describe_views(database.connection) if one.name == name]
    assert view.question.count("?") >= 1
    assert view.notes
    comment = " ".join(line.removeprefix("--") for line in view_texts()[name].splitlines() if line.startswith("--"))
    words = [word for text in (view.question, *view.notes) for word in text.split()]
    assert words == comment.split()[: len(words)]
    assert all(column.meaning for column in view.columns)
    if view.is_view:
        assert database.rows(f"SELECT comment FROM duckdb_views() WHERE view_name = '{name}'") == [(view.question,)]
        comments = database.rows(
            f"SELECT column_name, comment FROM duckdb_columns() WHERE table_name = '{name}' ORDER BY column_index"
        )
        assert comments == [(column.name, column.meaning) for column in view.columns]


@pytest.mark.parametrize("name", VIEWS)
def test_every_interval_has_a_column_in_minutes(database: Database, name: str) -> None:
    # polars, Parquet and spreadsheets have no type for an INTERVAL.
    (view,) = [one for one in describe_views(database.connection) if one.name == name]
    assert intervals_without_minutes(view) == []


def test_an_interval_without_minutes_is_detected(database: Database) -> None:
    (view,) = [one for one in describe_views(database.connection) if one.name == "reschedules"]
    others = tuple(column for column in view.columns if column.name != "notice_minutes")
    assert intervals_without_minutes(replace(view, columns=others)) == ["notice"]


def intervals_without_minutes(view: View) -> list[str]:
    """INTERVAL columns that are not followed by a DOUBLE of the same name with _minutes."""
    after_each = zip_longest(view.columns, view.columns[1:])
    return [
        column.name
        for column, beside in after_each
        if column.sql_type == "INTERVAL"
        and (beside is None or (beside.name, beside.sql_type) != (f"{column.name}_minutes", "DOUBLE"))
    ]


@pytest.mark.parametrize("name", VIEWS)
def test_a_comment_describes_only_existing_columns(database: Database, name: str) -> None:
    (view,) = [one for one in describe_views(database.connection) if one.name == name]
    head = view_texts()[name].split("CREATE OR REPLACE")[0].split("--\n")[-1]
    described = {line.removeprefix("-- ").split(":")[0] for line in head.splitlines()}
    names = {column.name for column in view.columns} | {parameter.name for parameter in view.parameters}
    assert described <= names


def test_an_undescribed_column_is_detected(database: Database) -> None:
    texts = view_texts()
    broken = texts["freshness"].replace("-- lag: ", "-- lagging: ")
    with pytest.raises(KeyError, match="lag"):
        create_views(database.connection, texts | {"freshness": broken})


SIMULATED_AND_VANISHED = [
    ("upcoming_milestones", AT),
    ("live_milestones", AT),
    ("event_starts", ""),
    ("reschedules", ""),
]


@pytest.mark.parametrize(("name", "at"), SIMULATED_AND_VANISHED, ids=[name for name, _ in SIMULATED_AND_VANISHED])
def test_simulated_and_vanished_milestones_are_excluded_by_default(database: Database, name: str, at: str) -> None:
    start = after(hours=-1 if name == "live_milestones" else 1)
    fates: dict[str, dict[str, Any]] = {
        "real": {},
        "simulated": {"is_simulated": True},
        "vanished": {"vanished_at": NOON},
    }
    for number, (milestone_id, fate) in enumerate(fates.items()):
        database.milestone(milestone_id, start, **fate)
        database.event(f"KX-{number}", milestone_id)
        change: dict[str, Any] = {"version": 2, "position": 1, "field": "start_date", "seen_at": NOON}
        times = {"old": "2026-11-24T12:00:00Z", "new": "2026-11-24T13:00:00Z"}
        database.add(MILESTONE_CHANGES, milestone_id=milestone_id, **change, **times)

    def asked(*parameters: str) -> set[str]:
        return set(database.ids(f"{name}({', '.join(filter(None, (at, *parameters)))})"))

    assert asked() == {"real"}
    assert asked("include_simulated := true") == {"real", "simulated"}
    assert asked("include_vanished := true") == {"real", "vanished"}
    assert asked(ASKED) == {"real", "simulated", "vanished"}
    if not at:
        assert set(database.ids(name)) == {"real"}


# upcoming_milestones, milestones_starting_within


def test_upcoming_milestones(database: Database) -> None:
    database.milestone("later", after(days=400), league="NFL")
    database.milestone("now", NOON)
    database.milestone("past", after(seconds=-1))
    database.milestone("none", None)
    database.milestone("placeholder", PLACEHOLDER, has_placeholder_dates=True)
    database.milestone("soon", after(seconds=1), end_date=after(hours=2))
    database.milestone("odd end", after(hours=1), end_date=PLACEHOLDER, has_placeholder_dates=True)
    columns = "milestone_id, league, end_date, starts_in"
    assert database.rows(f"SELECT {columns} FROM upcoming_milestones({AT})") == [
        ("soon", None, after(hours=2), timedelta(seconds=1)),
        ("odd end", None, None, timedelta(hours=1)),
        ("later", "NFL", None, timedelta(days=400)),
    ]


def test_starts_in_is_rounded_down_to_seconds(database: Database) -> None:
    database.milestone("soon", after(seconds=90.999_999))
    database.milestone("next", after(seconds=0.5))
    columns = "starts_in, starts_in_minutes"
    assert database.rows(f"SELECT {columns} FROM upcoming_milestones({AT})") == [
        (timedelta(0), 0.0),
        (timedelta(seconds=90), 1.5),
    ]


@pytest.mark.parametrize(
    ("hours", "expected"),
    [("0", []), ("0.5", ["half"]), ("1", ["half", "one"]), ("24", ["half", "one", "day"]), ("NULL", [])],
)
def test_milestones_starting_within_hours(database: Database, hours: str, expected: list[str]) -> None:
    for milestone_id, delta in (("half", 0.5), ("one", 1), ("day", 24), ("more", 24.001)):
        database.milestone(milestone_id, after(hours=delta))
    database.milestone("simulated", after(minutes=1), is_simulated=True)
    assert database.ids(f"milestones_starting_within({hours}, {AT})") == expected


def test_at_time_defaults_to_now(database: Database) -> None:
    # Of the query, not of when the views were made.
    database.milestone("next", "3000-01-01 00:00:00+00")
    database.milestone("begun", "2026-01-01 00:00:00+00", end_date="3000-01-01 00:00:00+00")
    sweep(database, 1, mode="full")
    starts_in = "starts_in = date_trunc('second', start_date - now())"
    checks = {
        "upcoming_milestones": starts_in,
        "milestones_starting_within(100_000_000)": starts_in,
        "freshness": "lag = now() - last_sweep_at",
    }
    for source, check in checks.items():
        assert database.rows(f"SELECT {check} FROM {source}") == [(True,)], source
    assert database.ids("live_milestones") == ["begun"]


@pytest.mark.parametrize("name", VIEWS)
def test_no_default_stores_the_creation_time(database: Database, name: str) -> None:
    (view,) = [one for one in describe_views(database.connection) if one.name == name]
    assert {parameter.default for parameter in view.parameters} <= {None, "NULL", "false"}


# What a status says

ALL_STATUSES = {
    "none": None,
    "scheduled": "Match Scheduled - Pre Match Service",
    "live": "live",
    "unknown": "P",
    "ended": "Event Closed   (MaxOv:0)",
    "cancelled": "cancelled",
    "postponed": "postponed",
}
NOT_OVER = {"none", "scheduled", "live", "unknown"}


@pytest.mark.parametrize(
    ("name", "hours"),
    [("upcoming_milestones", 1), ("milestones_starting_within", 1), ("live_milestones", -1)],
)
def test_ended_and_off_milestones_are_excluded_by_default(database: Database, name: str, hours: float) -> None:
    for milestone_id, status in ALL_STATUSES.items():
        database.milestone(milestone_id, after(hours=hours), status=status)
    given = f"24, {AT}" if name == "milestones_starting_within" else AT
    assert set(database.ids(f"{name}({given})")) == NOT_OVER
    assert set(database.ids(f"{name}({given}, include_ended := true)")) == ALL_STATUSES.keys()
    groups = dict(database.rows(f"SELECT milestone_id, status_group FROM {name}({given}, include_ended := true)"))
    assert groups == {milestone_id: status_group(status) for milestone_id, status in ALL_STATUSES.items()}


STARTS = {
    "upcoming_milestones": f"upcoming_milestones({AT}) WHERE milestone_id = 'open'",
    "milestones_starting_within": f"milestones_starting_within(24, {AT}) WHERE milestone_id = 'open'",
    "live_milestones": f"live_milestones({AT}) WHERE milestone_id = 'begun'",
    "event_starts": "event_starts WHERE event_ticker = 'KX-OPEN'",
    "shared_events": "shared_events WHERE event_ticker = 'KX-SHARED'",
    "reschedules": "reschedules WHERE milestone_id = 'open'",
    "milestones_as_of": "milestones_as_of(TIMESTAMPTZ '3000-01-01 00:00:00+00') WHERE milestone_id = 'open'",
}


def test_every_view_with_a_start_has_start_is_tentative(database: Database) -> None:
    views = describe_views(database.connection)
    shown = {
        view.name for view in views if any("start" in c.name and c.sql_type == "TIMESTAMPTZ" for c in view.columns)
    }
    assert shown == STARTS.keys()


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("is_tentative", [True, False])
def test_which_starts_are_tentative(database: Database, name: str, *, is_tentative: bool) -> None:
    database.milestone("open", after(hours=1), start_is_tentative=is_tentative)
    database.milestone("begun", after(hours=-1), start_is_tentative=is_tentative)
    database.milestone("settled", after(hours=2))
    for ticker, milestone_id in (("KX-OPEN", "open"), ("KX-SHARED", "open"), ("KX-SHARED", "settled")):
        database.event(ticker, milestone_id)
    change: dict[str, Any] = {"version": 2, "position": 1, "field": "start_date", "seen_at": NOON}
    database.add(MILESTONE_CHANGES, milestone_id="open", **change, new="2026-11-24T13:00:00Z")
    database.add(
        MILESTONE_VERSIONS, milestone_id="open", version=1, content_hash="0", valid_from=NOON, sweep_id="1", record="{}"
    )
    assert database.rows(f"SELECT start_is_tentative FROM {STARTS[name]}") == [(is_tentative,)]


# live_milestones


def ended_games(database: Database, *hours: float, **fields: Any) -> None:
    for number, duration in enumerate(hours):
        start = after(days=-30)
        ended = {"end_date": start + timedelta(hours=duration)}
        database.milestone(f"ended {fields.get('type')} {number}", start, **(ended | fields))


LIVE = {
    "its end is to come": (-5, {"end_date": after(seconds=1)}, (after(seconds=1), False)),
    "its end is now": (-5, {"end_date": NOON}, None),
    "within the usual time": (-1, {}, (after(hours=1), True)),
    "after the usual time": (-2, {}, None),
    "it starts now": (0, {}, (after(hours=2), True)),
    "it has not started": (0.001, {}, None),
    "a type without any end": (-2.5, {"type": "race"}, (after(hours=0.5), True)),
    "a type without any end, over": (-3, {"type": "race"}, None),
    "the end is a placeholder": (
        -1,
        {"end_date": PLACEHOLDER, "has_placeholder_dates": True},
        (after(hours=1), True),
    ),
}


@pytest.mark.parametrize(("hours", "fields", "expected"), LIVE.values(), ids=LIVE)
def test_live_milestones(
    database: Database, hours: float, fields: dict[str, Any], expected: tuple[datetime, bool] | None
) -> None:
    # The median is 2 hours; what cannot tell a duration would make it something else.
    ended_games(database, 1, 2, 90, type="football_game")
    ended_games(database, *([50] * 5), is_simulated=True)
    ended_games(database, *([-1] * 5), type="race")
    ended_games(database, *([50] * 5), has_placeholder_dates=True, end_date="2000-01-02 00:00:00+00")
    database.milestone("one", after(hours=hours), **fields)
    found = database.rows(f"SELECT ends_at, end_is_guessed FROM live_milestones({AT}) WHERE milestone_id = 'one'")
    assert found == ([expected] if expected else [])


def test_a_placeholder_start_is_never_live(database: Database) -> None:
    database.milestone("one", PLACEHOLDER, end_date=after(days=1), has_placeholder_dates=True)
    assert database.ids(f"live_milestones({AT})") == []


# event_starts, shared_events

BEST = {
    "main before primary before related": (
        [("a", 3, "main"), ("b", 2, "related primary"), ("c", 1, "related")],
        ("a", 3, "main", 3, False, (1, 3)),
    ),
    "primary before related": (
        [("b", 2, "related primary"), ("c", 1, "related")],
        ("b", 2, "primary", 2, False, (1, 2)),
    ),
    "related alone": ([("c", 1, "related")], ("c", 1, "related", 1, False, (1, 1))),
    "the earliest of a rank, ambiguous": (
        [("a", 2, "primary"), ("b", 1, "primary"), ("c", 5, "related")],
        ("b", 1, "primary", 3, True, (1, 5)),
    ),
    "the smallest id of a start, not ambiguous": (
        [("b", 1, "main"), ("a", 1, "main"), ("c", 0, "related")],
        ("a", 1, "main", 3, False, (0, 1)),
    ),
    "a placeholder gives way to a lower rank": (
        [("a", PLACEHOLDER, "main"), ("b", 2, "related")],
        ("b", 2, "related", 2, False, (2, 2)),
    ),
    "no start gives way to a placeholder": (
        [("a", None, "main"), ("b", PLACEHOLDER, "related")],
        ("b", PLACEHOLDER, "related", 2, False, (PLACEHOLDER, PLACEHOLDER)),
    ),
    "nothing but an unknown start": ([("a", None, "primary")], ("a", None, "primary", 1, False, (None, None))),
    "nothing but an unknown start, related": ([("a", None, "related")], ("a", None, "related", 1, False, (None, None))),
    "far apart": (
        [("a", -600_000, "main"), ("b", 60_000, "main")],
        ("a", -600_000, "main", 2, True, (-600_000, 60_000)),
    ),
}


def moment(start: float | str | None) -> datetime | None:
    if isinstance(start, str):
        return datetime.fromisoformat(start)
    return None if start is None else after(hours=start)


@pytest.mark.parametrize(("milestones", "expected"), BEST.values(), ids=BEST)
def test_event_starts_picks_the_best_start(
    database: Database, milestones: list[tuple[str, Any, str]], expected: tuple[Any, ...]
) -> None:
    for milestone_id, start, role in milestones:
        database.milestone(milestone_id, moment(start), type=f"type of {milestone_id}")
        database.event("KX-1", milestone_id, role)
    database.milestone("other", NOON)
    database.event("KX-2", "other", "main")
    milestone_id, starts_at, basis, count, is_ambiguous, (earliest, latest) = expected
    found = database.record("event_starts WHERE event_ticker = 'KX-1'")
    first, last = moment(earliest), moment(latest)
    assert found == {
        "event_ticker": "KX-1",
        "starts_at": moment(starts_at),
        "basis": basis,
        "milestone_id": milestone_id,
        "type": f"type of {milestone_id}",
        "title": f"Game {milestone_id}",
        "milestones": count,
        "is_ambiguous": is_ambiguous,
        "earliest_start": first,
        "latest_start": last,
        "spread": last - first if first and last else None,
        "spread_minutes": (last - first) / timedelta(minutes=1) if first and last else None,
        "has_placeholder_dates": starts_at == PLACEHOLDER,
        "start_is_tentative": False,
        "event_title": None,
        "series_ticker": None,
        "series_title": None,
    }


def test_shared_events(database: Database) -> None:
    for milestone_id, start in (("a", 5), ("b", 1), ("c", 5), ("d", None)):
        database.milestone(milestone_id, moment(start))
    database.milestone("placeholder", PLACEHOLDER, has_placeholder_dates=True)
    database.milestone("gone", NOON, vanished_at=NOON)
    shared = {
        "DIFFER": "a b",
        "AGREE": "a c",
        "MANY": "a b c placeholder",
        "UNKNOWN": "a d",
        "ALONE": "a",
        "WITH ONE GONE": "a gone",
    }
    for ticker, milestone_ids in shared.items():
        for milestone_id in milestone_ids.split():
            database.event(ticker, milestone_id)
    assert database.rows("SELECT * EXCLUDE (event_title, series_ticker) FROM shared_events") == [
        ("MANY", 4, ["placeholder", "b", "a", "c"], moment(1), moment(5), timedelta(hours=4), 240.0, True, False),
        ("AGREE", 2, ["a", "c"], moment(5), moment(5), timedelta(), 0.0, False, False),
        ("DIFFER", 2, ["b", "a"], moment(1), moment(5), timedelta(hours=4), 240.0, True, False),
        ("UNKNOWN", 2, ["a", "d"], moment(5), moment(5), timedelta(), 0.0, False, False),
    ]
    assert database.rows(
        "SELECT milestones FROM shared_events(include_vanished := true) WHERE event_ticker LIKE 'WITH%'"
    )


# coverage_daily


def test_coverage_by_day(database: Database) -> None:
    evening = datetime.fromisoformat("2026-11-23T23:59:59+00:00")
    database.milestone("whole", evening, end_date=after(days=1), source_id="1", main_event_ticker="KX-1")
    database.event("KX-1", "whole")
    database.event("KX-2", "whole")
    database.milestone("bare", evening)
    database.milestone("next day", evening + timedelta(seconds=1))
    database.milestone("race", evening, type="race", end_date=PLACEHOLDER)
    database.milestone("placeholder", PLACEHOLDER)
    database.milestone("unknown", None)
    database.milestone("simulated", evening, is_simulated=True)
    monday, tuesday = date(2026, 11, 23), date(2026, 11, 24)
    assert database.rows("SELECT * FROM coverage_daily") == [
        (monday, "Sports", "football_game", 2, 1, 1, 1, 1),
        (monday, "Sports", "race", 1, 0, 0, 0, 0),
        (tuesday, "Sports", "football_game", 1, 0, 0, 0, 0),
        (None, "Sports", "football_game", 2, 0, 0, 0, 0),
    ]


# data_quality

FAULTY: dict[str, tuple[float | str | None, dict[str, Any]]] = {
    "placeholder_dates": (PLACEHOLDER, {"has_placeholder_dates": True, "end_date": "2000-01-02 00:00:00+00"}),
    "no_start": (None, {}),
    "end_before_start": (2, {"end_date": after(hours=1)}),
    "no_end_long_after_start": (-7 * 24 - 1, {}),
    "stale_status": (-1, {"status": "live", "end_date": after(seconds=-1)}),
    "unknown_status": (1, {"status": "P"}),
    "no_event_tickers": (1, {}),
    "primary_not_related": (1, {}),
    "main_not_listed": (1, {}),
    "category_synonym": (1, {"category": "sports"}),
    "empty_title": (1, {"title": ""}),
    "missing_field": (1, {"notification_message": None}),
    "no_last_updated_ts": (1, {"last_updated_ts": None}),
    "updated_in_future": (1, {"last_updated_ts": after(seconds=1)}),
    "simulated": (1, {"is_simulated": True}),
    "maybe_simulated": (1, {}),
    "unknown_live_status": (1, {}),
    "unknown_participant": (1, {}),
    "unknown_event": (1, {}),
    "refused_record": (1, {}),
}
ROLES = {"no_event_tickers": None, "primary_not_related": "primary", "main_not_listed": "main"}


@pytest.mark.parametrize("rule", FAULTY)
def test_a_fault_counts_only_in_its_rule(database: Database, rule: str) -> None:
    start, fields = FAULTY[rule]
    for milestone_id in ("z", "y"):
        database.milestone(milestone_id, moment(start), **fields)
        role = ROLES.get(rule, "related")
        if role:
            database.event("SIMCHESSGAME-26" if rule == "maybe_simulated" else "KX-1", milestone_id, role)
        if rule == "main_not_listed":
            database.event("KX-2", milestone_id, "related")
        if rule == "unknown_live_status":
            database.live(milestone_id, status="Warming up")
        if rule == "unknown_participant":
            database.participant(milestone_id, "home", entity_id="team")
        if rule == "refused_record":
            database.refuse("live", milestone_id)
    if rule == "unknown_participant":
        database.unknown("targets", "team")
    if rule == "unknown_event":
        database.unknown("events", "KX-1")
    for number in range(6):
        database.milestone(f"good {number}", after(hours=number), end_date=after(hours=30), status="scheduled")
        database.event(f"KX-GOOD-{number}", f"good {number}", "related primary main")
    database.milestone("gone", None, title="", vanished_at=NOON)
    found = {
        name: rest for name, *rest in database.rows(f"SELECT rule, milestones, share, example FROM data_quality({AT})")
    }
    assert list(found) == [rule, *sorted(found.keys() - {rule})]
    assert found[rule] == [2, 0.25, "y"]
    assert {name: rest for name, rest in found.items() if rest != [0, 0, None]}.keys() == {rule}
    assert found.keys() == FAULTY.keys()
    listed = database.rows(f"SELECT rule, milestone_id FROM data_quality_milestones({AT})")
    assert listed == [(rule, "y"), (rule, "z")]


def test_simulated_milestones_break_other_rules_if_they_are_included(database: Database) -> None:
    database.milestone("one", None, is_simulated=True)
    database.event("KX-1", "one", "related")
    assert database.rows(f"FROM data_quality_milestones({AT})") == [("simulated", "one")]
    included = database.rows(f"FROM data_quality_milestones({AT}, include_simulated := true)")
    assert included == [("no_start", "one"), ("simulated", "one")]


def test_data_quality_lists_every_rule_without_data(database: Database) -> None:
    rows = database.rows("SELECT rule, milestones, share, example FROM data_quality")
    assert rows == [(rule, 0, 0, None) for rule in sorted(FAULTY)]


STALE = {
    "to come, long started": (-25, "scheduled", None, True),
    "to come, just started": (-23, "time-tbd", None, False),
    "closed, long started": (-25, "closed", None, False),
    "live, ended": (-2, "inprogress", after(hours=-1), True),
    "live, ends later": (-2, "inprogress", after(hours=1), False),
    "unknown": (-25, "P", None, False),
    "another spelling, long started": (-25, "Toss Pending   (Bet Delay:5 seconds)", None, True),
    "off, long started": (-25, "postponed", None, False),
    "none": (-25, None, None, False),
}


@pytest.mark.parametrize(("hours", "status", "end", "is_stale"), STALE.values(), ids=STALE)
def test_which_statuses_are_stale(
    database: Database, hours: float, status: str | None, end: datetime | None, *, is_stale: bool
) -> None:
    database.milestone("one", after(hours=hours), status=status, end_date=end)
    rows = database.rows(f"SELECT milestones FROM data_quality({AT}) WHERE rule = 'stale_status'")
    assert rows == [(int(is_stale),)]


@pytest.mark.parametrize("column", ["category", "title", "notification_message", "details"])
def test_each_missing_field_counts(database: Database, column: str) -> None:
    database.milestone("one", NOON, **{column: None})
    assert database.rows(f"SELECT milestones FROM data_quality({AT}) WHERE rule = 'missing_field'") == [(1,)]


def test_an_update_after_its_fetch_stays_in_the_future(database: Database) -> None:
    database.milestone("one", NOON, has_future_update=True)
    assert database.rows(f"SELECT milestones FROM data_quality({AT}) WHERE rule = 'updated_in_future'") == [(1,)]


# freshness


def sweep(database: Database, number: int, **fields: Any) -> None:
    row = good_rows(SWEEPS)[0] | {
        "sweep_id": f"{number:06d}",
        "started_at": after(hours=number, minutes=-1),
        "finished_at": after(hours=number),
        "watermark": None,
        "pages": number,
        "records": 10 * number,
        "error": None,
    }
    database.add(SWEEPS, **(row | fields))


def test_freshness(database: Database) -> None:
    sweep(database, 1, mode="full", watermark=after(hours=1))
    sweep(database, 2, mode="incremental", watermark=after(hours=2))
    sweep(database, 3, mode="full", watermark=after(hours=3))
    sweep(database, 4, mode="incremental", watermark=after(hours=3))
    sweep(database, 5, mode="by_id")
    sweep(database, 6, mode="full", status="failed", is_complete=False)
    database.milestone("a", NOON, last_updated_ts=after(hours=-3))
    database.milestone("simulated", NOON, is_simulated=True)
    database.milestone("ahead", NOON, last_updated_ts=after(hours=11))
    database.milestone("was ahead", NOON, last_updated_ts=after(hours=9), has_future_update=True)
    refused = good_rows(QUARANTINE)[0] | {"seen_at": NOON}
    database.add(QUARANTINE, **refused)
    assert database.record(f"freshness(at_time := '{after(hours=10):%Y-%m-%d %H:%M:%SZ}')") == {
        "last_full_sweep_at": after(hours=3),
        "last_incremental_at": after(hours=4),
        "last_sweep_at": after(hours=4),
        "watermark": after(hours=3),
        "newest_update": after(hours=-3),
        "lag": timedelta(hours=6),
        "lag_minutes": 360.0,
        "milestones": 3,
        "quarantined": 1,
        "sweeps": 6,
        "last_sweep_pages": 4,
        "last_sweep_records": 40,
    }


def test_freshness_without_sweeps_is_one_row(database: Database) -> None:
    found = database.record("freshness")
    assert {name for name, value in found.items() if value is not None} == {"milestones", "quarantined", "sweeps"}


def test_every_view_works_in_an_attached_file(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "published.duckdb")) as connection:
        Database(connection).milestone("a", after(days=40_000))
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{tmp_path / 'published.duckdb'}' AS other (READ_ONLY)")
        for (name,) in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall():
            connection.execute(f"SELECT * FROM other.{name}").fetchall()
        assert connection.execute("SELECT milestone_id FROM other.upcoming_milestones").fetchall() == [("a",)]
