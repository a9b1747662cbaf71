"""Divides a scan of the whole list into ranges of starts, shards, that are read at the same time. No network here.

The list is ordered by start, so `minimum_start_date` opens it in the middle. How milestones are distributed over time
is not known beforehand: the scan begins with one shard, and whenever another request may be sent, the shard with the
most estimated pages left is split at half of its time. A shard is done once a start beyond its end was received; the
next shard begins at exactly that end, so that it does not matter whether the API includes the bound.

The upper bound of a query (`maximum_start_date`) is the end of the last shard, not of the list: nothing is sent for it.

A range ends early only after the list was seen to be in order (ASCENTS_THAT_SHOW_ORDER). Where starts are out of order,
or before the bound of their shard, the list can only be read from start to end: the first shard then reads all of it,
and the others are dropped.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from pipelines.kalshi.ending import DoubtfulEnd
from pipelines.kalshi.errors import PagingFault
from pipelines.kalshi.matching import as_time, first_before
from pipelines.kalshi.paging import Paging, SeenIds
from pipelines.kalshi.query import MilestoneQuery

HORIZON = timedelta(days=30)
"""The assumed end of the list, ahead of now: few milestones start later."""

MIN_PAGES_TO_SPLIT = 3.0
"""The estimated pages left that make a split worth it: a split costs up to one page that is read twice."""

ASCENTS_THAT_SHOW_ORDER = 8
"""The starts that must be later than the one before them, before a range may end early. Of as many starts in no order
one in 9! looks ordered. A page of the API has hundreds; the smallest pages could hide that there is no order."""

ODD_SECOND = 41

MAX_WASTED_PAGES = 20
MAX_WASTED_SHARE = 0.25
"""Limits of pages that brought no new milestone: MAX_WASTED_PAGES plus MAX_WASTED_SHARE per useful page. Beyond them
no shard is split: milestones that start in clusters make splits useless."""

MAX_PAGES_PER_USEFUL_PAGE = 4
MIN_PAGES_ALLOWED = 100
"""Limit of all pages of a scan, which stops a runaway one. Splits cost less than this; a scan that starts over, or is
left to its first shard, reads every page once more."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LandedPage:
    """A page that an interrupted scan landed: bound, cursor and page size (`limit`) of its request, and its content."""

    minimum_start_date: datetime | None
    cursor: str | None
    next_cursor: str | None
    starts: tuple[str, ...]
    ids: tuple[str, ...] = ()
    limit: int | None = None

    @property
    def is_full(self) -> bool:
        """Whether it holds as many milestones as were requested."""
        return self.limit is not None and len(self.ids) >= self.limit


@dataclass(eq=False)
class Shard:
    """A range of starts: from `begins` (None: the start of the list) to `ends` (None: the end of the list).

    `reached` is the last start received, `span` the time between the first and last start of the newest page.
    `looks_cut` says whether milestones may follow that page (`ending.looks_cut`).
    """

    begins: datetime | None
    ends: datetime | None = None
    paging: Paging = field(default_factory=Paging)
    reached: datetime | None = None
    span: timedelta = timedelta(0)
    is_in_flight: bool = False
    is_done: bool = False
    looks_cut: bool = False
    has_restarted: bool = False

    def add_starts(self, starts: tuple[str, ...], *, may_end_early: bool = True) -> bool:
        """Record how far a page reached. False where its starts are out of order.

        With `may_end_early` a start beyond its end ends the shard, otherwise only the last page does.
        """
        reach, is_ordered = _reach(starts)
        if reach is not None:
            first, last = reach
            is_ordered = is_ordered and (self.reached is None or self.reached <= first)
            self.reached, self.span = last, last - first
        self.is_done = self.paging.is_done or (
            may_end_early and self.ends is not None and self.reached is not None and self.reached > self.ends
        )
        if self.is_done:
            self.paging.forget_ids()
        return is_ordered

    def restart(self) -> None:
        """Start over after its cursor was refused."""
        self.has_restarted, self.paging, self.reached = True, Paging(), None

    def time_left(self, horizon: datetime) -> timedelta:
        """From the last start received to its end; none before the first page and once it is done."""
        if self.reached is None or self.is_done:
            return timedelta(0)
        return (self.ends or horizon) - self.reached

    def pages_left(self, horizon: datetime) -> float:
        """The estimated number of pages left, at the density of the last page."""
        if self.reached is None or self.is_done:
            return 0.0
        left = self.time_left(horizon)
        if not self.span:
            # All milestones of the page start at one instant, so their density is unknown: just worth a split.
            return MIN_PAGES_TO_SPLIT * (left > timedelta(0))
        return left / self.span


class Shards:
    """The shards of one scan, with one request in flight each."""

    def __init__(self, query: MilestoneQuery, *, now: datetime, landed: Iterable[LandedPage] = ()) -> None:
        self._query = query
        self._now = now
        self._horizon = now + HORIZON
        self._is_left_to_first = False
        self._ascents = 0
        self._pages = self._useful_pages = 0
        self.seen = SeenIds()
        self._shards = self._resumed(landed) or [Shard(query.minimum_start_date, query.maximum_start_date)]

    def next_to_request(self) -> Shard | None:
        """A shard to request the next page of, by a split if need be; None where there is none at present."""
        ready = next((shard for shard in self._shards if not shard.is_done and not shard.is_in_flight), None)
        ready = ready or self._split()
        if ready is not None:
            ready.is_in_flight = True
        return ready

    def next_to_divide(self) -> Shard | None:
        """As `next_to_request`, but splits the longest shard where no estimate is worth a split.

        For a division before the list is read: its first page is years long, and says nothing about the rest.
        """
        shard = self.next_to_request()
        if shard is None and self._may_split:
            shard = self._halve(max(self._shards, key=lambda shard: shard.time_left(self._horizon)))
            if shard is not None:
                shard.is_in_flight = True
        return shard

    def query_of(self, shard: Shard) -> MilestoneQuery:
        """The query of a shard's pages."""
        return replace(self._query, minimum_start_date=shard.begins)

    def ordered(self) -> list[Shard]:
        """The shards in order of their starts."""
        return sorted(self._shards, key=lambda shard: _order_of_bound(shard.begins))

    def contains(self, shard: Shard) -> bool:
        """Whether a shard is still part of the scan: it may have been dropped while its request was in flight."""
        return shard in self._shards

    def add_page(
        self, shard: Shard, next_cursor: str | None, ids: Sequence[str], starts: tuple[str, ...], *, looks_cut: bool
    ) -> bool:
        """Add the next page of a shard. Raises PagingFault.

        False where milestones start before the shard does: the API ignored the bound, and the page is discarded.
        """
        is_own_bound = shard.begins is not None and shard.begins != self._query.minimum_start_date
        if is_own_bound and shard.begins is not None and first_before(shard.begins, starts) is not None:
            self._keep_first_shard("the API ignores minimum_start_date")
            return False
        self._count(ids)
        self._check_pages()
        shard.paging.advance(next_cursor, ids)
        shard.looks_cut = looks_cut
        self._add_starts(shard, starts)
        return True

    def doubtful_ends(self) -> list[DoubtfulEnd]:
        """The ends of a finished scan after which the list may continue; `pipelines.kalshi.ending` checks them."""
        ends: dict[datetime, bool] = {}
        for shard in self._shards:
            if shard.paging.is_done and (shard.looks_cut or self._stopped_early(shard)):
                reached = shard.reached or shard.begins
                if reached is not None:
                    ends[reached] = shard.looks_cut or ends.get(reached, False)
        # Milestones are listed weeks ahead: a list that ends in the past was probably cut, unless the query ends there.
        newest = max((shard.reached for shard in self._shards if shard.reached is not None), default=None)
        expected = min(self._now, self._query.maximum_start_date or self._now)
        if newest is not None and newest < expected:
            ends.setdefault(newest, False)
        return [DoubtfulEnd(reached, looks_cut, self._pages) for reached, looks_cut in ends.items()]

    def _stopped_early(self, shard: Shard) -> bool:
        """Whether a shard stopped before its end although later shards have milestones."""
        ends = shard.ends
        if ends is None or (shard.reached is not None and shard.reached >= ends):
            return False
        return any(
            other.reached is not None and other.begins is not None and other.begins >= ends for other in self._shards
        )

    def _count(self, ids: Sequence[str]) -> None:
        """Count a page, and whether it brings new milestones."""
        _, new = self.seen.add(ids)
        self._pages += 1
        self._useful_pages += new > 0

    def _check_pages(self) -> None:
        """Raise PagingFault where most pages bring no new milestone."""
        most = max(MIN_PAGES_ALLOWED, MAX_PAGES_PER_USEFUL_PAGE * self._useful_pages)
        if self._pages > most:
            raise PagingFault(
                "too many pages",
                page=self._pages,
                detail=f"only {self._useful_pages:,} of {self._pages:,} pages brought new milestones; with so few, a "
                f"sweep reads at most {most:,} pages",
            )

    @property
    def _may_split(self) -> bool:
        return self._is_order_known and not self._is_left_to_first

    @property
    def _is_order_known(self) -> bool:
        return self._ascents >= ASCENTS_THAT_SHOW_ORDER

    def _add_starts(self, shard: Shard, starts: tuple[str, ...]) -> None:
        if not self._is_order_known:
            times = [time for time in (shard.reached, *map(as_time, starts)) if time is not None]
            self._ascents += sum(map(operator.lt, times, times[1:]))
        if not shard.add_starts(starts, may_end_early=self._is_order_known):
            self._keep_first_shard("starts are not in order")

    def _keep_first_shard(self, reason: str) -> None:
        """Drop all shards but the first, which is read to the end of the list: that works for any order."""
        if len(self._shards) > 1:
            _LOG.warning("%s: reading the list from start to end, one page after the other", reason)
        first = self._shards[0]
        self._shards, self._is_left_to_first = [first], True
        first.ends, first.is_done = None, first.paging.is_done

    def _split(self) -> Shard | None:
        wasted = self._pages - self._useful_pages
        if wasted > MAX_WASTED_PAGES + MAX_WASTED_SHARE * self._useful_pages:
            return None
        if not self._may_split:
            return None
        fullest = max(self._shards, key=lambda shard: shard.pages_left(self._horizon))
        return self._halve(fullest) if fullest.pages_left(self._horizon) >= MIN_PAGES_TO_SPLIT else None

    def _halve(self, shard: Shard) -> Shard | None:
        """Split a shard at half of its time left; the new shard, or None where no time is left."""
        if shard.reached is None:
            return None
        middle = shard.reached + shard.time_left(self._horizon) / 2
        # Not a round time: many milestones start at those, and all that start exactly at the split are read twice.
        middle = middle.replace(second=ODD_SECOND, microsecond=0)
        if not shard.reached < middle < shard.reached + shard.time_left(self._horizon):
            return None
        new = Shard(middle, shard.ends)
        shard.ends = middle
        self._shards.append(new)
        return new

    def _resumed(self, landed: Iterable[LandedPage]) -> list[Shard]:
        """The shards of an interrupted scan: each ends where the next shard with a landed page begins."""
        pages_of: dict[datetime | None, list[LandedPage]] = {}
        for page in landed:
            pages_of.setdefault(page.minimum_start_date, []).append(page)
        bounds = sorted(pages_of, key=_order_of_bound)
        self._shards = [
            Shard(bound, following, Paging.resumed(page.next_cursor for page in since_restart(pages_of[bound])))
            for bound, following in pairwise([*bounds, self._query.maximum_start_date])
        ]
        for shard in tuple(self._shards):
            for page in since_restart(pages_of[shard.begins]):
                self._count(page.ids)
                shard.looks_cut = page.is_full
                self._add_starts(shard, page.starts)
        return self._shards


def since_restart(pages: Sequence[LandedPage]) -> Sequence[LandedPage]:
    """The pages since a scan started over after a refused cursor: the cursors of earlier pages are invalid."""
    begun = max((number for number, page in enumerate(pages) if page.cursor is None), default=0)
    return pages[begun:]


def _order_of_bound(bound: datetime | None) -> datetime:
    return bound or datetime.min.replace(tzinfo=UTC)


def _reach(starts: tuple[str, ...]) -> tuple[tuple[datetime, datetime] | None, bool]:
    """The first and last readable start of a page, and whether all starts ascend."""
    if starts and _are_sorted_texts(starts):
        first, last = as_time(starts[0]), as_time(starts[-1])
        if first is not None and last is not None:
            return (first, last), True
    times = [time for time in map(as_time, starts) if time is not None]
    return (times[0], times[-1]) if times else None, times == sorted(times)


def _are_sorted_texts(starts: tuple[str, ...]) -> bool:
    """Whether all are whole seconds in UTC, as nearly always, and ascend: such texts sort like their times."""
    length = len("2026-11-25T00:00:00Z")
    return all(len(start) == length and start[-1] == "Z" for start in starts) and all(
        map(operator.le, starts, starts[1:])
    )
