from __future__ import annotations

from typing import Any

import pytest

from sandbox.row import Row
from sandbox.siblings.index import Known, NameIndex, Naming, naming_of, owner_of, series_of
from tests.sandbox.test_world import body


def row(name: str, start: int = 0, **fields: Any) -> Row:
    return Row.of(body(name, start, **fields))


@pytest.mark.parametrize(
    ("ticker", "series"),
    [
        ("KXNBAGAME-26JAN05RENTUL", "KXNBAGAME"),
        ("SIMNBAGAME", "SIMNBAGAME"),
        ("SENATEWY-26", "SENATEWY"),
        ("KXHOUSE-WY-26", "KXHOUSE-WY"),
        ("KXHOUSE-26DEC31-2", "KXHOUSE"),
    ],
)
def test_the_series_of_an_event(ticker: str, series: str) -> None:
    assert series_of(ticker) == series


@pytest.mark.parametrize(
    ("title", "details", "names"),
    [
        ("Reno at Tulsa", {"away_team_id": "a", "home_team_id": "h"}, {"a": "Reno", "h": "Tulsa"}),
        ("Łódź vs São Paulo (new date)", {"first_x_id": "a", "second_x_id": "h"}, {"a": "Łódź", "h": "São Paulo"}),
        ("A vs. B", {"first_fighter_id": "a", "second_fighter_id": "h"}, {"a": "A", "h": "B"}),
        ("Reno Open", {"competitor_ids": ["a", "b"], "home_team_id": "h"}, {"a": None, "b": None, "h": None}),
        ("Khan weekly streams", {"subject_id": "a", "subject": "Khan"}, {"a": "Khan"}),
        (None, {"home_team_id": "h", "session_id": "s", "away_team_id": None, "driver_ids": [1, ""]}, {"h": None}),
    ],
)
def test_targets_have_the_names_in_the_title(
    title: str | None, details: dict[str, Any], names: dict[str, str | None]
) -> None:
    naming = Naming(id="m", title=title, details=details)
    assert {target_id: known.name for target_id, known in naming.targets()} == names


@pytest.mark.parametrize(
    ("details", "competition"),
    [
        ({"league": "NBA"}, "NBA"),
        ({"promotion": "UFC"}, "UFC"),
        ({"tour": "ATP"}, "ATP"),
        ({"league": 5}, ""),
        ({}, ""),
    ],
)
def test_type_and_competition_of_a_target(details: dict[str, Any], competition: str) -> None:
    naming = Naming(id="m", type="mma_match", details={"home_fighter_id": "h", **details})
    assert dict(naming.targets())["h"] == Known("ufc_competitor", competition, None)
    assert dict(Naming(id="m", type="new", details={"x_id": "x"}).targets())["x"].type == "competitor"


def test_the_first_name_of_a_target_stays_and_any_name_is_better_than_none() -> None:
    details = {"home_team_id": "h"}
    index = NameIndex([row("1", title="Open", details=details), row("2", title="A at B", details=details)])
    assert index.targets["h"].name == "B"
    index.note(row("2", title="A at C", details=details))
    assert index.targets["h"].name == "B"


def test_milestones_are_found_by_any_of_their_tickers() -> None:
    tickers = [f"KX-{number}" for number in range(500)]
    rows = [row(str(at), related_event_tickers=tickers[at : at + 2], primary_event_tickers=None) for at in range(499)]
    index = NameIndex(rows)
    assert index.milestones_of("KX-0") == ["0"]
    assert all(set(index.milestones_of(tickers[at])) == {str(at - 1), str(at)} for at in range(1, 498))
    assert index.milestones_of("KX-x") == []


def test_a_changed_row_is_noted_once() -> None:
    index = NameIndex([row("1", related_event_tickers=["KX-1"])])
    for _ in range(2):
        index.note(row("1", related_event_tickers=["KX-1"], primary_event_tickers=["KX-2"]))
    assert index.milestones_of("KX-1") == index.milestones_of("KX-2") == ["1"]


def test_the_owner_is_the_latest_milestone_that_still_names_the_event() -> None:
    made = [row(name, start, related_event_tickers=["KX-1"]) for name, start in (("a", 9), ("b", 5), ("c", 7))]
    index, rows = NameIndex(made), {one.position[1]: one for one in made}
    owners = []
    for state in (rows, rows | {"a": row("a", 9)}, {"b": rows["b"]}, {}):
        owner = owner_of("KX-1", index, state)
        owners.append(owner and owner[0].position[1])
    assert owners == ["a", "c", "b", None]


def test_a_series_has_the_category_as_most_spell_it() -> None:
    made = row("a", related_event_tickers=["KXA-1"], category="sports", details={"league": "NBA"})
    assert NameIndex([made]).series["KXA"] == ("Sports", "NBA")


def test_a_row_with_fields_of_other_types_names_nothing() -> None:
    odd = row("a", details=[1], related_event_tickers=["KX-1"])
    assert naming_of(odd.body) is None
    assert NameIndex([odd]).milestones_of("KX-1") == []
