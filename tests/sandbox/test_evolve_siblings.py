from __future__ import annotations

import itertools

import msgspec
import pytest

from sandbox.evolve import Counts, WorldTooSmallError, evolve
from sandbox.evolve_siblings import ENDINGS, TITLE_ENDINGS
from sandbox.world import World
from tests.sandbox.conftest import NOW
from tests.sandbox.test_world import body

COUNTS = Counts(target_renames=5, event_retitles=4)


def test_targets_are_renamed_and_events_retitled(world: World) -> None:
    before = world.bodies()
    evolution = evolve(world, 1, COUNTS)
    assert evolution.counts() == {"rename_target": 5, "retitle_event": 4}
    assert len({one.name for one in evolution.siblings}) == 9
    assert world.bodies() == before
    assert evolution.changes == ()
    for change in evolution.siblings:
        field, endings = ("name", ENDINGS) if change.kind == "rename_target" else ("title", TITLE_ENDINGS)
        old, new = msgspec.json.decode(change.before), msgspec.json.decode(change.after)
        assert {key for key in new if new[key] != old.get(key)} == {field, "last_updated_ts"}
        assert new[field].endswith(endings)
        get = world.siblings.targets.get if field == "name" else world.siblings.events.get
        assert get(change.name) == change.after


def test_they_are_named_by_upcoming_milestones(world: World) -> None:
    upcoming = b"".join(map(world.get, world.ids(NOW)))
    assert all(change.name.encode() in upcoming for change in evolve(world, 1, COUNTS).siblings)


def test_the_same_world_and_seed_change_the_same(thousand: tuple[bytes, ...]) -> None:
    first, second, third = (World(thousand, now=lambda: NOW) for _ in range(3))
    assert evolve(first, 1, COUNTS) == evolve(second, 1, COUNTS)
    assert evolve(first, 1, COUNTS) != evolve(third, 1, COUNTS)


def test_changes_of_milestones_do_not_depend_on_them(thousand: tuple[bytes, ...]) -> None:
    one, other = (World(thousand, now=lambda: NOW) for _ in range(2))
    plain = evolve(one, 1, Counts(inserts=3, title_edits=3))
    assert evolve(other, 1, Counts(inserts=3, title_edits=3, target_renames=3)).changes == plain.changes


def test_an_ending_is_replaced_by_another() -> None:
    world = World([body("m", related_event_tickers=["KX-1"], title="A")], now=lambda: NOW)
    titles = []
    for _ in range(12):
        (change,) = evolve(world, 1, Counts(event_retitles=1)).siblings
        titles.append(msgspec.json.decode(change.after)["title"])
    assert set(titles) == {f"A {one}" for one in TITLE_ENDINGS}
    assert all(one != other for one, other in itertools.pairwise(titles))


@pytest.mark.parametrize(
    ("counts", "message"),
    [(Counts(target_renames=1), "only 0 targets"), (Counts(title_edits=1, event_retitles=2), "only 1 events")],
)
def test_a_world_that_is_too_small_is_not_changed(counts: Counts, message: str) -> None:
    world = World([body("m", related_event_tickers=["KX-1"])], now=lambda: NOW)
    revision = world.revision
    with pytest.raises(WorldTooSmallError, match=message):
        evolve(world, 1, counts)
    assert world.revision == revision
