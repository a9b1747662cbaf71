from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sandbox.details import CRICKET_STATUSES
from sandbox.factory import DAY, HOUR, MINUTE, RowFactory
from sandbox.rfc3339 import MICROS, format_seconds
from sandbox.row import Row
from sandbox.siblings.live import OTHER_SECONDS, SECONDS_BY_TYPE, end_of, live_data_of, phase_of
from sandbox.siblings.live_details import BUILDERS
from tests.sandbox.conftest import NOW

START = 1_795_000_000 // 300 * 300
FACTORY = RowFactory("live", NOW)


def game(kind: str, category: str = "Sports", **fields: Any) -> Row:
    made = {**FACTORY.row(kind, category, START), "end_date": None, **fields}
    if made["details"].get("status") in {"cancelled", "postponed"}:
        made["details"]["status"] = "scheduled"
    return Row.of(msgspec.json.encode(made))


def at(row: Row, seconds: int) -> Any:
    """The details so many seconds after the start."""
    found = live_data_of(row, (START + seconds) * MICROS)
    assert found is not None
    return found["details"]


CATEGORIES = {"political_race": "Elections", "company_report": "Companies", "truflation": "Economics"}
CATEGORIES |= {"artist_streams": "Entertainment"}
KINDS = sorted(BUILDERS)


@pytest.mark.parametrize("kind", KINDS)
def test_live_data_appear_a_day_before_and_stay(kind: str) -> None:
    row = game(kind, CATEGORIES.get(kind, "Sports"))
    assert live_data_of(row, (START - DAY) * MICROS - 1) is None
    for seconds in (-DAY, 0, HOUR, 900 * DAY):
        found = live_data_of(row, (START + seconds) * MICROS)
        assert found is not None
        assert found["milestone_id"] == row.position[1]
        assert found["type"] == kind or (kind == "company_report" and found["type"] == "one_off_milestone")


def test_some_types_have_no_live_data() -> None:
    assert live_data_of(game("one_off_milestone", "Mentions"), START * MICROS) is None
    assert live_data_of(game("racing_tournament"), START * MICROS) is None


def test_half_of_the_company_reports_say_another_type() -> None:
    found = [live_data_of(game("company_report", "Companies"), START * MICROS) for _ in range(60)]
    types = [one["type"] for one in found if one is not None]
    assert {"one_off_milestone", "company_report"} == set(types)


STATUSES = {
    "football_game": ({"scheduled"}, {"inprogress"}, {"closed", "complete"}),
    "basketball_game": ({"scheduled"}, {"inprogress"}, {"closed", "complete"}),
    "soccer_tournament_multi_leg": ({"not_started"}, {"live"}, {"closed", "ended"}),
    "tennis_tournament_singles": ({"not_started"}, {"live"}, {"closed", "ended"}),
    "cricket_match": tuple(
        {CRICKET_STATUSES[one] for one in names} for names in (("not_started",), ("live",), ("closed", "complete"))
    ),
}


@pytest.mark.parametrize("kind", STATUSES)
def test_statuses_follow_the_clock_as_the_provider_spells_them(kind: str) -> None:
    before, live, over = STATUSES[kind]
    for _ in range(10):
        row = game(kind)
        assert at(row, -1)["status"] in before
        assert at(row, 0)["status"] in live
        assert at(row, 20 * MINUTE)["status"] in live
        assert at(row, 10 * HOUR)["status"] in over


SCORES = {
    "football_game": ("away_points", "home_points"),
    "basketball_game": ("away_points", "home_points"),
    "hockey_tournament": ("away_points", "home_points"),
    "soccer_tournament_multi_leg": ("away_same_game_score", "home_same_game_score"),
    "tennis_tournament_singles": ("competitor1_overall_score", "competitor2_overall_score"),
    "cricket_match": ("away_score", "home_score"),
}


@pytest.mark.parametrize("kind", SCORES)
def test_scores_start_at_nothing_and_only_grow(kind: str) -> None:
    total = 0
    for _ in range(5):
        row = game(kind)
        states = [at(row, seconds) for seconds in range(-HOUR, 8 * HOUR, 5 * MINUTE)]
        for side in SCORES[kind]:
            scores = [one[side] for one in states]
            assert scores[0] == 0
            assert scores == sorted(scores)
            total += scores[-1]
    assert total > 0


@pytest.mark.parametrize("status", ["cancelled", "postponed"])
def test_a_game_that_is_called_off_is_not_played(status: str) -> None:
    made = {**FACTORY.row("basketball_game", "Sports", START), "details": {"status": status}}
    details = at(Row.of(msgspec.json.encode(made)), 2 * HOUR)
    assert (details["status"], details["home_points"], details["widget_status"]) == (status, 0, "none")


@pytest.mark.parametrize(
    ("kind", "end", "seconds"),
    [
        ("mma_match", None, SECONDS_BY_TYPE["mma_match"]),
        ("darts_match", None, OTHER_SECONDS),
        ("mma_match", format_seconds(START + 5 * HOUR), 5 * HOUR),
        ("mma_match", format_seconds(START), SECONDS_BY_TYPE["mma_match"]),
        ("mma_match", "2000-01-02T00:00:00Z", SECONDS_BY_TYPE["mma_match"]),
        ("mma_match", format_seconds(START + 8 * DAY), SECONDS_BY_TYPE["mma_match"]),
    ],
)
def test_the_end_is_the_listed_one_unless_it_is_a_placeholder(kind: str, end: str | None, seconds: int) -> None:
    assert end_of(game(kind, end_date=end)) == START + seconds


def test_phases() -> None:
    assert [phase_of(5, 9, now) for now in (4, 5, 8, 9)] == ["before", "live", "live", "over"]
