"""Every oddity of the live corpus once, as the first rows of a made-up one: rare things must not need many rows.

Each row is a valid answer of the API. What no client may assume is what these rows break.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.census import CENSUS, SPORTS
from sandbox.details import STATUSES, id_mapping, simulated_session
from sandbox.factory import (
    DAY,
    HOUR,
    LIVE_SECONDS,
    MINUTE,
    PLACEHOLDER_END,
    PLACEHOLDER_START,
    ZERO_TIME,
    RowFactory,
)
from sandbox.kinds import KINDS, SIMULATED_SERIES
from sandbox.rfc3339 import MICROS, format_micros, format_seconds
from schemas.api import JsonObject

FAR_START_SECONDS = 1_988_193_600
"""2033-01-01."""

GAME, FOOTBALL, TENNIS, RACE, ONE_OFF = (
    "basketball_game",
    "football_game",
    "tennis_tournament_singles",
    "political_race",
    "one_off_milestone",
)
FRACTION_DIGITS_MAX = 6
STARTS_AHEAD = (10 * MINUTE, 3 * HOUR, 11 * HOUR, 23 * HOUR, 3 * DAY)
STARTS_AGO = (5 * MINUTE, HOUR, LIVE_SECONDS - 10 * MINUTE)


def surprises(factory: RowFactory) -> Iterator[JsonObject]:
    """The fixed first rows: about a hundred."""
    yield from _times(factory)
    yield from _now(factory)
    yield from _simulated(factory)
    yield from _tickers(factory)
    yield from _sources(factory)
    yield from _details(factory)
    yield from _texts(factory)
    for type_name, category in CENSUS:
        yield factory.row(type_name, category)


def contradictions(factory: RowFactory) -> Iterator[JsonObject]:
    """Statuses that contradict the listed times, free text, and simulated games that only their ticker gives away."""
    ahead, ago = factory.now_seconds + 2 * HOUR, factory.now_seconds - 10 * MINUTE
    for start, status in ((ahead, "postponed"), (ahead, "closed"), (ago, "cancelled"), (ago, "in_progress"), (ago, "")):
        details = {**_pair(factory), "league": "NBA", "status": status}
        yield _without(factory.row(GAME, SPORTS, start, details=details), "end_date")
    for start, status in (
        *(
            (ahead, text)
            for text in ("Event Closed   (MaxOv:0) (Bet Delay:0 seconds)", "Toss Delayed due to bad weather")
        ),
        (ago, "Match in Progress - Match Stable (Bet Delay:4 seconds)"),
    ):
        match = factory.row("cricket_match", SPORTS, start)
        match["details"]["status"] = status
        yield _without(match, "end_date", "source_id")
    ticker = "SIMNFLGAME-26NOV29AB"
    game = {**_pair(factory), "league": "NFL", "main_game_event_ticker": ticker, "status": "inprogress"}
    yield factory.row(
        FOOTBALL, SPORTS, ago, details=game, primary_event_tickers=[ticker], related_event_tickers=[ticker]
    )


def _times(factory: RowFactory) -> Iterator[JsonObject]:
    yield factory.row(RACE, "Elections", start_date=PLACEHOLDER_START, end_date=PLACEHOLDER_END)
    yield factory.row(
        RACE, "Elections", factory.now_seconds - DAY, end_date=PLACEHOLDER_END
    )  # it ends before it starts
    yield factory.row(TENNIS, SPORTS, last_updated_ts=ZERO_TIME)
    yield factory.row(RACE, "Politics", FAR_START_SECONDS)
    start = factory.now_seconds - 40 * DAY
    for digits in range(FRACTION_DIGITS_MAX + 1):
        fraction = int("123456"[:digits].ljust(FRACTION_DIGITS_MAX, "0"))
        updated = format_micros((start + digits) * MICROS + fraction)
        yield factory.row(TENNIS, SPORTS, start, last_updated_ts=updated)
    rewritten = format_micros((factory.now_seconds - DAY) * MICROS + 757_782)
    for _ in range(3):
        yield factory.row(TENNIS, SPORTS, start, last_updated_ts=rewritten)
    yield factory.row(GAME, SPORTS, start, end_date=None)
    yield factory.row(GAME, SPORTS, start, end_date=format_seconds(start // HOUR * HOUR + 4 * HOUR))
    yield factory.row(GAME, SPORTS, start, end_date=format_micros((start + 2 * HOUR) * MICROS + 506_822))
    yield _without(factory.row(GAME, SPORTS, start), "end_date")


def _now(factory: RowFactory) -> Iterator[JsonObject]:
    """Something is live and something starts within the day, however few the rows."""
    for ahead in STARTS_AHEAD:
        yield factory.row(GAME, SPORTS, factory.now_seconds + ahead)
    for ago in STARTS_AGO:
        yield _without(factory.row(TENNIS, SPORTS, factory.now_seconds - ago), "end_date")
    start = factory.now_seconds - HOUR
    yield factory.row(GAME, SPORTS, start, end_date=format_seconds(start + 3 * HOUR))


def _simulated(factory: RowFactory) -> Iterator[JsonObject]:
    for league, ticker in SIMULATED_SERIES.items():
        details: JsonObject = {
            **_pair(factory),
            "league": league,
            "session_id": simulated_session(factory.draw),
            "status": "inprogress",
        }
        if league == "NCAAFB":
            details |= {"main_game_event_ticker": ticker, "season": {"sr_id": factory.draw.uuid()}}
        yield factory.row(
            GAME if league == "NBA" else FOOTBALL,
            SPORTS,
            factory.now_seconds - HOUR,
            details=details,
            primary_event_tickers=[ticker],
            related_event_tickers=[ticker],
        )


def _tickers(factory: RowFactory) -> Iterator[JsonObject]:
    for ticker in ("SENATEWY-26", "KXNBA-ALLSTAR-26", "KXNOHYPHEN", "KXHOUSE-26DEC31-2"):
        yield factory.row(RACE, "Elections", primary_event_tickers=[ticker], related_event_tickers=[ticker])
    college = next(league for league in KINDS[FOOTBALL].leagues if league.name == "NCAAFB")
    many = [f"{college.prefix}{suffix}-26SEP05OSLGRA" for suffix in college.suffixes]
    yield factory.row(FOOTBALL, SPORTS, primary_event_tickers=many, related_event_tickers=many)
    # One event, two milestones, and their starts disagree.
    shared = ["KXNBAGAME-26JAN05RENTUL"]
    for hours in (0, 49):
        start = factory.now_seconds - 20 * DAY + hours * HOUR
        yield factory.row(
            GAME, SPORTS, start, primary_event_tickers=shared, related_event_tickers=[*shared, "KXNBA-26"]
        )
    yield factory.row(ONE_OFF, "Mentions", primary_event_tickers=[], related_event_tickers=shared)


def _sources(factory: RowFactory) -> Iterator[JsonObject]:
    uuid, recent = factory.draw.uuid(), factory.now_seconds - 5 * DAY
    yield _without(factory.row(GAME, SPORTS, recent), "source_id", "source_ids")
    yield factory.row(GAME, SPORTS, recent, source_id=uuid, source_ids={})
    yield factory.row(TENNIS, SPORTS, recent, source_id="sr:sport_event:57999001")
    own = factory.row(ONE_OFF, "Financials", recent)
    yield {**own, "source_id": own["id"]}
    four = {"source_1_id": "2960001", "source_2_id": "20260917ABC", "source_3_id": uuid, "source_6_id": "17730001"}
    yield factory.row(FOOTBALL, SPORTS, recent, source_id=uuid, source_ids=four)


def _details(factory: RowFactory) -> Iterator[JsonObject]:
    draw, start = factory.draw, factory.now_seconds - 90 * DAY
    yield factory.row("golf_tournament", SPORTS, details={"competitor_ids": draw.uuids(132), "tour": "pga"})
    mapping = id_mapping(draw, draw.uuids(8))
    season = {"type": "PRE", "week": 0, "year": 2025}
    game = {**_pair(factory), "league": "NFL", "status": "closed", "season": season}
    yield factory.row(FOOTBALL, SPORTS, start, details={**game, "player_id_mapping": mapping})
    candidates = draw.uuids(24)
    race = {"main_game_event_ticker": "KXRACE-26", "candidate_ids": candidates, "state": "WY"}
    yield factory.row(RACE, "Elections", details={**race, "candidate_id_mapping": id_mapping(draw, candidates)})
    for status in STATUSES:
        yield factory.row(GAME, SPORTS, start, details={**_pair(factory), "league": "NBA", "status": status})
    extra = {"competition": "NBA Cup", "competition_scope": "Game", "weights": [0.5, 1.25]}
    yield factory.row(GAME, SPORTS, product_details=extra)


def _texts(factory: RowFactory) -> Iterator[JsonObject]:
    for title in ("Świątek vs Müller", "São Paulo at Malmö", "東京 vs 서울 🏀", 'Who says "tariff" \\ first?\n'):
        yield factory.row(ONE_OFF, "Mentions", title=title)


def _pair(factory: RowFactory) -> dict[str, Any]:
    away, home = factory.draw.uuids(2)
    return {"away_team_id": away, "home_team_id": home}


def _without(row: JsonObject, *fields: str) -> JsonObject:
    return {name: value for name, value in row.items() if name not in fields}
