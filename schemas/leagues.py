"""Where the league of a milestone stands in `details`, and which leagues Kalshi simulates."""

from __future__ import annotations

from typing import Any

LEAGUE_KEYS = ("league", "promotion", "tour", "tournament", "competition")
"""Keys of `details` that name the league, the best first: MMA has a promotion, tennis and golf a tour."""

SIMULATED_LEAGUES = (
    *("NBA", "WNBA", "NCAAB", "NCAAMB", "NCAAWB"),
    *("NFL", "NCAAF", "NCAAFB", "CFL", "UFL", "XFL"),
    *("MLB", "NHL", "MLS", "EPL"),
)
"""Leagues whose games a ticker SIM<league>GAME simulates. NBA, NFL, NCAAF and UFL were seen.

Arbitrary letters are not allowed: SIMPLEGAME is no simulated game. The rule maybe_simulated of the view data_quality
counts milestones with a ticker of this form whose league is missing here.
"""

_LEAGUES = "|".join(SIMULATED_LEAGUES)

SIMULATED_TICKER = rf"(?s)SIM({_LEAGUES})GAME(-.*)?"
"""What the ticker of a simulated game matches as a whole, for RE2 and Python alike."""

SIMULATED_TICKER_IN_JSON = rf'(^|[\[,])"SIM({_LEAGUES})GAME(-[^"]*)?"'
"""What canonical JSON matches somewhere that is such a ticker, or an array with one."""


def league(details: dict[str, Any]) -> str | None:
    """The first of LEAGUE_KEYS that is text and not empty; None where there is none."""
    return next((value for key in LEAGUE_KEYS if isinstance(value := details.get(key), str) and value), None)
