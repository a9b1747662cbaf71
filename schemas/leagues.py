"""The keys of `details` that name the league of a milestone, and the leagues that Kalshi simulates."""

from __future__ import annotations

from typing import Any

LEAGUE_KEYS = ("league", "promotion", "tour", "tournament", "competition")
"""Keys of `details` that name the league, by preference: MMA has a promotion, tennis and golf a tour."""

COMPETITION_KEYS = (*LEAGUE_KEYS, "game")
"""Keys of `details` that name the competition by which the API filters: for esports it is the game."""

SIMULATED_LEAGUES = (
    *("NBA", "WNBA", "NCAAB", "NCAAMB", "NCAAWB"),
    *("NFL", "NCAAF", "NCAAFB", "CFL", "UFL", "XFL"),
    *("MLB", "NHL", "MLS", "EPL"),
)
"""Leagues with tickers SIM<league>GAME for simulated games. NBA, NFL, NCAAF and UFL were seen.

Other letters do not match: SIMPLEGAME is not a simulated game. The rule maybe_simulated of the view data_quality
counts milestones with a ticker of this form whose league is missing here.
"""

_LEAGUES = "|".join(SIMULATED_LEAGUES)

SIMULATED_TICKER = rf"(?s)SIM({_LEAGUES})GAME(-.*)?"
"""A pattern for the whole ticker of a simulated game, valid in RE2 and Python."""

SIMULATED_TICKER_IN_JSON = rf'(^|[\[,])"SIM({_LEAGUES})GAME(-[^"]*)?"'
"""A pattern to search in canonical JSON for such a ticker, alone or in an array."""


def league(details: dict[str, Any]) -> str | None:
    """The value of the first of LEAGUE_KEYS that is text and not empty; None where there is none."""
    return next((value for key in LEAGUE_KEYS if isinstance(value := details.get(key), str) and value), None)
