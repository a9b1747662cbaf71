from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from sandbox.siblings.chance import UNKNOWN_SHARE, is_unknown
from sandbox.siblings.store import UnknownNameError
from sandbox.siblings.target_store import TargetQuery, Targets
from sandbox.world import World
from tests.sandbox.conftest import NOW
from tests.sandbox.test_world import body

Row = dict[str, Any]


@pytest.fixture
def targets(world: World) -> Targets:
    return world.siblings.targets


def crawl(targets: Targets, **query: Any) -> list[Row]:
    found: list[Row] = []
    after = ""
    while True:
        page = targets.page(TargetQuery(after=after, **query))
        found += map(msgspec.json.decode, page.bodies)
        if page.next_position is None:
            return found
        after = page.next_position


def named_by(world: World) -> dict[str, tuple[Row, str]]:
    """The ids under the keys of details that hold one id, with their milestone and key."""
    rows = [msgspec.json.decode(one) for one in world.bodies()]
    return {
        value: (row, key)
        for row in rows
        for key, value in row["details"].items()
        if key.endswith("_id") and key != "session_id"
    }


def test_the_ids_that_milestones_name_are_known_but_for_a_small_share(world: World, targets: Targets) -> None:
    named = named_by(world)
    lists = [
        value
        for one in world.bodies()
        for key, value in msgspec.json.decode(one)["details"].items()
        if key.endswith("_ids")
    ]
    ids = {*named, *(one for ids in lists for one in ids)}
    assert targets.ids() == sorted(one for one in ids if not is_unknown(one))
    assert 0 < 1 - len(targets.ids()) / len(ids) < 3 * UNKNOWN_SHARE
    for one in [one for one in ids if is_unknown(one)]:
        with pytest.raises(UnknownNameError):
            targets.get(one)


def test_names_agree_with_titles(world: World, targets: Targets) -> None:
    """Of rows whose title was not written by hand."""
    compared = 0
    for target_id, (row, key) in named_by(world).items():
        sides = re.split(" at | vs ", row["title"])
        if len(sides) != 2 or is_unknown(target_id):
            continue
        target = msgspec.json.decode(targets.get(target_id))
        expected = sides[0 if key.startswith(("away", "first")) else 1]
        name = target.get("name", expected)
        assert name.startswith(expected) or re.fullmatch("[A-Z]'s", name), (row["title"], name)
        compared += name == expected
    assert compared > 800


@pytest.mark.parametrize("page_size", [1, 7, 2_000])
def test_pages_hold_every_target_once_in_order(targets: Targets, page_size: int) -> None:
    expected = targets.ids()[:40] if page_size == 1 else targets.ids()
    found: list[bytes] = []
    after = ""
    while len(found) < len(expected):
        page = targets.page(TargetQuery(page_size=page_size, after=after))
        found += page.bodies
        after = page.next_position or "-"
    assert found == [targets.get(one) for one in expected]
    assert (after == "-") == (page_size != 1)


def test_only_the_ids_asked_for(targets: Targets) -> None:
    wanted = [*targets.ids()[5:0:-2], "zz", targets.ids()[5]]
    assert [one["id"] for one in crawl(targets, page_size=2, ids=tuple(wanted))] == targets.ids()[1:6:2]
    assert crawl(targets, page_size=2, ids=("zz",)) == []


def test_filters_by_type_and_competition(world: World, targets: Targets) -> None:
    teams = crawl(targets, page_size=50, type="basketball_team")
    assert {one.get("type", "basketball_team") for one in teams} == {"basketball_team"}
    whole = [one for one in crawl(targets, page_size=2_000) if one.get("type") == "basketball_team"]
    assert [one for one in teams if "type" in one] == whole
    league = crawl(targets, page_size=50, type="basketball_team", competition="NBA")
    assert {one["details"]["league"] for one in league if "details" in one} == {"NBA"}
    assert 0 < len(league) < len(teams)
    assert crawl(targets, page_size=50, competition="none") == []


def test_a_renamed_target(world: World, targets: Targets) -> None:
    target_id = next(one for one in targets.ids() if b'"name"' in targets.get(one))
    revision = world.revision
    change = world.rename_target(target_id, "Neu")
    assert (change.kind, change.name, change.after) == ("rename_target", target_id, targets.get(target_id))
    before, after = msgspec.json.decode(change.before), msgspec.json.decode(change.after)
    assert after == {**before, "name": "Neu", "last_updated_ts": "2026-11-22T12:00:00.25Z"}
    assert world.revision == revision + 1
    with pytest.raises(UnknownNameError):
        world.rename_target("zz", "x")


def test_targets_outlive_their_milestones_and_edits_of_titles() -> None:
    details = {"away_team_id": "a", "home_team_id": "h"}
    world = World([body("m", title="Reno at Tulsa", details=details)], now=lambda: NOW)
    before = world.siblings.targets.get("a")
    world.edit_title("m", "Oslo at Graz")
    assert world.siblings.targets.get("a") == before
    world.remove("m")
    assert world.siblings.targets.get("a") == before
    assert world.siblings.targets.ids() == ["a", "h"]


def test_targets_of_new_milestones_are_known_at_once() -> None:
    world = World(now=lambda: NOW)
    assert world.siblings.targets.ids() == []
    world.load([body("1", details={"home_team_id": "h"})])
    world.insert(msgspec.json.decode(body("2", details={"home_team_id": "i"})))
    assert world.siblings.targets.ids() == ["h", "i"]
    world.set_details("2", {"away_team_id": "a"})
    assert world.siblings.targets.ids() == ["a", "h", "i"]
