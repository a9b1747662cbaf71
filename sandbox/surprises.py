"""Every oddity of the live data once, as the first generated rows: rare cases must not need many rows.

Each row is a valid milestone of the API that breaks an assumption which clients tend to make.
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
SHARED_GAME_SECONDS, COLLEGE_GAME_SECONDS = 1_767_657_600, 1_788_645_600
"""2026-01-06 00:00 and 2026-09-05 22:00 UTC: evenings of the days that the tickers of these games name."""

ODD_TICKERS = {
    "SENATEWY-26": "Wyoming Senate race",
    "KXHOUSE-WY-26": "Wyoming House race",
    "KXNOHYPHEN": "Party without a hyphen wins",
    "KXHOUSE-26DEC31-2": "Who holds the House at the end of the year?",
}
ODD_TITLES = {
    "Świątek vs Müller": "KXTENNISMENTION-26SWIMUL",
    "São Paulo at Malmö": "KXSOCCERMENTION-26SAOMAL",
    "東京 vs 서울 🏀": "KXBASKETBALLMENTION-26TOKSEO",
    'Who says "tariff" \\ first?\n': "KXTARIFFMENTION-26",
}
FRACTION_DIGITS_MAX = 6
STARTS_AHEAD = (10 * MINUTE, 3 * HOUR, 11 * HOUR, 23 * HOUR, 3 * DAY)
STARTS_AGO = (5 * MINUTE, HOUR, LIVE_SECONDS - 10 * MINUTE)


def surprises(factory: RowFactory) -> Iterator[JsonObject]:
    """The fixed first rows: about a hundred."""
    yield from _times(factory)
    yield from present(factory, factory.now_seconds)
    yield from _simulated(factory)
    yield from _tickers(factory)
    yield from _sources(factory)
    yield from _details(factory)
    yield from _texts(factory)
    for type_name, category in CENSUS:
        yield factory.row(type_name, category)


def contradictions(factory: RowFactory) -> Iterator[JsonObject]:
    """Statuses that contradict the listed times, free text, and simulated games that only their ticker shows."""
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


def present(factory: RowFactory, seconds: int) -> Iterator[JsonObject]:
    """Milestones that are live at a time, in Unix seconds, and that start within the day after."""
    seconds -= seconds % (5 * MINUTE)
    for ahead in STARTS_AHEAD:
        yield factory.row(GAME, SPORTS, seconds + ahead)
    for ago in STARTS_AGO:
        yield _without(factory.row(TENNIS, SPORTS, seconds - ago), "end_date")
    start = seconds - HOUR
    yield factory.row(GAME, SPORTS, start, end_date=format_seconds(start + 3 * HOUR))
    # A tournament lasts for days and is live all the time.
    start = seconds - 5 * HOUR
    yield factory.row("golf_tournament", SPORTS, start, end_date=format_seconds(start + 3 * DAY))


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
    for ticker, title in ODD_TICKERS.items():
        yield _of_events(factory.row(RACE, "Elections", title=title), [ticker])
    college = next(league for league in KINDS[FOOTBALL].leagues if league.name == "NCAAFB")
    many = [f"{college.prefix}{suffix}-26SEP05OSLGRA" for suffix in college.suffixes]
    details = {**_pair(factory), "league": college.name, "main_game_event_ticker": many[0], "status": "scheduled"}
    game = factory.row(FOOTBALL, SPORTS, COLLEGE_GAME_SECONDS, title="Oslo at Graz", details=details)
    yield _of_events(game, many)
    # One event has two milestones with different starts.
    shared = "KXNBAGAME-26JAN05RENTUL"
    for hours in (0, 49):
        details = {**_pair(factory), "league": "NBA", "status": "closed"}
        start = SHARED_GAME_SECONDS + hours * HOUR
        game = factory.row(GAME, SPORTS, start, title="Reno at Tulsa", details=details)
        yield _of_events(game, [shared], "KXNBA-26")
    words = "What will the announcers say during Reno at Tulsa?"
    yield _of_events(factory.row(ONE_OFF, "Mentions", SHARED_GAME_SECONDS, title=words), [], shared)


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
    race: JsonObject = {"main_game_event_ticker": "KXRACE-26WY", "candidate_ids": candidates, "state": "WY"}
    race["candidate_id_mapping"] = id_mapping(draw, candidates)
    yield _of_events(factory.row(RACE, "Elections", title="Wyoming governor's race", details=race), ["KXRACE-26WY"])
    for status in STATUSES:
        yield factory.row(GAME, SPORTS, start, details={**_pair(factory), "league": "NBA", "status": status})
    extra = {"competition": "NBA Cup", "competition_scope": "Game", "weights": [0.5, 1.25]}
    yield factory.row(GAME, SPORTS, product_details=extra)


def _texts(factory: RowFactory) -> Iterator[JsonObject]:
    for title, ticker in ODD_TITLES.items():
        yield _of_events(factory.row(ONE_OFF, "Mentions", title=title), [ticker])


def _of_events(row: JsonObject, primary: list[str], *related: str) -> JsonObject:
    """The row with these event tickers."""
    return {**row, "primary_event_tickers": primary, "related_event_tickers": [*primary, *related]}


def _pair(factory: RowFactory) -> dict[str, Any]:
    away, home = factory.draw.uuids(2)
    return {"away_team_id": away, "home_team_id": home}


def _without(row: JsonObject, *fields: str) -> JsonObject:
    return {name: value for name, value in row.items() if name not in fields}
