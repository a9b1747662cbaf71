"""The upper bound of starts: scans stop there, and what is beyond it is dropped."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from pipelines.kalshi.full_sweep import full_sweep
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.response import read_page
from pipelines.kalshi.shards import LandedPage
from pipelines.kalshi.upper_bound import starting_before
from sandbox.world import World
from tests.support import NOON, Clock, as_bytes, milestone, milestone_id, page_body

from .scripted_api import WorldApi, ids_of, response

FIRST = NOON + timedelta(days=7)
"""Milestone N of `support.milestone` starts N minutes later."""


def swept(api: WorldApi, bound: datetime, *, limit: int = 2, landed: tuple[LandedPage, ...] = ()) -> list[str]:
    query = MilestoneQuery(limit=limit, maximum_start_date=bound)
    found = ids_of(list(full_sweep(api, query, started_at=NOON, now=Clock(), landed=landed)))
    assert len(found) == len(set(found))
    return found


def world(*numbers: int, **fields: object) -> World:
    return World(as_bytes(milestone(number, **fields) for number in numbers), now=Clock())


@pytest.mark.parametrize("minutes", [0, 1, 2, 3, 4, 9, 10], ids=str)
def test_a_sweep_brings_exactly_what_starts_before_the_bound(minutes: int) -> None:
    found = swept(WorldApi(world(*range(10))), FIRST + timedelta(minutes=minutes))
    assert found == [milestone_id(number) for number in range(minutes)]


def test_pages_beyond_the_bound_are_not_requested() -> None:
    api = WorldApi(world(*range(100)))
    swept(api, FIRST + timedelta(minutes=40), limit=20)
    assert api.pages == 4, "two pages, the one that proves the end, and a catch-up"


def test_a_bound_in_the_past_is_not_a_list_that_was_cut() -> None:
    past = [milestone(number, start_date=f"2026-11-2{number}T00:00:00Z") for number in range(3)]
    api = WorldApi(World(as_bytes([*past, milestone(9)]), now=Clock()))
    found = swept(api, NOON - timedelta(days=1), limit=3)
    assert found == [milestone_id(number) for number in range(3)]
    assert api.pages == 3, "no request confirms the end"


def test_an_interrupted_scan_resumes_up_to_the_bound() -> None:
    first = WorldApi(world(*range(10))).list_page(MilestoneQuery(limit=2))
    landed = LandedPage(None, None, first.next_cursor, first.starts, first.ids, 2)
    found = swept(WorldApi(world(*range(10))), FIRST + timedelta(minutes=5), landed=(landed,))
    assert found == [milestone_id(number) for number in (2, 3, 4)]


def test_a_catch_up_brings_nothing_beyond_the_bound() -> None:
    fresh = {"last_updated_ts": "2026-11-23T12:00:00.5Z"}
    rows = [milestone(1), milestone(2, **fresh)]
    found = ids_of(
        list(
            full_sweep(
                WorldApi(World(as_bytes(rows), now=Clock())),
                MilestoneQuery(limit=5, maximum_start_date=FIRST + timedelta(minutes=2)),
                started_at=NOON,
                now=Clock(),
            )
        )
    )
    assert found == [milestone_id(1)]


def test_kept_records_keep_their_bytes_and_unreadable_starts_are_kept() -> None:
    rows = [milestone(1, details={"odds": 1.50}), milestone(2, start_date="soon"), milestone(3)]
    page = response(page_body(rows, "next"))
    kept = starting_before(FIRST + timedelta(minutes=3), page)
    assert kept.body == page_body(rows[:2], "next")
    content = read_page(kept.body)
    assert (content.ids, content.next_cursor) == (kept.ids, "next") == (page.ids[:2], page.next_cursor)
    assert (kept.starts, kept.types, kept.categories) == (page.starts[:2], page.types[:2], page.categories[:2])


def test_a_page_before_the_bound_is_not_touched() -> None:
    page = response(page_body([milestone(1)]))
    assert starting_before(FIRST + timedelta(minutes=2), page) is page
