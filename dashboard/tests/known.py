"""A small data set with known results, published step by step."""

from __future__ import annotations

from typing import Any

from .publishing import Publisher, hours, number, team

HOSTILE = '<img src=x onerror="window.hacked=1"> **bold** :red[red] $x$'
"""A title or name that is HTML, Markdown and LaTeX unless it is shown as plain text."""

LIVE, OVER, SOON, LATER, FAR, SIMULATED, ATTACK, TWIN, REFUSED, FRESH = range(1, 11)

KINGS, LIONS, ATTACKER, UNKNOWN, NAMELESS, UNFETCHED, *PLAYERS = range(1, 11)


def row(milestone: int, title: str, ahead: float, **fields: Any) -> dict[str, Any]:
    tickers = [f"KXEVENT-{milestone}"]
    return {
        "id": number(milestone),
        "title": title,
        "start_date": hours(ahead),
        "details": {"league": "NFL"},
        "source_ids": {"source_3_id": f"sr-{milestone}"},
        "related_event_tickers": tickers,
        "primary_event_tickers": tickers,
    } | fields


SHARED = ["KXSHARED"]
# A sweep with more than 1 % refused records is not loaded.
RACES = 120
PAST = [
    row(
        100 + race,
        f"Race {race}",
        -24 * 400,
        category="Elections",
        type="political_race",
        details={},
        related_event_tickers=["KXRACE"],
        primary_event_tickers=[],
    )
    for race in range(RACES)
]
WORLD = [
    row(
        LIVE,
        "Live game",
        -1,
        details={
            "league": "NFL",
            "main_game_event_ticker": "KXMAIN-1",
            "away_team_id": team(LIONS),
            "home_team_id": team(KINGS),
        },
    ),
    # The only one with both dates: it makes the usual duration of a game two hours.
    row(OVER, "Game that is over", -5, end_date=hours(-3)),
    row(SOON, "Soon", 3, related_event_tickers=["KXEVENT-3", *SHARED]),
    row(
        LATER,
        "Later",
        30,
        type="esports_match",
        category="Esports",
        details={"promotion": "LoL", "competitor_ids": [team(player) for player in (*PLAYERS, NAMELESS, UNFETCHED)]},
    ),
    row(FAR, "Far", 60),
    row(SIMULATED, "Simulated", -0.5, details={"session_id": "1"}),
    row(ATTACK, HOSTILE, 2, category="Mentions", type="one_off_milestone", details={"subject_id": team(ATTACKER)}),
    row(
        TWIN,
        "Twin",
        5,
        details={
            "league": "NFL",
            "status": "time-tbd",
            "home_team_id": team(UNKNOWN),
            "away_team_id": team(KINGS),
        },
        related_event_tickers=SHARED,
        primary_event_tickers=[],
    ),
    row(REFUSED, "Refused", 1) | {"title": 7},
]
MOVED = row(SOON, "Soon, at another time", 3.75, related_event_tickers=["KXEVENT-3", *SHARED])
WITH_NEW_FIELD = row(FRESH, "Fresh", 6, details={"league": "NFL", "broadcast": "live"})


def target(number: int, name: str | None, **details: str) -> dict[str, Any]:
    return {"id": team(number), "name": name, "type": "football_team", "details": details}


TARGETS = [
    target(KINGS, "Kraków Kings", short_name="Kraków", abbreviation="KRA"),
    target(LIONS, None, short_name="Łódź Lions", abbreviation="LOD"),
    target(ATTACKER, HOSTILE),
    target(NAMELESS, None),
    *(target(player, f"Player {player}") for player in PLAYERS),
]
EVENTS: list[dict[str, Any]] = [
    {
        "event_ticker": "KXMAIN-1",
        "series_ticker": "KXMAIN",
        "title": "Lions at Kings",
        "sub_title": "LOD at KRA",
        "product_metadata": {"competition": "National league", "competition_scope": "Game"},
    },
    {"event_ticker": "KXEVENT-7", "series_ticker": "KXUNKNOWN", "title": HOSTILE, "sub_title": HOSTILE},
    {"event_ticker": "KXALONE", "title": "An event alone"},
]
SERIES = [{"ticker": "KXMAIN", "title": "Main games", "category": "Sports"}]
LIVE_DATA = [
    {
        "milestone_id": number(LIVE),
        "type": "football_game",
        "details": {"status": "inprogress", "home_points": 7, "away_points": 3.5},
    },
    {
        "milestone_id": number(TWIN),
        "type": "football_game",
        "details": {"status": "scheduled", "home_points": 0, "away_points": 0},
    },
]


def publish_milestones(publisher: Publisher) -> None:
    publisher.milestones(*PAST, *WORLD)
    publisher.milestones(MOVED)
    publisher.milestones(WITH_NEW_FIELD)


def publish_known(publisher: Publisher) -> None:
    publish_milestones(publisher)
    publisher.records("targets", *TARGETS, unknown=[team(UNKNOWN)])
    publisher.records("events", *EVENTS)
    publisher.records("series", *SERIES)
    publisher.records("live", *LIVE_DATA)
