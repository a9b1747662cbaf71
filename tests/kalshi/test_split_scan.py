"""A list that is divided and read range by range, and resumed from all pages, is read completely and once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pipelines.kalshi.errors import InvalidCursor, ServerFault
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.response import Response
from pipelines.kalshi.scans import Fetched, scan_in_shards
from pipelines.kalshi.shards import LandedPage
from pipelines.kalshi.split_scan import StartRange, divide, read_range
from tests.support import NOON

from .scripted_api import ids_of
from .test_shards import IDS, QUERY, ROWS, OrderedApi, bound_of, landed_of

LARGE_PAGES = replace(QUERY, limit=20)
"""The first page has to show that the list is in order."""


def read_all(api: OrderedApi, ranges: int) -> list[Fetched]:
    """Divide the list and read every range to its end."""
    found, first_pages = divide(api, LARGE_PAGES, now=NOON, ranges=ranges)
    pages = []
    for one in found:
        pages.append(first_pages[one.begins])
        if not one.is_done:
            pages += read_range(api, LARGE_PAGES, one, landed([first_pages[one.begins]]), may_continue=lambda: True)
    return pages


def landed(pages: list[Fetched]) -> list[LandedPage]:
    return landed_of(pages, [bound_of(page) for page in pages])


def resumed(api: OrderedApi, pages: list[Fetched]) -> list[Fetched]:
    """What the scan of all ranges still requests after these pages."""
    return list(scan_in_shards(api, QUERY, now=NOON, connections=1, landed=landed(pages)))


@pytest.mark.parametrize("ranges", [1, 2, 8, 100])
def test_all_ranges_together_are_the_list(ranges: int) -> None:
    api = OrderedApi()
    pages = read_all(api, ranges)
    assert set(ids_of(pages)) == IDS
    requests = len(api.requests)
    assert requests <= 40 + 2 * ranges
    assert resumed(api, pages) == [], "nothing is left to request"


def test_a_range_ends_after_its_last_start() -> None:
    found, _ = divide(OrderedApi(), LARGE_PAGES, now=NOON, ranges=4)
    assert len(found) == 4
    assert found[0].begins is None
    assert [one.begins for one in found[1:]] == [one.ends for one in found[:-1]]
    assert found[-1].ends is None


def test_dividing_a_short_list_leaves_one_range_that_is_done() -> None:
    api = OrderedApi(ROWS[:3])
    found, first_pages = divide(api, QUERY, now=NOON, ranges=8)
    assert found == [StartRange(None, None, is_done=True)]
    assert len(first_pages) == len(api.requests) == 1


def test_where_the_api_ignores_the_bound_one_range_is_left() -> None:
    class IgnoresBounds(OrderedApi):
        def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Response:
            return super().list_page(QUERY, cursor)

    api = IgnoresBounds()
    found, first_pages = divide(api, QUERY, now=NOON, ranges=8)
    assert found == [StartRange(None, None)]
    assert list(first_pages) == [None]
    assert list(read_range(api, QUERY, StartRange(NOON, None), [], may_continue=lambda: True)) == []


def test_a_range_resumes_after_its_landed_pages() -> None:
    api = OrderedApi()
    whole = list(read_range(api, QUERY, StartRange(None, None), [], may_continue=lambda: True))
    api.requests.clear()
    rest = list(read_range(api, QUERY, StartRange(None, None), landed(whole[:30]), may_continue=lambda: True))
    assert [page.cursor for page in rest] == [page.cursor for page in whole[30:]]
    assert [cursor for _, cursor in api.requests] == [page.response.next_cursor for page in whole[29:-1]]


def test_a_range_ends_early_when_its_time_is_over() -> None:
    answers = iter([True, True, False])
    pages = list(read_range(OrderedApi(), QUERY, StartRange(None, None), [], may_continue=lambda: next(answers)))
    assert len(pages) == 2


@pytest.mark.parametrize(
    "fault",
    [
        lambda: InvalidCursor("https://api.test/milestones", status=400),
        lambda: ServerFault("https://api.test/milestones", status=503),
    ],
    ids=["refused cursor", "outage"],
)
def test_what_a_failed_range_leaves_out_is_read_by_the_resumed_scan(
    fault: Callable[[], Exception], caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(OrderedApi):
        fails = True

        def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Response:
            if self.fails and len(self.requests) == 10:
                raise fault()
            return super().list_page(query, cursor)

    api = Failing()
    pages = list(read_range(api, QUERY, StartRange(None, None), [], may_continue=lambda: True))
    assert len(pages) == 10
    assert "left to the merge" in caplog.text
    api.fails = False
    assert set(ids_of(pages + resumed(api, pages))) == IDS


def test_a_range_out_of_order_ends_and_the_resumed_scan_reads_the_list_from_start_to_end() -> None:
    class OutOfOrder(OrderedApi):
        def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Response:
            response = super().list_page(query, cursor)
            return response if len(self.requests) != 5 else replace(response, starts=response.starts[::-1])

    pages = list(read_range(OutOfOrder(), QUERY, StartRange(None, None), [], may_continue=lambda: True))
    assert len(pages) == 5
    assert set(ids_of(pages + resumed(OrderedApi(), pages))) == IDS
