"""Whether a list has ended where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from pipelines.kalshi.ending import DoubtfulEnd, check_end
from pipelines.kalshi.errors import FilterIgnored, PagingFault
from pipelines.kalshi.paging import SeenIds
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.response import Answer
from pipelines.kalshi.shards import LandedPage
from pipelines.kalshi.sweeps import scan, scan_in_shards
from tests.kalshi.test_shards import OrderedApi, ids_of
from tests.support import NOON, ZERO_TIME, milestone, milestone_id

QUERY = MilestoneQuery(limit=5)
CHANGED_AFTER = NOON - timedelta(minutes=5)


def rows(count: int, **fields: Any) -> list[dict[str, Any]]:
    """Milestones that start a minute apart, all of them in the past."""
    return [
        milestone(number, start_date=f"{NOON - timedelta(days=9) + timedelta(minutes=number):%Y-%m-%dT%H:%M:%SZ}")
        | fields
        for number in range(count)
    ]


class CuttingApi(OrderedApi):
    """Gives no cursor from a number of milestones of the whole list on, whatever range it is asked for."""

    def __init__(self, rows: Sequence[dict[str, Any]], *, at: int, is_deaf: bool = False) -> None:
        super().__init__(rows)
        self._last = {row["id"] for row in rows[at:]}
        self._is_deaf = is_deaf

    def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Answer:
        found = super().list_page(replace(query, minimum_start_date=None) if self._is_deaf else query, cursor)
        self.asked[-1] = (query.minimum_start_date, cursor)
        return replace(found, next_cursor=None) if self._last & set(found.ids) else found


def end_at(reached: datetime, *, is_full: bool = True) -> DoubtfulEnd:
    return DoubtfulEnd(reached, is_full, pages=7)


def seen(*numbers: int) -> SeenIds:
    ids = SeenIds()
    ids.add(map(milestone_id, numbers))
    return ids


def start_of(row: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(row["start_date"])


def check(api: OrderedApi, end: DoubtfulEnd, ids: SeenIds) -> None:
    check_end(api, QUERY, end, ids, changed_after=CHANGED_AFTER)


def test_an_end_that_is_one_costs_one_request() -> None:
    world = rows(8)
    api = OrderedApi(world)
    check(api, end_at(start_of(world[-1])), seen(*range(8)))
    assert api.asked == [(start_of(world[-1]), None)]


@pytest.mark.parametrize("update", [None, ZERO_TIME, "2026-11-23T11:55:00Z"], ids=["as ever", "zero", "at the bound"])
def test_a_milestone_behind_the_end_that_did_not_come_proves_a_cut(update: str | None) -> None:
    world = rows(8) if update is None else rows(8, last_updated_ts=update)
    with pytest.raises(PagingFault) as caught:
        check(OrderedApi(world), end_at(start_of(world[5])), seen(*range(6)))
    assert (caught.value.rule, caught.value.page) == ("list cut short", 7)
    assert f"the API has milestone {milestone_id(6)}" in str(caught.value)
    assert f"{world[5]['start_date']}" in str(caught.value)


def test_what_came_or_moved_meanwhile_proves_nothing() -> None:
    world = rows(8, last_updated_ts="2026-11-23T11:55:00.000001Z")
    check(OrderedApi(world), end_at(start_of(world[5])), seen(*range(6)))


def test_a_record_that_cannot_be_read_proves_nothing() -> None:
    world = [*rows(6), {"start_date": "2026-11-20T00:00:00Z", "id": "x"}]

    class Odd(OrderedApi):
        def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Answer:
            found = super().list_page(query, cursor)
            return replace(found, ids=tuple("?digest" if one == "x" else one for one in found.ids))

    check(Odd(world), end_at(start_of(world[5])), seen(*range(6)))


def test_more_than_a_page_that_start_at_the_end_hide_nothing_behind_them() -> None:
    world = rows(6, start_date="2026-11-01T00:00:00Z") + rows(8)[6:]
    api = OrderedApi(world)
    with pytest.raises(PagingFault, match=milestone_id(6)):
        check(api, end_at(start_of(world[0])), seen(*range(6)))
    assert len(api.asked) == 2


def test_the_last_moment_has_none_behind_it() -> None:
    world = rows(6, start_date="9999-12-31T23:59:59Z")
    api = OrderedApi(world)
    check(api, end_at(start_of(world[0])), seen(*range(6)))
    assert len(api.asked) == 1


def test_where_the_bound_is_ignored_a_full_page_is_no_end(caplog: pytest.LogCaptureFixture) -> None:
    world = rows(8)
    api = CuttingApi(world, at=8, is_deaf=True)
    with pytest.raises(PagingFault) as caught:
        check(api, end_at(start_of(world[5])), seen(*range(6)))
    assert caught.value.rule == "end not proven"
    check(api, end_at(start_of(world[5]), is_full=False), seen(*range(6)))
    (said,) = caplog.messages
    assert "cannot be told: the API ignores minimum_start_date" in said


def test_other_filters_hold_for_the_question_too() -> None:
    api = OrderedApi(rows(8))

    class Deaf(OrderedApi):
        def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Answer:
            return api.list_page(replace(query, type=None), cursor)

    with pytest.raises(FilterIgnored):
        check_end(
            Deaf(), replace(QUERY, type="golf"), end_at(start_of(rows(8)[5])), seen(), changed_after=CHANGED_AFTER
        )


# Which ends are doubtful


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("count", [200, 198], ids=["the last page is full", "it is not"])
def test_a_list_that_ends_in_the_past_passes_with_one_more_request(count: int, connections: int) -> None:
    api = OrderedApi(rows(count))
    fetched = list(scan_in_shards(api, QUERY, now=NOON, connections=connections))
    assert len(set(ids_of(fetched))) == count
    newest = start_of(rows(count)[-1])
    assert [one for one in api.asked if one == (newest, None)] == [(newest, None)]


def test_a_list_that_ends_in_the_future_with_a_page_that_is_not_full_is_believed() -> None:
    world = rows(8)
    world[-1]["start_date"] = "2026-12-24T00:00:00Z"
    api = OrderedApi(world)
    list(scan_in_shards(api, QUERY, now=NOON, connections=1))
    assert [bound for bound, _ in api.asked] == [None, None]


@pytest.mark.parametrize("connections", [1, 4, 8])
@pytest.mark.parametrize("at", [1, 60, 150])
def test_a_list_that_is_cut_is_not_believed(at: int, connections: int) -> None:
    with pytest.raises(PagingFault, match="list stopped at the start"):
        list(scan_in_shards(CuttingApi(rows(200), at=at), QUERY, now=NOON, connections=connections))


def test_a_range_that_stops_before_its_end_is_not_believed() -> None:
    """The others see what lies behind it, and the whole ends in the future: only the gap tells."""
    world = rows(400)
    for number, row in enumerate(world):
        row["start_date"] = f"{NOON + timedelta(days=number - 370):%Y-%m-%dT%H:%M:%SZ}"
    hole = {row["id"] for row in world[40:49]}

    class Gap(OrderedApi):
        def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Answer:
            found = super().list_page(query, cursor)
            return replace(found, next_cursor=None) if hole & set(found.ids) else found

    api = Gap(world)
    with pytest.raises(PagingFault, match="list stopped at the start"):
        list(scan_in_shards(api, MilestoneQuery(limit=6), now=NOON, connections=4))
    assert len({bound for bound, _ in api.asked}) > 2


def test_a_scan_that_ends_with_a_full_page_is_checked() -> None:
    world = rows(10)
    assert len(list(scan(OrderedApi(world), QUERY))) == 2
    with pytest.raises(PagingFault, match="list stopped at the start"):
        list(scan(CuttingApi(world, at=3), QUERY))


def test_a_scan_that_was_landed_to_its_end_is_checked_when_it_resumes() -> None:
    world = rows(10)
    fetched = list(scan(OrderedApi(world), QUERY))
    landed = [
        LandedPage(None, one.cursor, one.answer.next_cursor, one.answer.starts, one.answer.ids, 5) for one in fetched
    ]
    api = OrderedApi(world)
    assert len(list(scan(api, QUERY, landed=landed))) == 1
    assert [bound for bound, _ in api.asked] == [None, start_of(world[-1])]
