"""A scan in several places at once brings what a scan from one end to the other brings."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from pipelines.kalshi.client import connections_for
from pipelines.kalshi.errors import FilterIgnored, InvalidCursor, PagingFault
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.response import Answer, read_page
from pipelines.kalshi.shards import (
    MAX_PAGES_PER_USEFUL_PAGE,
    MAX_WASTED_PAGES,
    MAX_WASTED_SHARE,
    MIN_PAGES_ALLOWED,
    LandedPage,
    Shard,
    Shards,
)
from pipelines.kalshi.sweeps import Fetched, full_sweep, scan_in_shards
from sandbox.cursor import encode_cursor
from sandbox.query import parse_query
from sandbox.world import World
from tests.support import NOON, as_bytes, milestone, milestone_id, page_body

QUERY = MilestoneQuery(limit=5)
ROWS = [
    milestone(number, start_date=f"{NOON - timedelta(days=900 - number * number // 40):%Y-%m-%dT%H:%M:%SZ}")
    for number in range(200)
]
IDS = {row["id"] for row in ROWS}


class OrderedApi:
    """A world asked without HTTP, by several threads; `asked` holds every question's bound and cursor."""

    def __init__(self, rows: Sequence[dict[str, object]] = ROWS, *, is_exclusive: bool = False) -> None:
        self.world = World(as_bytes(rows), now=lambda: NOON)
        self.asked: list[tuple[datetime | None, str | None]] = []
        self.refused: set[str] = set()
        self._is_exclusive = is_exclusive
        self._lock = threading.Lock()

    def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Answer:
        with self._lock:
            self.asked.append((query.minimum_start_date, cursor))
            if cursor is not None and cursor in self.refused:
                self.refused.remove(cursor)
                raise InvalidCursor("https://api.test/milestones", status=400)
            if self._is_exclusive and query.minimum_start_date is not None:
                query = replace(query, minimum_start_date=query.minimum_start_date + timedelta(seconds=1))
            found = self.world.page(parse_query(query.params(cursor)))
        following = "" if found.next_position is None else encode_cursor(found.next_position)
        return answer(page_body([msgspec.json.decode(body) for body in found.bodies], following))

    def get_milestone(self, milestone_id: str) -> Answer:
        raise NotImplementedError


def answer(body: bytes) -> Answer:
    content = read_page(body)
    return Answer(
        body=body,
        next_cursor=content.next_cursor,
        ids=content.ids,
        starts=content.starts,
        updates=content.updates,
        categories=content.categories,
        types=content.types,
        fetched_at=NOON,
        url_path="/milestones",
    )


def ids_of(fetched: Sequence[Fetched]) -> list[str]:
    return [one for page in fetched for one in page.answer.ids]


def landed_of(fetched: Sequence[Fetched], bounds: Sequence[datetime | None]) -> list[LandedPage]:
    return [
        LandedPage(bound, page.cursor, page.answer.next_cursor, page.answer.starts, page.answer.ids, QUERY.limit)
        for page, bound in zip(fetched, bounds, strict=True)
    ]


def bound_of(fetched: Fetched) -> datetime | None:
    _, found, rest = fetched.path.partition("minimum_start_date=")
    return datetime.fromisoformat(rest.partition("&")[0].replace("%3A", ":")) if found else None


@pytest.mark.parametrize("is_exclusive", [False, True], ids=["bound included", "bound not included"])
@pytest.mark.parametrize("connections", [1, 2, 4, 8])
def test_everything_comes_whatever_the_connections(connections: int, *, is_exclusive: bool) -> None:
    api = OrderedApi(is_exclusive=is_exclusive)
    fetched = list(scan_in_shards(api, QUERY, now=NOON, connections=connections))
    assert set(ids_of(fetched)) == IDS
    # A cut is read twice on a page or two; nothing else is.
    pages = len(ROWS) // 5
    # The last page is full: one more request asks whether the list ends there.
    assert len(api.asked) == pages + 1 if connections == 1 else pages <= len(api.asked) <= 2 * pages


def test_several_places_are_read() -> None:
    api = OrderedApi()
    list(scan_in_shards(api, QUERY, now=NOON, connections=4))
    assert len({bound for bound, _ in api.asked}) >= 4


def test_many_that_start_at_once_are_all_read() -> None:
    api = OrderedApi([milestone(number, start_date="2026-01-01T00:00:00Z") for number in range(100)])
    assert len(set(ids_of(list(scan_in_shards(api, QUERY, now=NOON, connections=4))))) == 100


def test_a_scan_goes_on_after_what_was_landed() -> None:
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
        # Nothing that was landed is asked for again.
        assert not {(bound_of(page), page.cursor) for page in landed} & set(api.asked), count


def test_a_list_that_is_not_ordered_by_start_is_read_from_its_beginning_to_its_end() -> None:
    rows = ROWS[:-1]
    shuffled = [rows[number * 37 % len(rows)] for number in range(len(rows))]
    pages = [shuffled[start : start + 5] for start in range(0, len(shuffled), 5)]

    class Disorderly(OrderedApi):
        def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Answer:
            number = int(cursor or 0)
            self.asked.append((query.minimum_start_date, cursor))
            following = str(number + 1) if number + 1 < len(pages) else ""
            return answer(page_body(pages[number], following))

    api = Disorderly()
    fetched = list(scan_in_shards(api, QUERY, now=NOON, connections=4))
    assert set(ids_of(fetched)) == {row["id"] for row in rows}
    unbounded = [bound for bound, _ in api.asked if bound is None]
    # It ends with a start of the past: one request asks whether that is the end.
    assert (len(unbounded), len(api.asked)) == (len(pages), len(pages) + 1)


def test_disorder_that_shows_late_leaves_the_first_range_to_read_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    api = OrderedApi()
    late = sorted(ROWS, key=lambda row: row["start_date"])[150]

    class Late(OrderedApi):
        def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Answer:
            found = api.list_page(query, cursor)
            if late["id"] in found.ids:
                return replace(found, starts=tuple(reversed(found.starts)))
            return found

    fetched = list(scan_in_shards(Late(), QUERY, now=NOON, connections=4))
    assert len({bound_of(page) for page in fetched}) > 1
    # The pages that were asked for without a bound are the whole list, in its order.
    whole = [page for page in fetched if bound_of(page) is None]
    assert ids_of(whole) == [row["id"] for row in sorted(ROWS, key=lambda row: (row["start_date"], row["id"]))]
    assert len([line for line in caplog.messages if "starts are not in order" in line]) == 1


# A bound that the API ignores


class DeafApi(OrderedApi):
    """Ignores `minimum_start_date`, from a number of requests on."""

    def __init__(self, *, after: int = 0, rows: Sequence[dict[str, object]] = ROWS) -> None:
        super().__init__(rows)
        self._after = after

    def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Answer:
        if len(self.asked) < self._after:
            return super().list_page(query, cursor)
        found = super().list_page(replace(query, minimum_start_date=None), cursor)
        self.asked[-1] = (query.minimum_start_date, cursor)
        return found


@pytest.mark.parametrize("after", [0, 10, 30])
@pytest.mark.parametrize("connections", [1, 4, 8])
def test_a_bound_that_is_ignored_leaves_the_first_range_to_read_the_list(
    connections: int, after: int, caplog: pytest.LogCaptureFixture
) -> None:
    rows = ROWS[:-1]
    api = DeafApi(after=after, rows=rows)
    fetched = list(scan_in_shards(api, QUERY, now=NOON, connections=connections))
    assert set(ids_of(fetched)) == {row["id"] for row in rows}
    pages = len(rows) // 5 + 1
    # Ranges that were under way before it began to ignore the bound go on by their cursors; how many requests were in
    # flight then is up to the threads.
    assert len(api.asked) <= (pages if after == 0 else 2 * pages) + connections
    for page in fetched:
        bound = bound_of(page)
        assert bound is None or min(page.answer.starts) >= f"{bound:%Y-%m-%dT%H:%M:%SZ}", "landed though not asked for"
    assert sum("ignores minimum_start_date" in line for line in caplog.messages) == (connections > 1)


def test_a_scan_that_resumes_where_the_bound_is_ignored_asks_for_nothing_that_was_landed() -> None:
    rows = ROWS[:-1]
    whole = list(scan_in_shards(DeafApi(rows=rows), QUERY, now=NOON, connections=4))
    landed = whole[:12]
    api = DeafApi(rows=rows)
    rest = list(
        scan_in_shards(api, QUERY, now=NOON, connections=4, landed=landed_of(landed, [bound_of(one) for one in landed]))
    )
    assert set(ids_of([*landed, *rest])) == {row["id"] for row in rows}
    assert len(rest) == len(whole) - 12
    assert len(api.asked) <= len(rest) + 4


def test_the_sweeps_own_bound_is_a_filter_like_any_other() -> None:
    api = DeafApi()
    since = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(FilterIgnored) as caught:
        list(scan_in_shards(api, replace(QUERY, minimum_start_date=since), now=NOON, connections=4))
    assert (caught.value.filter, caught.value.wanted) == ("minimum_start_date", "2026-01-01T00:00:00Z")
    assert len(api.asked) == 1


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
def test_cuts_that_bring_nothing_are_given_up(rows: list[dict[str, object]]) -> None:
    api = OrderedApi(rows)
    fetched = list(scan_in_shards(api, QUERY, now=NOON, connections=8))
    assert set(ids_of(fetched)) == {row["id"] for row in rows}
    assert len(api.asked) <= 80 * (1 + MAX_WASTED_SHARE) + MAX_WASTED_PAGES + 2 * 8


def test_a_scan_reads_no_more_pages_than_what_it_has_seen_is_worth() -> None:
    """As where every range is answered with pages of the same few milestones."""
    shards = Shards(QUERY, now=NOON)

    def take(pages: int) -> None:
        for number in range(pages):
            # Each as the first page of a range: no rule on the pages of one range notices.
            shards.take(Shard(None), f"cursor {number}", [f"id {number % 50}"], (), is_full=False)

    with pytest.raises(PagingFault) as caught:
        take(1_000)
    assert caught.value.rule == "too many pages"
    assert caught.value.page == MAX_PAGES_PER_USEFUL_PAGE * 50 + 1
    assert "only 50 of 201 pages brought milestones that had not come before" in str(caught.value)


def test_a_refused_cursor_begins_its_range_again_once() -> None:
    api = OrderedApi()
    first = list(scan_in_shards(api, QUERY, now=NOON, connections=1))
    cursor = first[10].cursor
    assert cursor is not None
    api.refused = {cursor}
    assert set(ids_of(list(scan_in_shards(api, QUERY, now=NOON, connections=4)))) == IDS


def test_a_long_scan_whose_landed_cursor_is_refused_starts_over() -> None:
    """Every page is read once more: that is no runaway."""
    rows = [milestone(number) for number in range(1_000)]
    whole = list(scan_in_shards(OrderedApi(rows), QUERY, now=NOON, connections=1))
    landed = whole[:-20]
    assert len(landed) > MIN_PAGES_ALLOWED
    api = OrderedApi(rows)
    api.refused = {landed[-1].answer.next_cursor or ""}
    rest = list(scan_in_shards(api, QUERY, now=NOON, connections=1, landed=landed_of(landed, [None for _ in landed])))
    assert len(rest) == len(whole)


def test_a_fault_of_one_request_ends_the_scan() -> None:
    class Circular(OrderedApi):
        def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Answer:
            return replace(super().list_page(query, None), next_cursor="always the same")

    with pytest.raises(PagingFault):
        list(scan_in_shards(Circular(), QUERY, now=NOON, connections=4))


def test_a_start_that_is_no_time_does_not_spoil_the_order() -> None:
    shards = Shards(QUERY, now=NOON)
    shard = shards.next()
    assert shard is not None
    starts = ("2025-01-01T00:00:00Z", "soon", "2025-01-02T00:00:00+01:00")
    assert shards.take(shard, "c", ["a", "b", "c"], starts, is_full=False)
    assert shard.reached == datetime(2025, 1, 1, 23, tzinfo=UTC)
    assert shards.next() is not None


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
def test_as_many_connections_as_the_pace_needs(requests_per_second: float | None, connections: int) -> None:
    assert connections_for(requests_per_second) == connections
