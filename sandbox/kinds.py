"""The properties of each milestone type except its details: leagues, event series, titles, provider ids. Data only."""

from __future__ import annotations

import dataclasses
from typing import Literal, NamedTuple

from sandbox.draw import CITIES, COMPANIES, NAMES, STATES

SourceForm = Literal["uuid", "sportradar", "own"]
"""Form of `source_id`: a provider's UUID, `sr:sport_event:N`, or the milestone's own id."""


class League(NamedTuple):
    """A league and the series of its events: `prefix` + `suffix`, the main event's suffix first."""

    name: str
    prefix: str
    suffixes: tuple[str, ...] = ("",)


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """A milestone type. `entities` is the number of teams or people in a league."""

    leagues: tuple[League, ...]
    names: list[str]
    title: str
    notification: str
    source: SourceForm
    entities: int = 64
    all_day: bool = False


_LINES = ("GAME", "SPREAD", "TOTAL")
_COLLEGE_LINES = (
    *_LINES,
    *(f"{part}{line}" for part in ("1H", "2H", "1Q", "2Q", "3Q", "4Q") for line in ("", "SPREAD", "TOTAL")),
    *("TEAMTOTAL", "OT", "FIRSTTD", "ANYTD", "TWOTD", "MENTION"),
)
"""A college game's 27 events."""

_MATCH = "The match is about to begin."
_GAME = "The game is about to begin!"


def _teams(*leagues: League, notification: str = _GAME) -> Kind:
    return Kind(leagues, CITIES, "{first} at {second}", notification, "uuid")


def _players(*leagues: League, entities: int = 800) -> Kind:
    return Kind(leagues, NAMES, "{first} vs {second}", _MATCH, "sportradar", entities)


def _clubs(*leagues: League) -> Kind:
    return Kind(leagues, CITIES, "{first} vs {second}", _MATCH, "sportradar", 300)


def _days(prefix: str, names: list[str], title: str) -> Kind:
    return Kind((League("", prefix),), names, title, "It is about to begin.", "own", all_day=True)


# Earnings calls are one-off milestones: only the title distinguishes them.
_CALL = _days("KXEARNINGSMENTION", COMPANIES, "What will {first} say during its earnings call?")

KINDS: dict[str, Kind] = {
    "tennis_tournament_singles": _players(
        League("ATP", "KXATP", ("MATCH",)),
        League("WTA", "KXWTA", ("MATCH",)),
        League("WTA 125", "KXWTACHALLENGER", ("MATCH",)),
        League("ATP Challenger", "KXATPCHALLENGER", ("MATCH",)),
    ),
    "tennis_tournament_doubles": _players(League("ATP", "KXATPDOUBLES"), League("WTA", "KXWTADOUBLES")),
    "table_tennis_match": _players(League("TT Elite", "KXTTELITEMATCH"), League("WTT", "KXWTTMATCH")),
    "darts_match": _players(League("PDC", "KXDARTSMATCH"), entities=96),
    "golf_match": _players(League("Ryder", "KXGOLFMATCH"), entities=24),
    "golf_tournament": Kind(
        (League("pga", "KXPGATOUR"),), CITIES, "{first} Open", "The first round is about to start.", "own"
    ),
    "basketball_game": _teams(League("NBA", "KXNBA", _LINES), League("NCAAMB", "KXNCAAMB", _LINES)),
    "football_game": _teams(
        League("NFL", "KXNFL", (*_LINES, "TEAMTOTAL", "FIRSTTD")),
        League("NCAAFB", "KXNCAAF", _COLLEGE_LINES),
        League("CFL", "KXCFL", ("GAME",)),
        League("UFL", "KXUFL", ("GAME",)),
    ),
    "baseball_tournament": _teams(League("MLB", "KXMLB", _LINES), League("KBO", "KXKBO", ("GAME",))),
    "baseball_game": _teams(League("MLB", "KXMLB", _LINES)),
    "hockey_tournament": _teams(League("NHL", "KXNHL", _LINES), League("SHL", "KXSHL", ("GAME",))),
    "hockey_match": _teams(League("KHL", "KXKHL", ("GAME",))),
    "soccer_tournament_multi_leg": _clubs(
        League("EPL", "KXEPL", (*_LINES, "BTTS")),
        League("LALIGA", "KXLALIGA", (*_LINES, "BTTS")),
        League("UCL", "KXUCL", ("GAME", "BTTS")),
    ),
    "cricket_match": _clubs(League("T20", "KXT20MATCH")),
    "rugby_match": _clubs(League("Premiership", "KXRUGBYMATCH")),
    "esports_match": _clubs(
        League("cs2", "KXCS2", ("GAME", "MAP")), League("lol", "KXLOL", ("GAME", "MAP")), League("dota2", "KXDOTA2")
    ),
    "mma_match": _players(League("UFC", "KXUFCFIGHT"), entities=200),
    "boxing_match": _players(League("", "KXBOXING"), entities=60),
    "racing_tournament": Kind((League("F1", "KXF1RACE"),), CITIES, "{first} Grand Prix", "Lights out.", "own"),
    "political_race": _days("KXRACE", list(STATES), "{first} special election"),
    "artist_streams": _days("KXSTREAMS", NAMES, "{first} weekly streams"),
    "tv_views": _days("KXTVVIEWS", COMPANIES, "{first} views"),
    "company_report": _days("KXEARNINGS", COMPANIES, "{first} earnings report"),
    "Companies": _days("KXCOMPANY", COMPANIES, "{first} report"),
    "kpis": _days("KXKPI", COMPANIES, "{first} key figures"),
    "truflation": _days("KXTRUFLATION", CITIES, "Truflation reading"),
    "one_off_milestone": _CALL,
}
"""Every type of the census."""

_LAUNCH = _days("KXLAUNCH", COMPANIES, "{first} product launch")
_DEBATE = _days("KXDEBATE", list(STATES), "{first} candidates' debate")
_RESULTS = _days("KXEARNINGSCALL", COMPANIES, "{first} earnings call")

ONE_OFFS: dict[str, Kind] = {
    "Sports": _days("KXSPORTSMENTION", NAMES, "What will {first} say after the final?"),
    "Financials": _RESULTS,
    "Finance": _RESULTS,
    "Economics": _days("KXECON", ["CPI", "GDP", "Payrolls", "Retail sales", "Unemployment"], "{first} release"),
    "Commodities": _days("KXCOMMODITY", ["Copper", "Gold", "Oil", "Silver", "Wheat"], "{first} settlement price"),
    "Elections": _DEBATE,
    "Politics": _DEBATE,
    "Science and Technology": _LAUNCH,
    "Science & Technology": _LAUNCH,
    "Technology": _LAUNCH,
    "Entertainment": _days("KXALBUM", NAMES, "{first} album release"),
    "Climate and Weather": _days("KXHIGH", CITIES, "Highest temperature in {first}"),
    "Crypto": _days("KXCRYPTO", ["Bitcoin", "Ether", "Solana"], "{first} price at the close"),
    "World": _days("KXSUMMIT", CITIES, "Summit in {first}"),
}
"""One-off milestones by category; other categories use KINDS."""


def kind_of(type_name: str, category: str) -> Kind:
    """The kind of a milestone of this type and category."""
    kind = KINDS[type_name]
    return ONE_OFFS.get(category, kind) if kind is _CALL else kind


SIMULATED_SERIES = {"NBA": "SIMNBAGAME", "NFL": "SIMNFLGAME", "NCAAFB": "SIMNCAAFGAME", "UFL": "SIMUFLGAME"}
"""Tickers of simulated games in production, by league: one event, no hyphen."""
