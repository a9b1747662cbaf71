"""Details by type: the keys of the recorded shapes, and statuses that agree with the fixture."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sandbox.census import CENSUS
from sandbox.details import CRICKET_STATUSES, STATUSES, Fixture, details_of, id_mapping, simulated_session
from sandbox.draw import Draw, Entity

FIRST, SECOND = Entity("11111111-1111-4111-8111-111111111111", "Iowa"), Entity("2", "Ohio")
TYPES = sorted({type_name for type_name, _ in CENSUS})


def details(type_name: str, seed: int = 1, **fields: Any) -> dict[str, Any]:
    given = {"league": "NFL", "year": 2026, "status": "closed", "main_ticker": "KX-1", **fields}
    return details_of(Fixture(type=type_name, first=FIRST, second=SECOND, **given), Draw(seed))


@pytest.mark.parametrize("type_name", TYPES)
def test_every_type_of_the_census_has_details(type_name: str) -> None:
    for seed in range(30):
        found = details(type_name, seed)
        assert found.get("main_game_event_ticker", "KX-1") == "KX-1"
        assert found.get("status", "closed") in ("closed", CRICKET_STATUSES["closed"])
        assert (found == {}) == (type_name == "one_off_milestone")


def test_teams_are_away_and_home() -> None:
    found = details("basketball_game")
    assert (found["away_team_id"], found["home_team_id"], found["league"]) == (FIRST.id, SECOND.id, "NFL")


def test_a_simulated_game_has_a_session_and_no_main_ticker() -> None:
    found = details("football_game", simulated=True)
    assert re.fullmatch(r"[0-9a-f-]{36}_-\d+", found["session_id"])
    assert "main_game_event_ticker" not in found
    assert simulated_session(Draw(1)) != simulated_session(Draw(2))


def test_cricket_has_the_free_texts_of_its_provider() -> None:
    assert set(CRICKET_STATUSES) <= set(STATUSES)
    for status, text in CRICKET_STATUSES.items():
        assert details("cricket_match", status=status)["status"] == text
    assert details("cricket_match", status="postponed")["status"] == "postponed"


def test_a_mapping_has_one_value_per_id() -> None:
    mapping = id_mapping(Draw(1), ["a", "b"])
    assert list(mapping) == ["a", "b"]
    assert len(set(mapping.values())) == 2
