"""Generates `details` by milestone type: recorded shapes if there are any, plausible ones otherwise. Pure.

Recorded: football, basketball, baseball, hockey, tennis singles, esports, golf tournaments, political races and
the empty object of one-off milestones. The others follow the same conventions (ids of structured targets under
`*_id`, `*_ids`) and add the JSON types that the recorded ones lack: fractions, booleans, null, nested and empty values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from sandbox.draw import STATES, Draw, Entity
from schemas.api import JsonObject

STALE_STATUS = "scheduled"
FUTURE_STATUSES = ("scheduled", "scheduled", "created", "not_started", "time-tbd")
LIVE_STATUSES = ("live", "inprogress", "inprogress", "scheduled")
PAST_STATUSES = ("closed", "closed", "complete", "complete", "ended", "cancelled", STALE_STATUS, "P")
"""`status` goes stale: a finished game in eight still says "scheduled"."""

OVER_STATUSES = ("closed", "complete", "ended")
"""The statuses that a change gives to a game that is over."""

RARE_STATUSES = ("postponed", "in_progress", "")
"""Seen live, but not used by ordinary generated milestones."""

STATUSES = tuple(dict.fromkeys(FUTURE_STATUSES + LIVE_STATUSES + PAST_STATUSES))


@dataclasses.dataclass(slots=True)
class Fixture:
    """What is drawn for a milestone before its details: participants, year, status and main event."""

    type: str
    league: str
    first: Entity
    second: Entity
    year: int
    status: str
    main_ticker: str
    simulated: bool = False


ID_KEYED = 0.25
"""Share of football games and political races with an object whose keys are ids, as in the census."""

Builder = Callable[[Fixture, Draw], JsonObject]


def details_of(fixture: Fixture, draw: Draw) -> JsonObject:
    """The details of one milestone."""
    return _BUILDERS.get(fixture.type, _teams)(fixture, draw)


def simulated_session(draw: Draw) -> str:
    """The id that only simulated games carry."""
    return f"{draw.uuid(1)}_-{draw.below(10**11)}"


def id_mapping(draw: Draw, ids: list[str]) -> dict[str, str]:
    """An object whose keys are ids: data, not names."""
    return {key: draw.uuid() for key in ids}


def _teams(fixture: Fixture, draw: Draw) -> JsonObject:
    details = {
        "away_team_id": fixture.first.id,
        "home_team_id": fixture.second.id,
        "league": fixture.league,
        "status": fixture.status,
    }
    if fixture.simulated:
        details["session_id"] = simulated_session(draw)
    elif draw.chance(0.7):
        details["main_game_event_ticker"] = fixture.main_ticker
    return details


def _football(fixture: Fixture, draw: Draw) -> JsonObject:
    details = _teams(fixture, draw)
    part = draw.pick(("PRE", "REG", "REG", "REG", "REG", "PST"))
    week = draw.below(4) if part == "PRE" else draw.between(1, 18)
    details["season"] = {"type": part, "week": week, "year": fixture.year}
    if fixture.league == "NCAAFB":
        details |= {"division": "FBS", "conference": draw.pick(("EAST", "NORTH", "SOUTH", "WEST"))}
        details["tier"] = draw.pick(("A", "A_MINUS", "B", "C"))
        if draw.chance(0.1):
            details["season"] = {"sr_id": draw.uuid()}
    if draw.chance(ID_KEYED):
        details["player_id_mapping"] = id_mapping(draw, draw.uuids(draw.between(2, 12)))
    return details


def _competitors(fixture: Fixture, draw: Draw) -> JsonObject:
    details: JsonObject = {
        "first_competitor_id": fixture.first.id,
        "gender": "women" if fixture.league.startswith("W") else "men",
        "round": draw.pick(("Qualification", "Round of 32", "Round of 16", "Quarterfinal", "Semifinal", "Final")),
        "second_competitor_id": fixture.second.id,
        "tour": fixture.league,
        "tournament_name": f"{fixture.league} Open {fixture.year}",
    }
    if draw.chance(0.25):
        details |= {"best_of": draw.pick((3, 5)), "status": fixture.status}
        details["main_game_event_ticker"] = fixture.main_ticker
    return details


def _home_away(fixture: Fixture, draw: Draw) -> JsonObject:
    details: JsonObject = {
        "away_competitor_id": fixture.first.id,
        "home_competitor_id": fixture.second.id,
        "status": fixture.status,
    }
    details["game" if fixture.type == "esports_match" else "league"] = fixture.league
    if draw.chance(0.7):
        details["main_game_event_ticker"] = fixture.main_ticker
    return details


CRICKET_STATUSES = {
    "scheduled": "Match Scheduled - Pre Match Service",
    "created": "Match Scheduled",
    "not_started": "Toss Pending   (Bet Delay:5 seconds)",
    "time-tbd": "Toss Delayed due to bad weather",
    "live": "Match in Progress - Match Stable (Bet Delay:4 seconds)",
    "closed": "Event Closed",
    "complete": "Event Closed   (MaxOv:0) (Bet Delay:0 seconds)",
}
"""The free texts of cricket's provider, by the status that other providers send."""


def _cricket(fixture: Fixture, draw: Draw) -> JsonObject:
    return _teams(fixture, draw) | {
        "gender": "male",
        "main_game_event_ticker": fixture.main_ticker,
        "match_type": "t20",
        "status": CRICKET_STATUSES.get(fixture.status, fixture.status),
        "tournament": f"{fixture.league} {fixture.year}",
    }


def _mma(fixture: Fixture, draw: Draw) -> JsonObject:
    return _fighters(fixture, draw) | {"promotion": fixture.league}


def _soccer(fixture: Fixture, draw: Draw) -> JsonObject:
    details = _home_away(fixture, draw)
    if draw.chance(0.1):
        details["leg"] = {"number": draw.between(1, 2), "aggregate_home": draw.below(4), "is_decider": False}
    return details


def _fighters(fixture: Fixture, draw: Draw) -> JsonObject:
    return {
        "first_fighter_id": fixture.first.id,
        "second_fighter_id": fixture.second.id,
        "status": fixture.status,
        "rounds": draw.pick((3, 5)),
        "is_title_fight": draw.chance(0.1),
        "weight_limit_kg": draw.pick((61.2, 65.8, 70.3, 77.1, 83.9)),
    }


def _golf(_fixture: Fixture, draw: Draw) -> JsonObject:
    return {"competitor_ids": draw.uuids(draw.pick((132, 132, 144, 156))), "tour": "pga"}


def _racing(fixture: Fixture, draw: Draw) -> JsonObject:
    return {"driver_ids": draw.uuids(20), "laps": draw.between(44, 78), "status": fixture.status}


def _race(fixture: Fixture, draw: Draw) -> JsonObject:
    details: JsonObject = {"main_game_event_ticker": fixture.main_ticker}
    if draw.chance(ID_KEYED):
        candidates = draw.uuids(draw.pick((2, 5, 24)))
        details |= {"candidate_ids": candidates, "state": STATES[fixture.first.name]}
        details["candidate_id_mapping"] = id_mapping(draw, candidates)
    return details


def _report(fixture: Fixture, draw: Draw) -> JsonObject:
    return {
        "ticker": fixture.first.code,
        "fiscal_year": fixture.year,
        "fiscal_quarter": draw.between(1, 4),
        "is_confirmed": draw.chance(0.5),
        "eps_estimate": draw.between(-200, 900) / 100 if draw.chance(0.8) else None,
        "metrics": draw.pick(([], ["revenue"], ["revenue", "eps"])),
    }


def _index(_fixture: Fixture, draw: Draw) -> JsonObject:
    return {"reading_percent": draw.between(120, 450) / 100, "series": "us_cpi", "revisions": {}}


def _audience(fixture: Fixture, draw: Draw) -> JsonObject:
    return {"subject_id": fixture.first.id, "subject": fixture.first.name, "week": draw.between(1, 52)}


def _nothing(_fixture: Fixture, _draw: Draw) -> JsonObject:
    return {}


_BUILDERS: dict[str, Builder] = {
    "football_game": _football,
    "tennis_tournament_singles": _competitors,
    "tennis_tournament_doubles": _competitors,
    "table_tennis_match": _competitors,
    "darts_match": _competitors,
    "golf_match": _competitors,
    "esports_match": _home_away,
    "cricket_match": _cricket,
    "rugby_match": _home_away,
    "soccer_tournament_multi_leg": _soccer,
    "mma_match": _mma,
    "boxing_match": _fighters,
    "golf_tournament": _golf,
    "racing_tournament": _racing,
    "political_race": _race,
    "company_report": _report,
    "Companies": _report,
    "kpis": _report,
    "truflation": _index,
    "artist_streams": _audience,
    "tv_views": _audience,
    "one_off_milestone": _nothing,
}
