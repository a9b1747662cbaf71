from __future__ import annotations

from typing import Any

import pytest

from sandbox.factory import DAY, HOUR
from sandbox.rfc3339 import MICROS, micros_of, parse_micros
from sandbox.row import Row
from sandbox.siblings.events import close_of, event_of, series_body, sources_of, status_of, title_of
from sandbox.siblings.index import Naming, Series
from schemas.api import JsonObject
from tests.sandbox.conftest import NOW
from tests.sandbox.test_world import body

REQUIRED = {
    "event_ticker",
    "series_ticker",
    "sub_title",
    "title",
    "collateral_return_type",
    "mutually_exclusive",
    "settlement_sources",
}
START = 1_783_944_000
"""2026-07-13 12:00 UTC."""


def event(ticker: str, **fields: Any) -> JsonObject:
    naming = Naming(id="m", title="A vs B", primary_event_tickers=[ticker], **fields)
    return event_of(ticker, Row.of(body("m", START, 1_000, category="Sports")), naming)


MANY = [event(f"KXATPMATCH-{number}", details={"tour": "ATP"}) for number in range(2_000)]


def test_required_fields_are_there_and_optional_ones_often() -> None:
    assert all(one.keys() >= REQUIRED for one in MANY)
    assert all(one["series_ticker"] == "KXATPMATCH" and one["title"] == "A vs B" for one in MANY)
    assert MANY[0]["sub_title"] == "A vs B (Jul 13)"
    for field in ("available_on_brokers", "category", "strike_date"):
        assert 0.4 < sum(field in one for one in MANY) / len(MANY) < 0.95, field
    assert {one["strike_date"] for one in MANY if "strike_date" in one} == {"", "2026-07-13T15:00:00Z"}


def test_settlement_sources_are_null_for_some() -> None:
    sources = [one["settlement_sources"] for one in MANY]
    assert sources.count(None) / len(MANY) == pytest.approx(0.1, abs=0.03)
    assert all(one is None or one[0].keys() == {"name", "url"} for one in sources)
    assert MANY[0]["settlement_sources"] == sources_of(MANY[0]["event_ticker"])


def test_the_competition_is_the_milestone_s() -> None:
    assert MANY[0]["product_metadata"] == {"competition": "ATP", "competition_scope": "Game"}
    assert event("KXNBA-26", details={"league": "NBA"})["product_metadata"]["competition_scope"] == "Season"
    assert "product_metadata" not in event("KX-1", details={})


def test_an_event_is_updated_with_its_milestone() -> None:
    assert MANY[0]["last_updated_ts"] == "1970-01-01T00:00:00.001Z"
    zero = Row.of(body("m", START, last_updated_ts="0001-01-01T00:00:00Z"))
    assert "last_updated_ts" not in event_of("KX-1", zero, Naming(id="m"))


@pytest.mark.parametrize(
    ("ticker", "title"),
    [
        ("KXNCAAFGAME-26SEP05OSLGRA", "Oslo at Graz"),
        ("KXNCAAFSPREAD-26SEP05OSLGRA", "Oslo at Graz: Spread"),
        ("KXNCAAFTEAMTOTAL-26SEP05OSLGRA", "Oslo at Graz: Team Total"),
        ("KXNCAAF1HSPREAD-26SEP05OSLGRA", "Oslo at Graz: 1st Half Spread"),
        ("KXNCAAF3Q-26SEP05OSLGRA", "Oslo at Graz: 3rd Quarter Winner"),
        ("KXNCAAFOTHER-26SEP05OSLGRA", "Oslo at Graz"),
        ("KXNCAAF-26", "NCAAFB 2026"),
        ("KXNCAAF-26SEP", "NCAAFB Sep 2026"),
    ],
)
def test_titles_tell_what_an_event_is_about(ticker: str, title: str) -> None:
    naming = Naming(
        id="m",
        title="Oslo at Graz (new venue)",
        primary_event_tickers=["KXNCAAFGAME-26SEP05OSLGRA"],
        details={"league": "NCAAFB"},
    )
    assert title_of(ticker, naming) == title


def test_a_milestone_s_own_event_of_a_year_has_its_title() -> None:
    assert title_of("SENATEWY-26", Naming(id="m", title="Race", primary_event_tickers=["SENATEWY-26"])) == "Race"


@pytest.mark.parametrize(
    ("seconds_after_start", "status"),
    [
        (-61 * DAY, "unopened"),
        (-60 * DAY, "open"),
        (3 * HOUR - 1, "open"),
        (3 * HOUR, "closed"),
        (27 * HOUR - 1, "closed"),
        (27 * HOUR, "settled"),
    ],
)
def test_the_status_follows_the_clock(seconds_after_start: int, status: str) -> None:
    row = Row.of(body("m", START))
    assert status_of(row, (START + seconds_after_start) * MICROS) == status
    assert close_of(row) == START + 3 * HOUR


def test_a_series() -> None:
    made = [series_body(f"KX{number}", Series("Sports", "NBA"), micros_of(NOW)) for number in range(200)]
    assert all(one["category"] == "Sports" and one["categories"] == ["Sports"] for one in made)
    assert {one["frequency"] for one in made} == {"custom", "daily", "one_off", "weekly"}
    assert {tuple(one["tags"] or ()) for one in made} == {(), ("NBA",)}
    assert all(parse_micros(one["last_updated_ts"]) <= micros_of(NOW) for one in made)
    assert made[5]["ticker"] == "KX5"
    assert made[5]["title"] == "NBA (KX5)"
