from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from sandbox.details import FUTURE_STATUSES, OVER_STATUSES
from sandbox.evolve import SOON, Counts, WorldTooSmallError, evolve, play
from sandbox.rfc3339 import format_micros, micros_of
from sandbox.world import Change, World
from tests.sandbox.conftest import NOW

NOW_TEXT = format_micros(micros_of(NOW))
COUNTS = Counts(
    inserts=9,
    reschedules=8,
    title_edits=7,
    tickers_added=6,
    tickers_removed=5,
    status_changes=4,
    removals=3,
    touches=50,
)


def _states(world: World) -> dict[str, bytes]:
    return dict(zip(world.ids(), world.bodies(), strict=True))


def test_the_record_is_exactly_the_difference(world: World) -> None:
    before = _states(world)
    evolution = evolve(world, 1, COUNTS)
    after = _states(world)
    differing = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert differing == evolution.ids()
    assert len(differing) == len(evolution.changes) == 92
    for change in evolution.changes:
        assert before.get(change.milestone_id) == change.before
        assert after.get(change.milestone_id) == change.after


def test_counts_of_changes_are_as_requested(world: World) -> None:
    evolution = evolve(world, 1, COUNTS)
    assert evolution.counts() == {
        "insert": 9,
        "reschedule": 8,
        "edit_title": 7,
        "add_ticker": 6,
        "remove_ticker": 5,
        "set_details": 4,
        "remove": 3,
        "touch": 50,
    }
    assert len(evolution.ids("insert", "remove")) == 12


FIELD_OF = {
    "reschedule": {"start_date"},
    "edit_title": {"title"},
    "add_ticker": {"related_event_tickers", "primary_event_tickers"},
    "remove_ticker": {"related_event_tickers", "primary_event_tickers"},
    "set_details": {"details"},
    "touch": set[str](),
}


def test_each_kind_changes_its_own_field(world: World) -> None:
    for change in evolve(world, 1, COUNTS).changes:
        if change.before is None or change.after is None:
            continue
        before, after = msgspec.json.decode(change.before), msgspec.json.decode(change.after)
        differing = {name for name in before if before[name] != after[name]} - {"last_updated_ts"}
        assert differing <= FIELD_OF[change.kind]
        assert differing or change.kind == "touch"
        assert after["last_updated_ts"] == "2026-11-22T12:00:00.25Z"


def test_the_same_world_and_seed_evolve_the_same(thousand: tuple[bytes, ...]) -> None:
    worlds = [World(thousand, now=lambda: NOW) for _ in range(2)]
    assert evolve(worlds[0], 1, COUNTS) == evolve(worlds[1], 1, COUNTS)
    other = World(thousand, now=lambda: NOW)
    assert evolve(other, 2, COUNTS) != evolve(World(thousand, now=lambda: NOW), 1, COUNTS)


def test_one_seed_can_be_used_repeatedly(world: World) -> None:
    first, second = evolve(world, 1, COUNTS), evolve(world, 1, COUNTS)
    assert not first.ids("insert") & second.ids("insert")
    assert len(world) == 1_000 + 2 * (9 - 3)


def test_a_world_that_is_too_small_is_not_changed(world: World) -> None:
    before = world.bodies()
    with pytest.raises(WorldTooSmallError, match="not 10000"):
        evolve(world, 1, Counts(removals=5, status_changes=10_000))
    assert world.bodies() == before


def _before_and_after(change: Change) -> tuple[dict[str, Any], dict[str, Any]]:
    assert change.before is not None
    assert change.after is not None
    return msgspec.json.decode(change.before), msgspec.json.decode(change.after)


def test_most_changes_affect_milestones_that_start_soon(world: World) -> None:
    changes = evolve(world, 1, Counts(reschedules=5, title_edits=5)).changes
    soon = format_micros(micros_of(NOW + SOON))
    assert all(NOW_TEXT < _before_and_after(change)[0]["start_date"] < soon for change in changes)


def test_upcoming_milestones_are_not_moved_into_the_past(world: World) -> None:
    for seed in range(5):
        for change in evolve(world, seed, Counts(reschedules=20)).changes:
            before, after = _before_and_after(change)
            assert before["start_date"] < NOW_TEXT or after["start_date"] > NOW_TEXT


def test_an_added_ticker_is_of_the_same_game(world: World) -> None:
    for change in evolve(world, 1, Counts(tickers_added=20)).changes:
        before, after = _before_and_after(change)
        (added,) = set(after["related_event_tickers"]) - set(before["related_event_tickers"])
        series, _, rest = before["related_event_tickers"][0].partition("-")
        assert added.startswith(series)
        assert added.endswith(rest)


def test_a_changed_status_fits_the_time(world: World) -> None:
    for change in evolve(world, 1, Counts(status_changes=50)).changes:
        before, after = _before_and_after(change)
        assert (after["details"]["status"] in FUTURE_STATUSES) == (before["start_date"] > NOW_TEXT) or (
            before["start_date"] > format_micros(micros_of(NOW - timedelta(hours=3)))
        )


def test_started_milestones_get_their_statuses_and_ends(thousand: tuple[bytes, ...]) -> None:
    time = NOW
    world = World(thousand, now=lambda: time)
    upcoming = set(world.ids(NOW))
    time = NOW + timedelta(days=3)
    started = upcoming - set(world.ids(time))
    assert play(world, NOW, 1) == len(started) > 5
    rows = [msgspec.json.decode(world.get(one)) for one in sorted(started)]
    over = [row for row in rows if row["start_date"] < format_micros(micros_of(time - timedelta(hours=3)))]
    assert all(row["end_date"] > row["start_date"] for row in over)
    played = [row for row in over if row["details"].get("status") in OVER_STATUSES]
    assert 0.5 < len(played) / len([row for row in over if "status" in row["details"]]) <= 1
    as_it_was = World(thousand, now=lambda: NOW)
    assert all(world.get(one) == as_it_was.get(one) for one in set(world.ids()) - started)
