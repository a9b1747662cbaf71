"""The other charts: their layout, and that each is valid in Vega-Lite's schema."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from board.charts.axes import stacked
from board.charts.calendar import MEASURES, calendar, cells, months
from board.charts.changes import bucket_for, largest, over_time, unit_for
from board.charts.history import LINES_MAX, line_names, start_history, steps
from board.charts.sweeps import durations, outcomes
from board.queries.changes import Count, Shift
from board.queries.coverage import Day
from board.queries.health import Sweep
from board.queries.start_versions import StartVersion
from board.theme import ViewSettings
from board.times import Zone

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
VIEWS = [
    ViewSettings(is_dark=False, zone=Zone.named("Europe/Berlin"), in_utc=False),
    ViewSettings(is_dark=True, zone=Zone.named(None), in_utc=True),
]
VIEW_IDS = ["light", "dark"]
DAY = Day(date(2026, 3, 1), 10, 5, 10, 0, 10)


def start_version(
    milestone: int, version: int, start: datetime | None, *, until: datetime | None = None
) -> StartVersion:
    return StartVersion(f"m{milestone}", "Game", None, version, start, NOW + timedelta(days=version), until)


def test_stacked_bars_do_not_overlap() -> None:
    values = [
        {"at": 1, "kind": "b", "size": 3},
        {"at": 1, "kind": "a", "size": 2},
        {"at": 2, "kind": "b", "size": 1},
    ]
    placed = stacked(values, at="at", size="size", order=["a", "b"], by="kind")
    assert [(value["at"], value["kind"], value["low"], value["high"]) for value in placed] == [
        (1, "a", 0, 2),
        (1, "b", 2, 5),
        (2, "b", 0, 1),
    ]


@pytest.mark.parametrize(("year", "days"), [(2026, 365), (2024, 366)], ids=["common year", "leap year"])
def test_every_day_of_a_year_has_its_own_cell(year: int, days: int) -> None:
    found = cells([], year, "milestones")
    assert len({(cell["week"], cell["weekday"]) for cell in found}) == days
    assert {cell["value"] for cell in found} == {None}


@pytest.mark.parametrize(
    ("measure", "value"),
    [("milestones", 10), ("with_end", 0.5), ("with_main_event_ticker", 0)],
    ids=str,
)
def test_values_of_cells(measure: str, value: float) -> None:
    (cell,) = (cell for cell in cells([DAY], 2026, measure) if cell["value"] is not None)
    assert (cell["date"], cell["value"]) == ("Sun 1 Mar 2026", value)


def test_months_are_above_their_first_week() -> None:
    assert [month["week"] for month in months(2026)][:3] == [0, 4, 8]


@pytest.mark.parametrize(
    ("period", "bucket"),
    [
        (timedelta(hours=1), "minute"),
        (timedelta(hours=24), "hour"),
        (timedelta(days=30), "day"),
        (timedelta(days=900), "week"),
    ],
    ids=str,
)
def test_buckets(period: timedelta, bucket: str) -> None:
    assert bucket_for(period) == bucket


@pytest.mark.parametrize(
    ("furthest", "unit"),
    [
        (timedelta(days=60), "days"),
        (timedelta(days=2), "days"),
        (-timedelta(days=2), "days"),
        (timedelta(hours=47), "hours"),
        (timedelta(minutes=119), "minutes"),
        (timedelta(seconds=5), "minutes"),
    ],
    ids=str,
)
def test_the_largest_shift_decides_the_unit(furthest: timedelta, unit: str) -> None:
    assert unit_for([timedelta(seconds=1), furthest])[0] == unit


def test_the_legend_distinguishes_milestones_with_the_same_title() -> None:
    same = [start_version(1, 1, NOW), start_version(2, 1, NOW)]
    other = replace(start_version(3, 1, NOW), title="Other")
    assert line_names([*same, other]) == {"m1": "Game (m1)", "m2": "Game (m2)", "m3": "Other"}


@pytest.mark.parametrize(("milestones", "has_legend"), [(1, False), (2, True)])
def test_one_line_needs_no_legend(milestones: int, has_legend: bool) -> None:
    drawn = start_history([start_version(one, 1, NOW) for one in range(milestones)], VIEWS[0], NOW).to_dict()
    assert (drawn["layer"][0]["encoding"]["color"]["legend"] is not None) is has_legend


def test_a_start_is_valid_until_the_next_version_or_now() -> None:
    later = NOW + timedelta(days=2)
    found = steps(
        [start_version(1, 1, NOW, until=later), start_version(1, 2, None), start_version(2, 3, later)],
        NOW + timedelta(days=9),
    )
    assert [(one.milestone_id, seen, start) for one, seen, start in found] == [
        ("m1", NOW + timedelta(days=1), NOW),
        ("m1", later, NOW),
        ("m2", NOW + timedelta(days=3), later),
        ("m2", NOW + timedelta(days=9), later),
    ]


def test_of_many_lines_those_with_most_versions_are_drawn() -> None:
    many = [start_version(number, 1, NOW) for number in range(LINES_MAX * 2)]
    moved = [start_version(99, version, NOW + timedelta(days=version)) for version in (1, 2)]
    drawn = start_history([*many, *moved], VIEWS[0], NOW + timedelta(days=9)).to_dict()
    (values,) = drawn["datasets"].values() if "datasets" in drawn else [drawn["layer"][0]["data"]["values"]]
    milestones = {value["milestone"] for value in values}
    assert len(milestones) == LINES_MAX
    assert "Game (m99)" in milestones


def test_tooltips_name_the_participants() -> None:
    hour = timedelta(hours=1)
    shifts = [Shift(one, NOW, "Sports", "t", "Game", NOW, NOW + hour, hour, hour) for one in ("m1", "m2")]
    named = [replace(start_version(1, 1, NOW), participants="A, B"), start_version(2, 1, NOW)]
    for chart in (largest(shifts, {"m1": "A, B"}, VIEWS[0]), start_history(named, VIEWS[0], NOW)):
        drawn = chart.to_dict()
        assert "participants" in [tooltip["field"] for tooltip in drawn["layer"][0]["encoding"]["tooltip"]]
        assert {row["participants"] for row in rows_of(drawn) if row} == {"A, B", "–"}


def rows_of(drawn: dict[str, Any]) -> list[dict[str, Any]]:
    """The data of a chart and of its layers; Altair moves data that layers share into datasets."""
    given = [part["data"] for part in (drawn, *drawn["layer"]) if "data" in part]
    return [row for data in given for row in data.get("values") or drawn["datasets"][data["name"]]]


@pytest.mark.parametrize("view", VIEWS, ids=VIEW_IDS)
def test_charts_are_valid(view: ViewSettings) -> None:
    hour = timedelta(hours=1)
    shifts = [Shift("m", NOW, "Sports", "t", "Game", NOW, NOW + hour * by, hour * by, hour) for by in (2, -1)]
    sweep = Sweep("000001-x", "full", "loaded", NOW, NOW + hour, 1, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, None)
    for chart in (
        over_time([Count(NOW, "start", 3, 2), Count(NOW, "title", 1, 1)], "hour", view),
        largest(shifts, {}, view),
        start_history([start_version(1, 1, NOW)], view, NOW + timedelta(days=9)),
        durations([sweep], view),
        outcomes([sweep], view),
        *(calendar([DAY], 2026, measure, NOW.date(), view) for measure in MEASURES),
    ):
        assert chart.to_dict()["layer"]
