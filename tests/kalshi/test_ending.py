"""A list that stopped has ended, was cut, or cannot be checked."""

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
from pipelines.kalshi.response import Response
from pipelines.kalshi.scans import scan, scan_in_shards
from pipelines.kalshi.shards import LandedPage
from tests.kalshi.scripted_api import ids_of
from tests.kalshi.test_shards import OrderedApi
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
    """Cuts the list after `at` milestones: pages that hold a later one have no cursor, in any shard."""

    def __init__(self, rows: Sequence[dict[str, Any]], *, at: int, ignores_bound: bool = False) -> None:
        super().__init__(rows)
        self._last = {row["id"] for row in rows[at:]}
        self._ignores_bound = ignores_bound

    def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Response:
        found = super().list_page(replace(query, minimum_start_date=None) if self._ignores_bound else query, cursor)
        self.requests[-1] = (query.minimum_start_date, cursor)
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


def test_checking_a_real_end_costs_one_request() -> None:
    world = rows(8)
    api = OrderedApi(world)
    check(api, end_at(start_of(world[-1])), seen(*range(8)))
    assert api.requests == [(start_of(world[-1]), None)]


@pytest.mark.parametrize("update", [None, ZERO_TIME, "2026-11-23T11:55:00Z"], ids=["old", "zero", "at the bound"])
def test_a_missing_milestone_after_the_end_proves_a_cut(update: str | None) -> None:
    world = rows(8) if update is None else rows(8, last_updated_ts=update)
    with pytest.raises(PagingFault) as caught:
        check(OrderedApi(world), end_at(start_of(world[5])), seen(*range(6)))
    assert (caught.value.rule, caught.value.page) == ("list cut short", 7)
    assert f"the API has milestone {milestone_id(6)}" in str(caught.value)
    assert f"{world[5]['start_date']}" in str(caught.value)


def test_a_milestone_updated_meanwhile_proves_nothing() -> None:
    world = rows(8, last_updated_ts="2026-11-23T11:55:00.000001Z")
    check(OrderedApi(world), end_at(start_of(world[5])), seen(*range(6)))


def test_an_unreadable_record_proves_nothing() -> None:
    world = [*rows(6), {"start_date": "2026-11-20T00:00:00Z", "id": "x"}]

    class Odd(OrderedApi):
        def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Response:
            found = super().list_page(query, cursor)
            return replace(found, ids=tuple("?digest" if one == "x" else one for one in found.ids))

    check(Odd(world), end_at(start_of(world[5])), seen(*range(6)))


def test_a_full_page_of_milestones_at_the_end_does_not_hide_later_ones() -> None:
    world = rows(6, start_date="2026-11-01T00:00:00Z") + rows(8)[6:]
    api = OrderedApi(world)
    with pytest.raises(PagingFault, match=milestone_id(6)):
        check(api, end_at(start_of(world[0])), seen(*range(6)))
    assert len(api.requests) == 2


def test_nothing_is_requested_after_the_last_moment_there_is() -> None:
    world = rows(6, start_date="9999-12-31T23:59:59Z")
    api = OrderedApi(world)
    check(api, end_at(start_of(world[0])), seen(*range(6)))
    assert len(api.requests) == 1


def test_with_an_ignored_bound_a_full_last_page_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    world = rows(8)
    api = CuttingApi(world, at=8, ignores_bound=True)
    with pytest.raises(PagingFault) as caught:
        check(api, end_at(start_of(world[5])), seen(*range(6)))
    assert caught.value.rule == "end not proven"
    check(api, end_at(start_of(world[5]), is_full=False), seen(*range(6)))
    (message,) = caplog.messages
    assert "its end cannot be checked: the API ignores minimum_start_date" in message


def test_the_check_uses_the_filters_of_the_query() -> None:
    api = OrderedApi(rows(8))

    class Ignoring(OrderedApi):
        def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Response:
            return api.list_page(replace(query, type=None), cursor)

    with pytest.raises(FilterIgnored):
        check_end(
            Ignoring(), replace(QUERY, type="golf"), end_at(start_of(rows(8)[5])), seen(), changed_after=CHANGED_AFTER
        )


# Which ends are doubtful


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("count", [200, 198], ids=["full last page", "last page not full"])
def test_a_list_that_ends_in_the_past_costs_one_more_request(count: int, connections: int) -> None:
    api = OrderedApi(rows(count))
    fetched = list(scan_in_shards(api, QUERY, now=NOON, connections=connections))
    assert len(set(ids_of(fetched))) == count
    newest = start_of(rows(count)[-1])
    assert [one for one in api.requests if one == (newest, None)] == [(newest, None)]


def test_a_list_that_ends_in_the_future_without_a_full_page_is_not_checked() -> None:
    world = rows(8)
    world[-1]["start_date"] = "2026-12-24T00:00:00Z"
    api = OrderedApi(world)
    list(scan_in_shards(api, QUERY, now=NOON, connections=1))
    assert [bound for bound, _ in api.requests] == [None, None]


@pytest.mark.parametrize("connections", [1, 4, 8])
@pytest.mark.parametrize("at", [1, 60, 150])
def test_a_cut_list_is_an_error(at: int, connections: int) -> None:
    with pytest.raises(PagingFault, match="list stopped at the start"):
        list(scan_in_shards(CuttingApi(rows(200), at=at), QUERY, now=NOON, connections=connections))


def test_a_shard_that_stops_before_its_end_is_an_error() -> None:
    """Later shards have milestones and the list ends in the future: only the gap shows the cut."""
    world = rows(400)
    for number, row in enumerate(world):
        row["start_date"] = f"{NOON + timedelta(days=number - 370):%Y-%m-%dT%H:%M:%SZ}"
    hole = {row["id"] for row in world[40:49]}

    class Gap(OrderedApi):
        def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Response:
            found = super().list_page(query, cursor)
            return replace(found, next_cursor=None) if hole & set(found.ids) else found

    api = Gap(world)
    with pytest.raises(PagingFault, match="list stopped at the start"):
        list(scan_in_shards(api, MilestoneQuery(limit=6), now=NOON, connections=4))
    assert len({bound for bound, _ in api.requests}) > 2


def test_a_scan_that_ends_with_a_full_page_is_checked() -> None:
    world = rows(10)
    assert len(list(scan(OrderedApi(world), QUERY))) == 2
    with pytest.raises(PagingFault, match="list stopped at the start"):
        list(scan(CuttingApi(world, at=3), QUERY))


def test_a_completely_landed_scan_is_checked_when_it_resumes() -> None:
    world = rows(10)
    fetched = list(scan(OrderedApi(world), QUERY))
    landed = [
        LandedPage(None, one.cursor, one.response.next_cursor, one.response.starts, one.response.ids, 5)
        for one in fetched
    ]
    api = OrderedApi(world)
    assert len(list(scan(api, QUERY, landed=landed))) == 1
    assert [bound for bound, _ in api.requests] == [None, start_of(world[-1])]
