from __future__ import annotations

import collections
import re

import pytest

from sandbox.rfc3339 import micros_of, parse_micros
from sandbox.siblings.index import TARGET_TYPES, Known
from sandbox.siblings.targets import (
    FIELD_ABSENT_SHARE,
    ID_ABSENT_SHARE,
    INITIAL_SHARE,
    OPTIONAL,
    SHORTENED_SHARE,
    name_of,
    target_of,
)
from schemas.api import JsonObject
from tests.sandbox.conftest import NOW

NOW_MICROS = micros_of(NOW)
IDS = [f"id {number}" for number in range(15_000)]


def whole(known: Known) -> JsonObject:
    """A target with every field."""
    made = (target_of(one, known, NOW_MICROS) for one in IDS)
    return next(one for one in made if one.keys() >= {"id", "source_ids", *OPTIONAL})


KEYS = {
    "ufc_competitor": {"abbreviation", "country", "first_name", "gender", "last_name", "record"},
    "soccer_team": {"abbreviation", "country", "gender", "short_name"},
    "basketball_team": {"abbreviation", "conference", "league", "market", "season_standings", "team_name"},
    "football_team": {"abbreviation", "conference", "league", "market", "team_name"},
    "golf_competitor": {"country", "first_name", "last_name"},
    "tennis_competitor": {"abbreviation", "country", "first_name", "gender", "last_name"},
    "esports_team": {"abbreviation", "game"},
    "political_candidate": {"first_name", "last_name", "party"},
    "tv_show": set[str](),
}


@pytest.mark.parametrize("kind", KEYS)
def test_details_have_the_keys_of_the_type(kind: str) -> None:
    target = whole(Known(kind, "L", "Müller"))
    assert target["details"].keys() == KEYS[kind]
    assert target["type"] == kind
    assert target["details"].get("abbreviation", "MUL") == "MUL"
    assert target["details"].get("last_name", "Müller") == "Müller"


def test_a_basketball_team_s_standings_are_objects() -> None:
    (standing,) = whole(Known("basketball_team", "NBA", "Reno"))["details"]["season_standings"]
    assert standing.keys() >= {"conference_wins", "division_losses", "home_wins", "rank", "road_losses", "season_type"}
    assert standing["wins"] + standing["losses"] == 40
    assert standing["rank"] == {"clinched": "", "conference": "", "division": ""}


def test_every_type_is_a_team_a_person_or_a_show() -> None:
    assert all(re.fullmatch(r"\w+_(team|competitor|candidate|show)|artist", one) for one in TARGET_TYPES.values())


@pytest.mark.slow
def test_most_targets_have_every_field_and_few_lack_their_id() -> None:
    lacking: collections.Counter[str] = collections.Counter()
    for one in IDS:
        lacking.update({"id", *OPTIONAL} - target_of(one, Known("golf_competitor", "pga", None), NOW_MICROS).keys())
    for field in OPTIONAL:
        assert lacking[field] / len(IDS) == pytest.approx(FIELD_ABSENT_SHARE, abs=0.003), field
    assert lacking["id"] / len(IDS) == pytest.approx(ID_ABSENT_SHARE, abs=0.001)


def test_names_of_teams_are_those_of_titles_and_a_few_are_shortened() -> None:
    names = collections.Counter(name_of(one, Known("basketball_team", "NBA", "Chicago")) for one in IDS)
    assert names["Chicago"] / len(IDS) == pytest.approx(1 - SHORTENED_SHARE - INITIAL_SHARE, abs=0.01)
    assert names["Chicago C"] > 10
    assert names["A's"] > 0
    assert all(re.fullmatch(r"Chicago( [A-Z])?|[A-Z]'s", name) for name in names)


def test_names_of_people_in_titles_are_not_shortened() -> None:
    assert {name_of(one, Known("tennis_competitor", "ATP", "Świątek")) for one in IDS[:2_000]} == {"Świątek"}


def test_a_person_without_a_name_gets_one_from_the_id() -> None:
    known = Known("golf_competitor", "pga", None)
    names = [name_of(one, known) for one in IDS[:500]]
    assert names == [name_of(one, known) for one in IDS[:500]]
    assert len(set(names)) > 300
    assert any(not name.isascii() for name in names)
    target = whole(known)
    assert target["name"] == f"{target['details']['first_name']} {target['details']['last_name']}"
    assert len(name_of("x", Known("baseball_team", "", None)).split()) == 2


@pytest.mark.parametrize(
    ("kind", "form"),
    [("soccer_team", r"sr:competitor:\d+"), ("golf_competitor", r"id \d+"), ("football_team", r"[0-9a-f-]{36}")],
)
def test_the_form_of_the_source_id(kind: str, form: str) -> None:
    target = whole(Known(kind, "", None))
    assert re.fullmatch(form, target["source_id"])
    assert target["source_ids"] in ({}, {"source_3_id": target["source_id"]})


def test_no_target_is_updated_after_the_world_was_made() -> None:
    known = Known("golf_competitor", "pga", None)
    stamps = [target_of(one, known, NOW_MICROS).get("last_updated_ts", "2024-05-09T00:00:00Z") for one in IDS[:500]]
    assert len(set(stamps)) > 400
    assert all("2024-05" <= one < "2025-12" for one in stamps)
    early = parse_micros("2024-06-01T00:00:00Z")
    assert all(
        parse_micros(target_of(one, known, early).get("last_updated_ts", "2024-05-09T00:00:00Z")) <= early
        for one in IDS[:500]
    )
