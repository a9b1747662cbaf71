"""Which responses match the filters of the query."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pipelines.kalshi.errors import FilterIgnored
from pipelines.kalshi.matching import check_filters, other_competitions
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.response import Response
from tests.support import NOON, ZERO_TIME, milestone, milestone_id, page_body

from .scripted_api import response

SINCE = int(NOON.timestamp())


def answer(*rows: dict[str, Any]) -> Response:
    return response(page_body(rows))


MATCH: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "category": ({"category": "Sports"}, {"category": "Sports"}),
    "category in lower case": ({"category": "Sports"}, {"category": "sports"}),
    "category filters in lower case": ({"category": "sports"}, {"category": "Sports"}),
    "a synonym": ({"category": "Finance"}, {"category": "financials"}),
    "no category": ({"category": "Sports"}, {"category": None}),
    "category absent": ({"category": "Sports"}, {"category": ...}),
    "category unreadable": ({"category": "Sports"}, {"category": 7}),
    "category empty": ({"category": "Sports"}, {"category": ""}),
    "type": ({"type": "football_game"}, {"type": "football_game"}),
    "type in another case": ({"type": "companies"}, {"type": "Companies"}),
    "type absent": ({"type": "football_game"}, {"type": ...}),
    "start at the bound": ({"minimum_start_date": NOON}, {"start_date": "2026-11-23T12:00:00Z"}),
    "start in another zone": ({"minimum_start_date": NOON}, {"start_date": "2026-11-23T07:00:00-05:00"}),
    "start in the bound's second": (
        {"minimum_start_date": NOON.replace(microsecond=500_000)},
        {"start_date": "2026-11-23T12:00:00Z"},
    ),
    "start unreadable": ({"minimum_start_date": NOON}, {"start_date": "soon"}),
    "start without a zone": ({"minimum_start_date": NOON}, {"start_date": "2020-01-01T00:00:00"}),
    "updated at the bound": ({"min_updated_ts": SINCE}, {"last_updated_ts": "2026-11-23T12:00:00Z"}),
    "updated later": ({"min_updated_ts": SINCE}, {"last_updated_ts": "2026-11-23T12:00:00.5Z"}),
    "never updated": ({"min_updated_ts": SINCE}, {"last_updated_ts": ZERO_TIME}),
    "update unreadable": ({"min_updated_ts": SINCE}, {"last_updated_ts": "yesterday"}),
    "a bound before all times": ({"min_updated_ts": -(10**18)}, {}),
    "a bound before all starts": ({"minimum_start_date": datetime.min.replace(tzinfo=UTC)}, {}),
    "source id": ({"source_id": "SR-1"}, {"source_id": "sr-1"}),
    "source id of a provider": ({"source_id": "sr-1"}, {"source_ids": {"source_3_id": "sr-1"}}),
    "source id unreadable": ({"source_id": "x"}, {"source_id": 7}),
    "related event": ({"related_event_ticker": "kxspread-1"}, {}),
    "primary event": ({"related_event_ticker": "KX"}, {"related_event_tickers": None, "primary_event_tickers": ["KX"]}),
    "events unreadable": ({"related_event_ticker": "KX"}, {"related_event_tickers": "KX, KY"}),
    "competition": ({"competition": "nfl"}, {"details": {"league": "NFL"}}),
    "competition in a longer name": ({"competition": "La Liga"}, {"details": {"league": "LaLiga EA"}}),
    "competition of esports": ({"competition": "CS2"}, {"details": {"game": "CS2"}}),
    "competition of another name": ({"competition": "EPL"}, {"details": {"league": "Premier League"}}),
    "competition not named": ({"competition": "NFL"}, {}),
    "competition unreadable": ({"competition": "NFL"}, {"details": {"league": 7}}),
    "details unreadable": ({"competition": "NFL"}, {"details": "NBA"}),
    "nothing was filters": ({}, {"category": "Politics", "type": "x"}),
}


@pytest.mark.parametrize(("filters", "row"), MATCH.values(), ids=MATCH)
def test_matching_and_unreadable_values_pass(filters: dict[str, Any], row: dict[str, Any]) -> None:
    check_filters(MilestoneQuery(**filters), answer(milestone(1, **row)))


IGNORED: dict[str, tuple[dict[str, Any], dict[str, Any], str, str, str]] = {
    "category": ({"category": "Sports"}, {"category": "Politics"}, "category", "Sports", "the category Politics"),
    "type": ({"type": "golf"}, {}, "type", "golf", "the type football_game"),
    "minimum_start_date": (
        {"minimum_start_date": NOON},
        {"start_date": "2026-11-23T11:59:58Z"},
        "minimum_start_date",
        "2026-11-23T12:00:00Z",
        "the start 2026-11-23T11:59:58Z",
    ),
    "a placeholder": (
        {"minimum_start_date": NOON},
        {"start_date": "2000-01-01T00:00:00Z"},
        "minimum_start_date",
        "2026-11-23T12:00:00Z",
        "the start 2000-01-01T00:00:00Z",
    ),
    "min_updated_ts": (
        {"min_updated_ts": SINCE},
        {"last_updated_ts": "2026-11-23T11:59:58.9Z"},
        "min_updated_ts",
        str(SINCE),
        "the last update 2026-11-23T11:59:58.9Z",
    ),
    "source_id": ({"source_id": "x"}, {}, "source_id", "x", "the source id sr-1"),
    "source_id of none": ({"source_id": "x"}, {"source_ids": ...}, "source_id", "x", "no source id"),
    "related_event_ticker": (
        {"related_event_ticker": "KXOTHER"},
        {},
        "related_event_ticker",
        "KXOTHER",
        "the event KXGAME-1",
    ),
    "related_event_ticker of none": (
        {"related_event_ticker": "KX"},
        {"related_event_tickers": [], "primary_event_tickers": ...},
        "related_event_ticker",
        "KX",
        "no event",
    ),
    "a bound after all times": ({"min_updated_ts": 10**18}, {}, "min_updated_ts", str(10**18), "the last update "),
}


@pytest.mark.parametrize(("filters", "row", "name", "wanted", "found"), IGNORED.values(), ids=IGNORED)
def test_the_error_names_the_ignored_filter(
    filters: dict[str, Any], row: dict[str, Any], name: str, wanted: str, found: str
) -> None:
    # One milestone is enough, at any index: the first has no readable values.
    unreadable = {"id": None, "source_id": 7, "related_event_tickers": 7}
    with pytest.raises(FilterIgnored) as caught:
        check_filters(MilestoneQuery(**filters), answer(unreadable, milestone(1, **row)))
    error = caught.value
    assert (error.filter, error.wanted, error.milestone_id) == (name, wanted, milestone_id(1))
    assert error.found.startswith(found)
    assert f"ignored the filter {name}={wanted}" in str(error)


def test_other_competitions_of_one_sport_are_accepted_and_named() -> None:
    """A code of the API may be spelled in several ways in details, or cover several leagues."""
    page = answer(
        milestone(1, type="tennis_tournament_singles", details={"tour": "Challenger"}),
        milestone(2, type="tennis_tournament_doubles", details={"tour": "Davis Cup"}),
        milestone(3, type="tennis_tournament_singles", details={"tour": "ATP"}),
        milestone(4, type="one_off_milestone", details={}),
    )
    check_filters(MilestoneQuery(competition="ATP"), page)
    assert other_competitions("ATP", page.body) == {"Challenger": 0, "Davis Cup": 1}
    assert other_competitions(None, page.body) == {}


def test_other_competitions_of_several_sports_show_an_ignored_filter() -> None:
    page = answer(
        milestone(1, type="football_game", details={"league": "NFL"}),
        milestone(2, type="basketball_game", details={"league": "NBA"}),
        milestone(3, type="tennis_tournament_singles", details={"tour": "ATP"}),
    )
    with pytest.raises(FilterIgnored) as caught:
        check_filters(MilestoneQuery(competition="NFL"), page)
    error = caught.value
    assert (error.filter, error.wanted, error.milestone_id) == ("competition", "NFL", milestone_id(2))
    assert error.found == "the competition NBA, type basketball_game"


def test_values_of_a_milestone_are_escaped_and_bounded_in_the_message() -> None:
    with pytest.raises(FilterIgnored) as caught:
        check_filters(MilestoneQuery(category="Sports"), answer(milestone(1, category="\x1b[31m" + "x" * 10_000)))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
