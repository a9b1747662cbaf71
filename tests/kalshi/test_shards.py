"""A scan in shards brings the same milestones as a scan from start to end, and costs few more requests."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from pipelines.kalshi.client import connections_for
from pipelines.kalshi.errors import FilterIgnored, InvalidCursor, PagingFault
from pipelines.kalshi.full_sweep import full_sweep
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.response import Response
from pipelines.kalshi.scans import Fetched, scan_in_shards
from pipelines.kalshi.shards import (
    ASCENTS_THAT_SHOW_ORDER,
    MAX_PAGES_PER_USEFUL_PAGE,
    MAX_WASTED_PAGES,
    MAX_WASTED_SHARE,
    MIN_PAGES_ALLOWED,
    LandedPage,
    Shard,
    Shards,
)
from sandbox.cursor import encode_cursor
from sandbox.query import parse_query
from sandbox.world import World
from tests.support import NOON, as_bytes, milestone, milestone_id, page_body

from .scripted_api import ids_of, response

QUERY = MilestoneQuery(limit=5)
ROWS = [
    milestone(number, start_date=f"{NOON - timedelta(days=900 - number * number // 40):%Y-%m-%dT%H:%M:%SZ}")
    for number in range(200)
]
IDS = {row["id"] for row in ROWS}


class OrderedApi:
    """Reads a sandbox world without HTTP, from several threads; `requests` are (minimum_start_date, cursor)."""

    def __init__(self, rows: Sequence[dict[str, object]] = ROWS, *, is_exclusive: bool = False) -> None:
        self.world = World(as_bytes(rows), now=lambda: NOON)
        self.requests: list[tuple[datetime | None, str | None]] = []
        self.refused: set[str] = set()
        self._is_exclusive = is_exclusive
        self._lock = threading.Lock()

    def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Response:
        with self._lock:
            self.requests.append((query.minimum_start_date, cursor))
            if cursor is not None and cursor in self.refused:
                self.refused.remove(cursor)
                raise InvalidCursor("https://api.test/milestones", status=400)
            if self._is_exclusive and query.minimum_start_date is not None:
                query = replace(query, minimum_start_date=query.minimum_start_date + timedelta(seconds=1))
            found = self.world.page(parse_query(query.params(cursor)))
        following = "" if found.next_position is None else encode_cursor(found.next_position)
        return response(page_body([msgspec.json.decode(body) for body in found.bodies], following))

    def get_milestone(self, milestone_id: str) -> Response:
        raise NotImplementedError


def landed_of(fetched: Sequence[Fetched], bounds: Sequence[datetime | None]) -> list[LandedPage]:
    return [
        LandedPage(bound, page.cursor, page.response.next_cursor, page.response.starts, page.response.ids, QUERY.limit)
        for page, bound in zip(fetched, bounds, strict=True)
    ]


def bound_of(fetched: Fetched) -> datetime | None:
    _, found, rest = fetched.path.partition("minimum_start_date=")
    return datetime.fromisoformat(rest.partition("&")[0].replace("%3A", ":")) if found else None


@pytest.mark.parametrize("is_exclusive", [False, True], ids=["inclusive bound", "exclusive bound"])
@pytest.mark.parametrize("connections", [1, 2, 4, 8])
def test_every_milestone_comes_with_any_number_of_connections(connections: int, *, is_exclusive: bool) -> None:
    api = OrderedApi(is_exclusive=is_exclusive)
    fetched = list(scan_in_shards(api, QUERY, now=NOON, connections=connections))
    assert set(ids_of(fetched)) == IDS
    # At a split up to a page or two are read twice; nothing else is.
    pages = len(ROWS) // 5
    # The last page is full: one more request checks whether the list ends there.
    assert len(api.requests) == pages + 1 if connections == 1 else pages <= len(api.requests) <= 2 * pages


def test_several_shards_are_read() -> None:
    api = OrderedApi()
    list(scan_in_shards(api, QUERY, now=NOON, connections=4))
    assert len({bound for bound, _ in api.requests}) >= 4


def test_milestones_that_all_start_at_one_instant_are_all_read() -> None:
    api = OrderedApi([milestone(number, start_date="2026-01-01T00:00:00Z") for number in range(100)])
    assert len(set(ids_of(list(scan_in_shards(api, QUERY, now=NOON, connections=4))))) == 100


def test_a_scan_resumes_after_the_landed_pages() -> None:
    whole = list(scan_in_shards(OrderedApi(), QUERY, now=NOON, connections=4))
    for count in (1, 5, 20, len(whole) - 1):
        landed = whole[:count]
        api = OrderedApi()
        rest = list(
            scan_in_shards(
                api, QUERY, now=NOON, connections=4, landed=landed_of(landed, [bound_of(page) for page in landed])
            )
        )
        assert set(ids_of([*landed, *rest])) == IDS, count
        # No landed page is requested again.
        assert not {(bound_of(page), page.cursor) for page in landed} & set(api.requests), count


def test_a_list_that_is_not_ordered_by_start_is_read_from_start_to_end() -> None:
    rows = ROWS[:-1]
    shuffled = [rows[number * 37 % len(rows)] for number in range(len(rows))]
    pages = [shuffled[start : start + 5] for start in range(0, len(shuffled), 5)]

    class Disorderly(OrderedApi):
        def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Response:
            number = int(cursor or 0)
            self.requests.append((query.minimum_start_date, cursor))
            following = str(number + 1) if number + 1 < len(pages) else ""
            return response(page_body(pages[number], following))

    api = Disorderly()
    fetched = list(scan_in_shards(api, QUERY, now=NOON, connections=4))
    assert set(ids_of(fetched)) == {row["id"] for row in rows}
    unbounded = [bound for bound, _ in api.requests if bound is None]
    # It ends with a start in the past: one request checks whether that is the end.
    assert (len(unbounded), len(api.requests)) == (len(pages), len(pages) + 1)


def test_late_disorder_leaves_the_first_shard_to_read_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    api = OrderedApi()
    late = sorted(ROWS, key=lambda row: row["start_date"])[150]

    class Late(OrderedApi):
        def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Response:
            found = api.list_page(query, cursor)
            if late["id"] in found.ids:
                return replace(found, starts=tuple(reversed(found.starts)))
            return found

    fetched = list(scan_in_shards(Late(), QUERY, now=NOON, connections=4))
    assert len({bound_of(page) for page in fetched}) > 1
    # The pages requested without a bound are the whole list, in its order.
    whole = [page for page in fetched if bound_of(page) is None]
    assert ids_of(whole) == [row["id"] for row in sorted(ROWS, key=lambda row: (row["start_date"], row["id"]))]
    assert len([line for line in caplog.messages if "starts are not in order" in line]) == 1


# An API that ignores the bound


class IgnoringApi(OrderedApi):
    """Ignores `minimum_start_date` after a number of requests."""

    def __init__(self, *, after: int = 0, rows: Sequence[dict[str, object]] = ROWS) -> None:
        super().__init__(rows)
        self._after = after

    def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Response:
        if len(self.requests) < self._after:
            return super().list_page(query, cursor)
        found = super().list_page(replace(query, minimum_start_date=None), cursor)
        self.requests[-1] = (query.minimum_start_date, cursor)
        return found


@pytest.mark.parametrize("after", [0, 10, 30])
@pytest.mark.parametrize("connections", [1, 4, 8])
def test_an_ignored_bound_leaves_the_first_shard_to_read_the_list(
    connections: int, after: int, caplog: pytest.LogCaptureFixture
) -> None:
    rows = ROWS[:-1]
    api = IgnoringApi(after=after, rows=rows)
    fetched = list(scan_in_shards(api, QUERY, now=NOON, connections=connections))
    assert set(ids_of(fetched)) == {row["id"] for row in rows}
    pages = len(rows) // 5 + 1
    # Shards that had begun before the API ignored the bound continue by their cursors; how many requests were in flight
    # then depends on the threads.
    assert len(api.requests) <= (pages if after == 0 else 2 * pages) + connections
    for page in fetched:
        bound = bound_of(page)
        assert bound is None or min(page.response.starts) >= f"{bound:%Y-%m-%dT%H:%M:%SZ}", (
            "landed though not requested"
        )
    assert sum("ignores minimum_start_date" in line for line in caplog.messages) == (connections > 1)


def test_a_resumed_scan_with_an_ignored_bound_requests_no_landed_page_again() -> None:
    rows = ROWS[:-1]
    whole = list(scan_in_shards(IgnoringApi(rows=rows), QUERY, now=NOON, connections=4))
    landed = whole[:12]
    api = IgnoringApi(rows=rows)
    rest = list(
        scan_in_shards(api, QUERY, now=NOON, connections=4, landed=landed_of(landed, [bound_of(one) for one in landed]))
    )
    assert set(ids_of([*landed, *rest])) == {row["id"] for row in rows}
    assert len(rest) == len(whole) - 12
    assert len(api.requests) <= len(rest) + 4


def test_the_bound_of_the_query_itself_is_checked_like_any_filter() -> None:
    api = IgnoringApi()
    since = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(FilterIgnored) as caught:
        list(scan_in_shards(api, replace(QUERY, minimum_start_date=since), now=NOON, connections=4))
    assert (caught.value.filter, caught.value.wanted) == ("minimum_start_date", "2026-01-01T00:00:00Z")
    assert len(api.requests) == 1


# How many requests a scan may cost


def clustered(number: int) -> dict[str, object]:
    days = (-800, -500, -100, -3, 3)[number % 5]
    return milestone(number, start_date=f"{NOON + timedelta(days=days, seconds=number % 4):%Y-%m-%dT%H:%M:%SZ}")


@pytest.mark.parametrize(
    "rows",
    [
        [clustered(number) for number in range(400)],
        [
            milestone(
                number, start_date=f"{'2000-01-01' if number < 100 else f'2026-10-{number % 28 + 1:02d}'}T00:00:00Z"
            )
            for number in range(400)
        ],
    ],
    ids=["clusters", "placeholders"],
)
def test_splits_stop_where_they_bring_nothing_new(rows: list[dict[str, object]]) -> None:
    api = OrderedApi(rows)
    fetched = list(scan_in_shards(api, QUERY, now=NOON, connections=8))
    assert set(ids_of(fetched)) == {row["id"] for row in rows}
    assert len(api.requests) <= 80 * (1 + MAX_WASTED_SHARE) + MAX_WASTED_PAGES + 2 * 8


def test_pages_without_new_milestones_end_the_scan() -> None:
    """As when every shard gets pages of the same few milestones."""
    shards = Shards(QUERY, now=NOON)

    def add(pages: int) -> None:
        for number in range(pages):
            # Each is the first page of a shard, so no rule on the pages of one shard applies.
            shards.add_page(Shard(None), f"cursor {number}", [f"id {number % 50}"], (), looks_cut=False)

    with pytest.raises(PagingFault) as caught:
        add(1_000)
    assert caught.value.rule == "too many pages"
    assert caught.value.page == MAX_PAGES_PER_USEFUL_PAGE * 50 + 1
    assert "only 50 of 201 pages brought new milestones; with so few, a sweep reads at most 200 pages" in str(
        caught.value
    )


def test_a_refused_cursor_restarts_its_shard_once() -> None:
    api = OrderedApi()
    first = list(scan_in_shards(api, QUERY, now=NOON, connections=1))
    cursor = first[10].cursor
    assert cursor is not None
    api.refused = {cursor}
    assert set(ids_of(list(scan_in_shards(api, QUERY, now=NOON, connections=4)))) == IDS


def test_a_long_scan_whose_landed_cursor_is_refused_starts_over() -> None:
    """Every page is read once more, which must not count as a runaway scan."""
    rows = [milestone(number) for number in range(1_000)]
    whole = list(scan_in_shards(OrderedApi(rows), QUERY, now=NOON, connections=1))
    landed = whole[:-20]
    assert len(landed) > MIN_PAGES_ALLOWED
    api = OrderedApi(rows)
    api.refused = {landed[-1].response.next_cursor or ""}
    rest = list(scan_in_shards(api, QUERY, now=NOON, connections=1, landed=landed_of(landed, [None for _ in landed])))
    assert len(rest) == len(whole)


def test_an_error_of_one_request_ends_the_scan() -> None:
    class Circular(OrderedApi):
        def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Response:
            return replace(super().list_page(query, None), next_cursor="always the same")

    with pytest.raises(PagingFault):
        list(scan_in_shards(Circular(), QUERY, now=NOON, connections=4))


def test_an_unreadable_start_does_not_count_as_disorder() -> None:
    shards = Shards(QUERY, now=NOON)
    shard = shards.next_to_request()
    assert shard is not None
    before = tuple(f"2024-12-{day:02}T00:00:00Z" for day in range(1, ASCENTS_THAT_SHOW_ORDER))
    starts = (*before, "2025-01-01T00:00:00Z", "soon", "2025-01-02T00:00:00+01:00")
    assert shards.add_page(shard, "c", [str(number) for number in range(len(starts))], starts, looks_cut=False)
    assert shard.reached == datetime(2025, 1, 1, 23, tzinfo=UTC)
    assert shards.next_to_request() is not None


def test_a_full_sweep_ends_with_a_catch_up() -> None:
    api = OrderedApi()
    fetched = list(full_sweep(api, QUERY, started_at=NOON, now=lambda: NOON, connections=4))
    assert set(ids_of(fetched)) == IDS
    assert "min_updated_ts=" in fetched[-1].path
    assert milestone_id(0) in ids_of(fetched)


@pytest.mark.parametrize(
    ("requests_per_second", "connections"),
    [(None, 1), (0, 1), (0.5, 1), (4, 1), (10, 3), (20, 5), (1000, 8)],
    ids=str,
)
def test_the_number_of_connections_follows_the_pace(requests_per_second: float | None, connections: int) -> None:
    assert connections_for(requests_per_second) == connections


def test_nothing_ends_early_before_the_list_was_seen_to_be_in_order() -> None:
    """Pages of one milestone hide that there is no order: a start beyond the end of a range may be the first of all."""
    shards = Shards(replace(QUERY, maximum_start_date=datetime(2025, 6, 1, tzinfo=UTC)), now=NOON)
    shard = shards.next_to_request()
    assert shard is not None
    for number in range(ASCENTS_THAT_SHOW_ORDER):
        shard.is_in_flight = False
        start = f"2025-07-{number + 1:02}T00:00:00Z"
        assert shards.add_page(shard, f"c{number}", [str(number)], (start,), looks_cut=True)
        assert not shard.is_done
        assert shards.next_to_request() is shard
    start = f"2025-07-{ASCENTS_THAT_SHOW_ORDER + 1:02}T00:00:00Z"
    assert shards.add_page(shard, "c", ["last"], (start,), looks_cut=True)
    assert shard.is_done
