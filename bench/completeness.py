"""How many milestones a sweep misses while the data change: `python -m bench.completeness`.

Seeded sweeps over small data sets, without HTTP, with the real `full_sweep`, paging and cursor. Between two pages,
starts move backward and forward across the cursor, and rows on both sides of it are added, removed and updated. The
result is compared with the data at the time of the last page. The baseline is a single scan of the same data.
"""

from __future__ import annotations

import bisect
import os
import platform
import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from pipelines.kalshi.errors import NotFound, PagingFault
from pipelines.kalshi.full_sweep import full_sweep
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.response import Response, read_page, read_single
from pipelines.kalshi.scans import OVERLAP_SECONDS, Api, Fetched, scan, seconds_before
from sandbox.cursor import Position, encode_cursor
from sandbox.generate import generate_bodies
from sandbox.query import parse_query
from sandbox.row import Row
from sandbox.world import UnknownMilestoneError, World
from schemas.api import PAGE_LIMIT, object_decoder
from schemas.endpoints import MILESTONES_ENDPOINT

CRAWLS = int(os.environ.get("BENCH_CRAWLS", "1000"))
SEED = int(os.environ.get("BENCH_SEED", "1"))
START = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
PAGE_ROWS = 25
ROWS_MIN, ROWS_MAX = 200, 500
CHANGES_PER_PAGE_MAX = 8
CHANGES_MAX = 160
SECONDS_PER_PAGE = (0.25, 2.0, 45.0, 400.0)
"""From far below the catch-up's overlap to far above it: with less than the overlap, no fault would show."""

Crawl = Callable[[Api, MilestoneQuery, "Clock"], Iterable[Fetched]]


@dataclass
class Clock:
    """A clock that advances by a microsecond per reading, and by more with `forward`."""

    time: datetime = START

    def __call__(self) -> datetime:
        """The next time."""
        self.time += timedelta(microseconds=1)
        return self.time

    def forward(self, seconds: float) -> None:
        """Advance the clock."""
        self.time += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Missed:
    """Milestones of the final data that the sweep never read, and those of which it read only an older record."""

    absent: int
    outdated: int
    milestones: int
    has_ended: bool

    @property
    def total(self) -> int:
        """All missed milestones."""
        return self.absent + self.outdated


class Changes:
    """Changes data around a cursor, up to a number of changes; the same seed gives the same changes."""

    def __init__(self, world: World, seed: str) -> None:
        self._world = world
        self._random = random.Random(seed)  # noqa: S311 - a simulation
        self._left = self._random.randrange(CHANGES_MAX)
        self._per_page = self._random.randint(1, CHANGES_PER_PAGE_MAX)
        self._inserted = 0
        self._order = [Row.of(body).position for body in world.bodies()]

    def between_pages(self, cursor: Position | None) -> None:
        """Make changes before the page after this cursor is returned."""
        for _ in range(min(self._left, self._random.randint(0, self._per_page))):
            self._left -= 1
            middle = bisect.bisect_right(self._order, cursor) if cursor else 0
            # Two thirds happen where a scan cannot see them: from ahead of the cursor to behind it, or behind it.
            if self._random.random() < 2 / 3:
                here, there = range(middle, len(self._order)), range(middle)
            else:
                here, there = range(middle), range(middle, len(self._order))
            self._random.choice((self._move, self._move, self._insert, self._remove, self._touch))(here, there)

    def _move(self, here: range, there: range) -> None:
        """Move a start across the cursor: backward, a scan misses it; forward, it reads it twice."""
        if here and there:
            seconds = self._order[self._random.choice(there)][0]
            _, moved = self._order.pop(self._random.choice(here))
            self._world.reschedule(moved, datetime.fromtimestamp(seconds, UTC))
            bisect.insort(self._order, (seconds, moved))

    def _insert(self, _: range, there: range) -> None:
        if there:
            seconds, like = self._order[self._random.choice(there)]
            self._inserted += 1
            milestone_id = f"00000000-0000-4000-8000-{self._inserted:012d}"
            self._world.insert({**object_decoder.decode(self._world.get(like)), "id": milestone_id})
            bisect.insort(self._order, (seconds, milestone_id))

    def _remove(self, here: range, _: range) -> None:
        if here:
            self._world.remove(self._order.pop(self._random.choice(here))[1])

    def _touch(self, _: range, there: range) -> None:
        if there:
            self._world.touch([self._order[self._random.choice(there)][1]])


class ChangingApi:
    """An API whose data change before every page except the first; a page itself is consistent."""

    def __init__(self, world: World, changes: Changes, clock: Clock, seconds_per_page: float) -> None:
        self.pages = 0
        self._lock = threading.Lock()
        self._world = world
        self._changes = changes
        self._clock = clock
        self._seconds = seconds_per_page

    def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Response:
        """One page of the list. Thread-safe: the data do not change within a page."""
        with self._lock:
            return self._page(query, cursor)

    def milestones(self) -> dict[str, bytes]:
        """The data as they are between two pages, by id. Thread-safe."""
        with self._lock:
            return {milestone_id: self._world.get(milestone_id) for milestone_id in self._world.ids()}

    def _page(self, query: MilestoneQuery, cursor: str | None) -> Response:
        asked = parse_query(query.params(cursor))
        if self.pages:
            self._clock.forward(self._seconds)
            self._changes.between_pages(asked.after)
        self.pages += 1
        page = self._world.page(asked)
        next_cursor = "" if page.next_position is None else encode_cursor(page.next_position)
        content = read_page(b'{"milestones":[%b],"cursor":"%b"}' % (b",".join(page.bodies), next_cursor.encode()))
        return Response(
            body=content.body,
            next_cursor=content.next_cursor,
            ids=content.ids,
            starts=content.starts,
            updates=content.updates,
            fetched_at=self._clock(),
            url_path="/milestones",
        )

    def get_milestone(self, milestone_id: str) -> Response:
        """One milestone. Raises NotFound."""
        path = f"/milestones/{milestone_id}"
        try:
            content = read_single(b'{"milestone":%b}' % self._world.get(milestone_id))
        except UnknownMilestoneError as error:
            raise NotFound(path, detail="not found", status=404, attempts=1) from error
        return Response(body=content.body, next_cursor=None, ids=content.ids, fetched_at=self._clock(), url_path=path)


def with_catch_ups(api: Api, query: MilestoneQuery, clock: Clock) -> Iterable[Fetched]:
    """The pipeline's full sweep."""
    return full_sweep(api, query, started_at=clock(), now=clock)


def in_shards(api: Api, query: MilestoneQuery, clock: Clock) -> Iterable[Fetched]:
    """The pipeline's full sweep with several requests in flight."""
    return full_sweep(api, query, started_at=clock(), now=clock, connections=4)


def one_scan(api: Api, query: MilestoneQuery, _: Clock) -> Iterable[Fetched]:
    """Read every page once, as most clients do."""
    return scan(api, query)


def then_incremental(api: Api, query: MilestoneQuery, clock: Clock) -> Iterable[Fetched]:
    """The full sweep and the next incremental one, which reads from the start of the full one: usually one page."""
    started_at = clock()
    yield from full_sweep(api, query, started_at=started_at, now=clock)
    since = seconds_before(started_at, OVERLAP_SECONDS)
    yield from scan(api, MilestoneQuery(limit=PAGE_LIMIT, min_updated_ts=since))


def simulate(crawl: Crawl, seed: str) -> Missed:
    """One sweep over changing data; the same seed gives the same data and the same changes."""
    draw = random.Random(seed)  # noqa: S311 - a simulation
    clock = Clock()
    rows = draw.sample(_rows(), draw.randint(ROWS_MIN, ROWS_MAX))
    world = World(rows, now=clock)
    api = ChangingApi(world, Changes(world, seed), clock, draw.choice(SECONDS_PER_PAGE))
    held: dict[str, tuple[int, bytes]] = {}
    final: dict[str, bytes] = {}
    has_ended = True
    try:
        for fetched in crawl(api, MilestoneQuery(limit=PAGE_ROWS), clock):
            for raw in MILESTONES_ENDPOINT.raw_page_decoder.decode(fetched.response.body).records or ():
                body = bytes(raw)
                row = Row.of(body)
                milestone_id = row.position[1]
                # As in the warehouse: the newest update wins, in any order of arrival.
                held[milestone_id] = max(held.get(milestone_id, (row.updated_micros, body)), (row.updated_micros, body))
            # Not after the sweep: a request that checks the end of the list, and changes before it, may follow.
            final = api.milestones()
    except PagingFault:
        has_ended = False
    absent = outdated = 0
    for milestone_id, body in final.items():
        if milestone_id not in held:
            absent += 1
        elif held[milestone_id][1] != body:
            outdated += 1
    return Missed(absent, outdated, len(final), has_ended)


@dataclass(frozen=True)
class Tally:
    """The sum of many sweeps. What an endless sweep missed does not count, because such a sweep fails."""

    crawls: int
    milestones: int
    missed: int
    absent: int
    incomplete: int
    endless: int

    @property
    def bound(self) -> str:
        """The share of sweeps that missed something; if none did, its 95 % bound by the rule of three."""
        return f"{self.incomplete / self.crawls:.1%} measured" if self.incomplete else f"< {3 / self.crawls:.2%}"


def tally(crawl: Crawl, *, crawls: int, seed: int = SEED) -> Tally:
    """Run simulations one after the other."""
    found = [simulate(crawl, f"{seed} {number}") for number in range(crawls)]
    ended = [one for one in found if one.has_ended]
    return Tally(
        crawls=crawls,
        milestones=sum(one.milestones for one in found),
        missed=sum(one.total for one in ended),
        absent=sum(one.absent for one in ended),
        incomplete=sum(one.total > 0 for one in ended),
        endless=crawls - len(ended),
    )


CRAWL_NAMES: dict[Crawl, str] = {
    one_scan: "a single scan",
    with_catch_ups: "full sweep: scan and catch-ups",
    in_shards: "full sweep, four requests in flight",
    then_incremental: "full sweep, then the next incremental one",
}


def main() -> None:
    """Simulate every kind of sweep on the same data; print a Markdown table."""
    begun = time.perf_counter()
    tallies = {name: tally(crawl, crawls=CRAWLS) for crawl, name in CRAWL_NAMES.items()}
    seconds = time.perf_counter() - begun
    print(
        f"seed {SEED}, {CRAWLS:,} sweeps over {ROWS_MIN} to {ROWS_MAX} milestones in pages of {PAGE_ROWS}, "
        f"Python {platform.python_version()}, {seconds:.0f} s\n"
    )
    print(
        "| sweep | milestones | missed or outdated | never read | sweeps that missed any | their share | did not end |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, of in tallies.items():
        print(
            f"| {name} | {of.milestones:,} | {of.missed:,} | {of.absent:,} | {of.incomplete:,} of {of.crawls:,} "
            f"| {of.bound} | {of.endless:,} |"
        )


@cache
def _rows() -> list[bytes]:
    """Rows to draw the data from; last updated long before any sweep."""
    return list(generate_bodies(2 * ROWS_MAX, SEED, START - timedelta(days=30)))


if __name__ == "__main__":
    main()
