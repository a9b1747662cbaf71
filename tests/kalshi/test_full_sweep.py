"""A full sweep reads everything: catch-ups after the scan, against scripts and against a world that changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.kalshi.errors import PagingFault
from pipelines.kalshi.full_sweep import MAX_CATCH_UPS, MAX_QUIET_CATCH_UPS, full_sweep
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.scans import OVERLAP_SECONDS, Fetched, scan, seconds_before
from sandbox.world import World
from tests.support import NOON, Clock, as_bytes, milestone, milestone_id

from .scripted_api import QUERY, ScriptedApi, WorldApi, fresh, ids_of, invalid_cursor, page


def catch_up_from(moment: datetime) -> int:
    return seconds_before(moment, OVERLAP_SECONDS)


def test_a_full_sweep_ends_with_one_catch_up_from_its_own_start() -> None:
    api = ScriptedApi(page(1, cursor="b"), page(2), page())
    fetched = list(full_sweep(api, QUERY, started_at=NOON, now=Clock()))
    assert api.requests == [(None, None), (None, "b"), (catch_up_from(NOON), None)]
    assert len(fetched) == 3
    assert fetched[-1].path == f"/milestones?limit=2&min_updated_ts={int(NOON.timestamp()) - 300}"


def test_catch_ups_use_the_filters_of_the_query() -> None:
    api = ScriptedApi(page(1), page())
    query = MilestoneQuery(limit=2, type="football_game")
    paths = [one.path for one in full_sweep(api, query, started_at=NOON, now=Clock())]
    assert paths == [
        "/milestones?limit=2&type=football_game",
        f"/milestones?limit=2&min_updated_ts={catch_up_from(NOON)}&type=football_game",
    ]


def test_a_catch_up_of_several_pages_is_followed_by_another() -> None:
    clock = Clock(NOON + timedelta(minutes=2))
    late = {"last_updated_ts": "2026-11-23T12:01:00.5Z"}
    api = ScriptedApi(page(1, **late), page(1, cursor="b", **late), fresh(2), page(3, **late))
    list(full_sweep(api, QUERY, started_at=NOON, now=clock))
    # The second catch-up reaches back to the newest update received before the first one began.
    assert api.requests == [
        (None, None),
        (catch_up_from(NOON), None),
        (catch_up_from(NOON), "b"),
        (int(NOON.timestamp()) + 60 - 1, None),
    ]


def test_catch_ups_end_when_they_bring_nothing_new() -> None:
    late = {"last_updated_ts": "2026-11-23T11:55:01Z"}
    busy = (page(1, cursor="b", **late), page(2, **late))
    api = ScriptedApi(page(1), *busy, *busy)
    list(full_sweep(api, QUERY, started_at=NOON, now=Clock()))
    assert len(api.requests) == 5


def test_the_same_id_with_new_content_counts_as_new() -> None:
    api = ScriptedApi(
        page(1),
        *(fresh(1, cursor="b"), fresh(2)),
        *(fresh(1, cursor="b", title="moved"), fresh(2)),
        *(fresh(1, cursor="b"), fresh(2)),
    )
    list(full_sweep(api, QUERY, started_at=NOON, now=Clock()))
    assert len(api.requests) == 7


def test_the_number_of_catch_ups_is_limited() -> None:
    restless = (fresh(number, 1000 + number, cursor="b") for number in range(MAX_CATCH_UPS + 5))
    script = [body for first in restless for body in (first, fresh(9_999))]
    api = ScriptedApi(page(1), *script)
    fetched: list[Fetched] = []
    with pytest.raises(PagingFault, match=f"after {MAX_CATCH_UPS} catch-ups milestones still change") as caught:
        fetched.extend(full_sweep(api, QUERY, started_at=NOON, now=Clock()))
    assert caught.value.rule == "no end of changes"
    assert len(api.requests) == 1 + 2 * MAX_CATCH_UPS


@pytest.mark.parametrize(
    ("hours", "catch_ups"), [(-1, 1 + MAX_QUIET_CATCH_UPS), (0, 2)], ids=["an hour behind", "correct"]
)
def test_a_clock_that_is_behind_does_not_make_full_sweeps_fail(hours: int, catch_ups: int) -> None:
    """Updates carry times later than our clock, so a catch-up never fits one page."""
    api_clock = Clock()
    world = world_of(6, api_clock)
    world.touch(world.ids())
    offset = timedelta(hours=hours)

    def before_page(_: int) -> None:
        api_clock.forward(seconds=20)

    def our_clock() -> datetime:
        return api_clock() + offset

    api, started_at = WorldApi(world, before_page), our_clock()
    fetched = list(full_sweep(api, QUERY, started_at=started_at, now=our_clock))
    begun = [one for one in fetched if "min_updated_ts" in one.path and one.cursor is None]
    assert len(begun) == catch_ups
    assert newest_received(fetched) == states(world)


def test_with_a_clock_behind_milestones_that_keep_changing_still_fail_the_sweep() -> None:
    api_clock = Clock()
    world = world_of(6, api_clock)

    def before_page(_: int) -> None:
        api_clock.forward(seconds=20)
        world.touch(world.ids())

    api, started_at = WorldApi(world, before_page), NOON - timedelta(hours=1)
    with pytest.raises(PagingFault, match="milestones still change"):
        list(full_sweep(api, QUERY, started_at=started_at, now=Clock(started_at)))


def test_a_refused_cursor_restarts_each_scan_once() -> None:
    api = ScriptedApi(
        page(1, cursor="b"),
        invalid_cursor(),
        page(1, cursor="b"),
        page(2),
        fresh(3, cursor="c"),
        invalid_cursor(),
        fresh(3, cursor="c"),
        fresh(4),
        page(),
    )
    assert milestone_id(4) in ids_of(list(full_sweep(api, QUERY, started_at=NOON, now=Clock())))


# Against a world that changes during the sweep


def world_of(count: int, clock: Clock) -> World:
    return World(as_bytes(milestone(number) for number in range(1, count + 1)), now=clock)


def jump_back(world: World, number: int, to: datetime) -> Callable[[int], None]:
    """Before the second page, move a milestone from ahead of the scan to behind it."""

    def before_page(page_number: int) -> None:
        if page_number == 2:
            world.reschedule(milestone_id(number), to)

    return before_page


LONG_AGO = datetime(2024, 5, 9, tzinfo=UTC)


def test_a_scan_alone_misses_a_milestone_that_moves_back_over_it() -> None:
    clock = Clock()
    world = world_of(6, clock)
    api = WorldApi(world, jump_back(world, 6, LONG_AGO))
    assert milestone_id(6) not in ids_of(list(scan(api, QUERY)))


def test_the_catch_up_brings_a_milestone_that_moved_back() -> None:
    clock = Clock()
    world = world_of(6, clock)
    api = WorldApi(world, jump_back(world, 6, LONG_AGO))
    fetched = list(full_sweep(api, QUERY, started_at=clock(), now=clock))
    assert set(ids_of(fetched)) == {milestone_id(number) for number in range(1, 7)}
    (moved,) = [json.loads(one.response.body)["milestones"] for one in fetched if "min_updated_ts" in one.path]
    assert [(row["id"], row["start_date"]) for row in moved] == [(milestone_id(6), "2024-05-09T00:00:00Z")]


@settings(max_examples=60)
@given(
    moves=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 12), st.integers(-30, 30)), max_size=12),
    limit=st.integers(1, 4),
)
def test_no_milestone_is_missed_whatever_moves_during_the_sweep(moves: list[tuple[int, int, int]], limit: int) -> None:
    clock = Clock()
    world = world_of(12, clock)

    def before_page(page_number: int) -> None:
        clock.forward(seconds=20)
        for when, number, minutes in moves:
            if when == page_number:
                world.reschedule(milestone_id(number), NOON + timedelta(days=7, minutes=minutes))

    api, query, started_at = WorldApi(world, before_page), MilestoneQuery(limit=limit), clock()
    fetched = list(full_sweep(api, query, started_at=started_at, now=clock))
    due = states(world)
    assert newest_received(fetched).keys() == due.keys()
    # A milestone that moved too late for this sweep comes with the next, which looks back to this one's start.
    fetched += scan(WorldApi(world), MilestoneQuery(limit=limit, min_updated_ts=catch_up_from(started_at)))
    assert newest_received(fetched) == due


def test_a_milestone_that_moves_during_the_last_catch_up_comes_with_the_next_poll() -> None:
    clock = Clock()
    world = world_of(6, clock)

    def before_page(page_number: int) -> None:
        clock.forward(seconds=20)
        if page_number == 1:
            world.touch(milestone_id(number) for number in (1, 2, 3, 6))
        # The scan has pages 1 to 3, the first catch-up 5 and 6; 4 and 7 check whether a full page was the last.
        if page_number == 9:  # the second page of the second catch-up
            world.reschedule(milestone_id(6), LONG_AGO)

    api = WorldApi(world, before_page)
    started_at = clock()
    fetched = list(full_sweep(api, QUERY, started_at=started_at, now=clock))
    assert newest_received(fetched) != states(world)
    # The watermark never passes the start of the sweep.
    poll = replace(QUERY, min_updated_ts=catch_up_from(started_at))
    assert newest_received([*fetched, *scan(api, poll)]) == states(world)


def newest_received(fetched: list[Fetched]) -> dict[str, Any]:
    return {row["id"]: row for one in fetched for row in json.loads(one.response.body)["milestones"]}


def states(world: World) -> dict[str, Any]:
    return {row["id"]: row for row in map(json.loads, world.bodies())}
