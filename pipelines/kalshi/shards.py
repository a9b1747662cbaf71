"""A scan of the whole list in several places at once: which ranges of starts are read, and what is asked next.

No network in here. The list is ordered by start, so `minimum_start_date` is a way into its middle. Nobody knows
beforehand how the milestones lie in time: one range is begun with, and whenever more may be asked, the range that
seems to have most pages left is cut in two at half of its time. A range has been read when a start beyond its end was
seen; the next one begins at that very end, so that it does not matter whether the API takes the bound as included.

Where starts come out of order, or before the bound of their range, the list can only be read from its beginning to its
end: the first range is then read to the end, and the others are given up.
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
"""How far ahead of now the open end of the list is taken to reach: what lies beyond is little."""

MIN_PAGES_TO_SPLIT = 3.0
"""Of what seems to be left of a range: a cut costs up to one page that is read twice."""

ODD_SECOND = 41

MAX_WASTED_PAGES = 20
MAX_WASTED_SHARE = 0.25
"""Pages that brought only milestones which had come before: with more than so many, and so many for each page that
brought others, no range is cut in two. Milestones that start in clusters make cuts useless."""

MAX_PAGES_PER_USEFUL_PAGE = 4
MIN_PAGES_ALLOWED = 100
"""Pages that a scan may read in all, an end to a runaway. Cuts cost less than this, and a scan that starts over, or is
given over to its first range, reads every page once more."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LandedPage:
    """What a page landed before says of the scan: the bound and cursor that were asked with, and what came.

    `limit` is the page size that was requested.
    """

    minimum_start_date: datetime | None
    cursor: str | None
    next_cursor: str | None
    starts: tuple[str, ...]
    ids: tuple[str, ...] = ()
    limit: int | None = None

    @property
    def is_full(self) -> bool:
        """Whether it holds as many milestones as were asked for."""
        return self.limit is not None and len(self.ids) >= self.limit


@dataclass(eq=False)
class Shard:
    """One range of starts: from `begins` (None: the list's beginning) to `ends` (None: the list's end)."""

    begins: datetime | None
    ends: datetime | None = None
    paging: Paging = field(default_factory=Paging)
    reached: datetime | None = None
    span: timedelta = timedelta(0)
    is_asked: bool = False
    is_done: bool = False
    is_full: bool = False
    """Whether its last page held as many milestones as were asked for."""
    has_restarted: bool = False

    def note(self, starts: tuple[str, ...]) -> bool:
        """See how far a page reached; False where its starts are not in order."""
        reach, is_ordered = _reach(starts)
        if reach is not None:
            first, last = reach
            is_ordered = is_ordered and (self.reached is None or self.reached <= first)
            self.reached, self.span = last, last - first
        self.is_done = self.paging.is_done or (
            self.ends is not None and self.reached is not None and self.reached > self.ends
        )
        if self.is_done:
            self.paging.forget_ids()
        return is_ordered

    def restart(self) -> None:
        """Begin again, once its cursor was refused."""
        self.has_restarted, self.paging, self.reached = True, Paging(), None

    def pages_left(self, horizon: datetime) -> float:
        """How many pages seem to be left of it, as dense as the last one was."""
        if self.reached is None or self.is_done:
            return 0.0
        left = (self.ends or horizon) - self.reached
        if not self.span:
            # All of them start at one instant, which tells nothing of what follows: cut where nothing better is known.
            return MIN_PAGES_TO_SPLIT * (left > timedelta(0))
        return left / self.span


class Shards:
    """The ranges of one scan, each asked for one page at a time."""

    def __init__(self, query: MilestoneQuery, *, now: datetime, landed: Iterable[LandedPage] = ()) -> None:
        self._query = query
        self._now = now
        self._horizon = now + HORIZON
        self._may_split = True
        self._pages = self._useful_pages = 0
        self.seen = SeenIds()
        self._shards = self._resumed(landed) or [Shard(query.minimum_start_date)]

    def next(self) -> Shard | None:
        """A range to ask for its next page, cut off another one if need be; None where there is none at present."""
        ready = next((shard for shard in self._shards if not shard.is_done and not shard.is_asked), None)
        ready = ready or self._split()
        if ready is not None:
            ready.is_asked = True
        return ready

    def query_of(self, shard: Shard) -> MilestoneQuery:
        """What to ask for it."""
        return replace(self._query, minimum_start_date=shard.begins)

    def holds(self, shard: Shard) -> bool:
        """Whether a range is still to be read: it may have been given up while its request was in flight."""
        return shard in self._shards

    def take(
        self, shard: Shard, next_cursor: str | None, ids: Sequence[str], starts: tuple[str, ...], *, is_full: bool
    ) -> bool:
        """Take the page that a range was asked for. Raises PagingFault.

        False where milestones start before the range does: the API ignored the bound, and the page answers nothing.
        """
        is_own_bound = shard.begins is not None and shard.begins != self._query.minimum_start_date
        if is_own_bound and shard.begins is not None and first_before(shard.begins, starts) is not None:
            self._read_in_one("the API ignores minimum_start_date")
            return False
        self._count(ids)
        self._check_pages()
        shard.paging.advance(next_cursor, ids)
        shard.is_full = is_full
        self._note(shard, starts)
        return True

    def doubtful_ends(self) -> list[DoubtfulEnd]:
        """Where the list stopped and may go on nevertheless; see `pipelines.kalshi.ending`. For a scan that is done."""
        ends: dict[datetime, bool] = {}
        for shard in self._shards:
            if shard.paging.is_done and (shard.is_full or self._goes_on_after(shard)):
                reached = shard.reached or shard.begins
                if reached is not None:
                    ends[reached] = shard.is_full or ends.get(reached, False)
        # Milestones are listed weeks ahead: a list that ends in the past looks cut.
        newest = max((shard.reached for shard in self._shards if shard.reached is not None), default=None)
        if newest is not None and newest < self._now:
            ends.setdefault(newest, False)
        return [DoubtfulEnd(reached, is_full, self._pages) for reached, is_full in ends.items()]

    def _goes_on_after(self, shard: Shard) -> bool:
        """Whether a range stopped before its end although there are milestones behind it."""
        ends = shard.ends
        if ends is None or (shard.reached is not None and shard.reached >= ends):
            return False
        return any(
            other.reached is not None and other.begins is not None and other.begins >= ends for other in self._shards
        )

    def _count(self, ids: Sequence[str]) -> None:
        """Count a page, and what it brings."""
        _, new = self.seen.add(ids)
        self._pages += 1
        self._useful_pages += new > 0

    def _check_pages(self) -> None:
        """Raise PagingFault where most pages bring nothing new, whatever the ranges."""
        most = max(MIN_PAGES_ALLOWED, MAX_PAGES_PER_USEFUL_PAGE * self._useful_pages)
        if self._pages > most:
            raise PagingFault(
                "too many pages",
                page=self._pages,
                detail=f"only {self._useful_pages:,} of {self._pages:,} pages brought milestones that had not come "
                f"before, and a sweep of so many reads at most {most:,}",
            )

    def _note(self, shard: Shard, starts: tuple[str, ...]) -> None:
        if not shard.note(starts):
            self._read_in_one("starts are not in order")

    def _read_in_one(self, why: str) -> None:
        """Give up all ranges but the first, which is read to the list's end: so a list may have any order."""
        if len(self._shards) > 1:
            _LOG.warning("%s: the list is read from its beginning to its end, one page after the other", why)
        first = self._shards[0]
        self._shards, self._may_split = [first], False
        first.ends, first.is_done = None, first.paging.is_done

    def _split(self) -> Shard | None:
        wasted = self._pages - self._useful_pages
        if not self._may_split or wasted > MAX_WASTED_PAGES + MAX_WASTED_SHARE * self._useful_pages:
            return None
        fullest = max(self._shards, key=lambda shard: shard.pages_left(self._horizon))
        if fullest.reached is None or fullest.pages_left(self._horizon) < MIN_PAGES_TO_SPLIT:
            return None
        middle = fullest.reached + ((fullest.ends or self._horizon) - fullest.reached) / 2
        # No round time: many milestones share those, and all that start at the cut are read twice.
        middle = middle.replace(second=ODD_SECOND, microsecond=0)
        if not fullest.reached < middle:
            return None
        new = Shard(middle, fullest.ends)
        fullest.ends = middle
        self._shards.append(new)
        return new

    def _resumed(self, landed: Iterable[LandedPage]) -> list[Shard]:
        """The ranges as landed pages left them: each ends where the next one that had a page begins."""
        pages_of: dict[datetime | None, list[LandedPage]] = {}
        for page in landed:
            pages_of.setdefault(page.minimum_start_date, []).append(page)
        bounds = sorted(pages_of, key=lambda bound: bound or datetime.min.replace(tzinfo=UTC))
        self._shards = [
            Shard(bound, following, Paging.resumed(page.next_cursor for page in since_restart(pages_of[bound])))
            for bound, following in pairwise([*bounds, None])
        ]
        for shard in tuple(self._shards):
            for page in since_restart(pages_of[shard.begins]):
                self._count(page.ids)
                shard.is_full = page.is_full
                self._note(shard, page.starts)
        return self._shards


def since_restart(pages: Sequence[LandedPage]) -> Sequence[LandedPage]:
    """The pages since a scan was begun again after a refused cursor: what those before it gave leads nowhere."""
    begun = max((number for number, page in enumerate(pages) if page.cursor is None), default=0)
    return pages[begun:]


def _reach(starts: tuple[str, ...]) -> tuple[tuple[datetime, datetime] | None, bool]:
    """The first and the last start of a page, of those that are times, and whether all of them ascend."""
    if starts and _are_sorted_texts(starts):
        first, last = as_time(starts[0]), as_time(starts[-1])
        if first is not None and last is not None:
            return (first, last), True
    times = [time for time in map(as_time, starts) if time is not None]
    return (times[0], times[-1]) if times else None, times == sorted(times)


def _are_sorted_texts(starts: tuple[str, ...]) -> bool:
    """Whether all are whole seconds in UTC, as nearly always, and ascend: such texts sort as their times do."""
    length = len("2026-11-25T00:00:00Z")
    return all(len(start) == length and start[-1] == "Z" for start in starts) and all(
        map(operator.le, starts, starts[1:])
    )
