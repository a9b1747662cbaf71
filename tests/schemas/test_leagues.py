from __future__ import annotations

from typing import Any

import pytest

from schemas.leagues import LEAGUE_KEYS, league


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({}, None),
        ({"league": "NFL"}, "NFL"),
        ({"promotion": "UFC"}, "UFC"),
        ({"tour": "ATP", "tournament_name": "ATP Open"}, "ATP"),
        ({"tournament": "Asian Games Men", "league": "Asian Games (M)"}, "Asian Games (M)"),
        ({"competition": "Cup"}, "Cup"),
        ({"league": "", "tour": "pga"}, "pga"),
        ({"league": None, "tour": 7, "tournament": ["a"], "competition": {"name": "x"}}, None),
        ({"game": "cs2"}, None),
        ({"season": {"league": "NFL"}}, None),
    ],
)
def test_the_league_is_the_first_text_of_the_keys(details: dict[str, Any], expected: str | None) -> None:
    assert league(details) == expected


def test_the_order_of_the_keys() -> None:
    details = {key: key for key in LEAGUE_KEYS}
    for key in ("league", "promotion", "tour", "tournament", "competition"):
        assert league(details) == key
        del details[key]
    assert not details
