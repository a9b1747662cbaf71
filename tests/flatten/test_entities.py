from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.flatten.entities import entities
from tests.records.recorded import recorded_record
from tests.records.samples import parse, values

ONE = "862690f7-6570-4a15-acb8-58f49d496859"
TWO = "17b70f39-2dd0-4497-a8f2-d68baff1abc2"

words = st.sampled_from(["home", "team", "id"])
keys = st.builds("{}_{}".format, st.lists(words, min_size=1, max_size=3).map("_".join), st.sampled_from(["id", "ids"]))
uuids = st.sampled_from([ONE, TWO])


@pytest.mark.slow
@given(st.dictionaries(keys, uuids | st.lists(uuids, max_size=3) | values, max_size=8))
def test_role_and_position_are_a_key_and_no_id_is_lost(details: dict[str, Any]) -> None:
    found = entities(details)
    places = [(entity.role, entity.position) for entity in found]
    assert len(places) == len(set(places))
    expected = [
        (key, position, value)
        for key, given_value in details.items()
        for position, value in enumerate(given_value if isinstance(given_value, list) else [given_value])
        if value in (ONE, TWO)
    ]
    assert [(entity.key, entity.position, entity.entity_id) for entity in found] == expected


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"home_team_id": ONE, "away_team_id": TWO}, [("home", 0, ONE), ("away", 0, TWO)], id="teams"),
        pytest.param({"competitor_ids": [ONE, TWO]}, [("competitor", 0, ONE), ("competitor", 1, TWO)], id="array"),
        pytest.param(
            {"home_team_id": ONE, "home_player_id": TWO},
            [("home_team", 0, ONE), ("home_player", 0, TWO)],
            id="two of one role keep their words",
        ),
        pytest.param({"home_id": ONE, "home_team_id": TWO}, [("home", 0, ONE), ("home_team", 0, TWO)], id="one word"),
        pytest.param(
            {"competitor_id": ONE, "competitor_ids": [TWO]},
            [("competitor_id", 0, ONE), ("competitor_ids", 0, TWO)],
            id="the same words keep the whole key",
        ),
        pytest.param(
            {"a_b_id": ONE, "a_id": ONE, "a_b_c_id": TWO},
            [("a_b", 0, ONE), ("a", 0, ONE), ("a_b_c", 0, TWO)],
            id="the words of one are the role of another",
        ),
        pytest.param({"first_fighter_id": ONE}, [("first", 0, ONE)], id="fighter"),
        pytest.param(
            {"away_competitor_id": ONE, "second_competitor_id": TWO},
            [("away", 0, ONE), ("second", 0, TWO)],
            id="competitors",
        ),
        pytest.param(
            {"competitor_ids": [ONE] * 132},
            [("competitor", position, ONE) for position in range(132)],
            id="a golf tournament",
        ),
        pytest.param({"candidate_ids": [TWO, ONE]}, [("candidate", 0, TWO), ("candidate", 1, ONE)], id="candidates"),
        pytest.param({"candidate_id_mapping": {ONE: TWO}}, [], id="a mapping of ids names no entity"),
        pytest.param(
            {"team_ids": [None, ONE, "7", [TWO], {"id": TWO}, TWO]},
            [("team", 1, ONE), ("team", 5, TWO)],
            id="positions count from the start of the array",
        ),
        pytest.param({"team_id": ONE.upper()}, [("team", 0, ONE.upper())], id="capitals, as sent"),
        pytest.param({"team_id": ONE[:-1]}, [], id="too short"),
        pytest.param({"team_id": f"{ONE}\n"}, [], id="trailing line break"),
        pytest.param({"team_id": f"{{{ONE}}}"}, [], id="in braces"),
        pytest.param({"team_id": ONE.replace("-", "")}, [], id="without hyphens"),
        pytest.param({"league_id": "sr:league:7", "team_id": ONE}, [("team", 0, ONE)], id="another provider's id"),
        pytest.param({"session_ids": [ONE], "session_team_id": ONE}, [], id="keys that start with session_"),
        pytest.param({"_id": ONE, "_ids": [ONE], "id": ONE, "ids": [ONE]}, [], id="no role"),
        pytest.param({"__id": ONE, "_team_id": TWO}, [("_", 0, ONE), ("_team", 0, TWO)], id="underscores only"),
        pytest.param({"home team_id": ONE, "équipe_id": ONE, "a.b_id": ONE}, [], id="other letters"),
        pytest.param({"Home_Team_Id": ONE, "HOME_TEAM_ID": ONE}, [], id="another ending"),
        pytest.param(
            {"home_team_id": "x", "home_player_id": TWO},
            [("home", 0, TWO)],
            id="a key without an id takes no role",
        ),
        pytest.param(
            {"home_team_id": ONE, "home_team_ids": [TWO], "home_id": ONE},
            [("home_team_id", 0, ONE), ("home_team_ids", 0, TWO), ("home", 0, ONE)],
            id="three of one role",
        ),
        pytest.param({"home_team_id": "7"}, [], id="no UUID"),
        pytest.param({"home_team_id": None}, [], id="null"),
        pytest.param({"session_id": ONE}, [], id="a session is not an entity"),
        pytest.param({"home_team": ONE}, [], id="no such ending"),
        pytest.param({"season": {"home_team_id": ONE}}, [], id="nested"),
    ],
)
def test_entities(details: dict[str, Any], expected: list[tuple[str, int, str]]) -> None:
    assert [(entity.role, entity.position, entity.entity_id) for entity in entities(details)] == expected


def test_recorded_teams(payloads: Path) -> None:
    details = parse(recorded_record(payloads, "football_game__ncaafb_scheduled"))["details"]
    assert {entity.role: entity.entity_id for entity in entities(details)} == {
        "home": details["home_team_id"],
        "away": details["away_team_id"],
    }
