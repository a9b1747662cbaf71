"""A scan of the whole list in several places at once: which ranges of starts are read, and what is asked next.

No network in here. The list is ordered by start, so `minimum_start_date` is a way into its middle. Nobody knows
beforehand how the milestones lie in time: one range is begun with, and whenever more may be asked, the range that
seems to have most pages left is cut in two at half of its time. A range has been read when a start beyond its end was
seen; the next one begins at that very end, so that it does not matter whether the API takes the bound as included.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from pipelines.kalshi.paging import Paging
from pipelines.kalshi.query import MilestoneQuery

HORIZON = timedelta(days=30)
"""How far ahead of now the open end of the list is taken to reach: what lies beyond is little."""

MIN_PAGES_TO_SPLIT = 3.0
"""Of what seems to be left of a range: a cut costs up to one page that is read twice."""

ODD_SECOND = 41


class Disordered(Exception):
    """The list is not ordered by start: it can only be read from its beginning to its end."""


@dataclass(frozen=True, slots=True)
class LandedPage:
    """What a page landed before says of the scan: the bound and cursor that were asked with, and what came."""

    minimum_start_date: datetime | None
    cursor: str | None
    next_cursor: str | None
    starts: tuple[str, ...]


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
        return is_ordered

    def restart(self) -> None:
        """Begin again, once its cursor was refused."""
        self.has_restarted, self.paging, self.reached = True, Paging(), None

    def pages_left(self, horizon: datetime) -> float:
        """How many pages seem to be left of it, as dense as the last one was."""
        if self.reached is None or self.is_done:
            return 0.0
        left = (self.ends or horizon) - self.reached
        return left / self.span if self.span else float(left > timedelta(0)) * 1e9


class Shards:
    """The ranges of one scan, each asked for one page at a time."""

    def __init__(self, query: MilestoneQuery, *, now: datetime, landed: Iterable[LandedPage] = ()) -> None:
        self._query = query
        self._horizon = now + HORIZON
        self._is_ordered = True
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

    def take(self, shard: Shard, next_cursor: str | None, ids: Iterable[str], starts: tuple[str, ...]) -> None:
        """Take the page that a range was asked for. Raises PagingFault, Disordered."""
        shard.paging.advance(next_cursor, ids)
        self._note(shard, starts)

    def _note(self, shard: Shard, starts: tuple[str, ...]) -> None:
        self._is_ordered = shard.note(starts) and self._is_ordered
        # Read from its beginning to its end, a list may have any order.
        if not self._is_ordered and len(self._shards) > 1:
            raise Disordered

    def _split(self) -> Shard | None:
        if not self._is_ordered:
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
        for shard in self._shards:
            for page in since_restart(pages_of[shard.begins]):
                self._note(shard, page.starts)
        return self._shards


def since_restart(pages: list[LandedPage]) -> list[LandedPage]:
    """The pages since a scan was begun again after a refused cursor: what those before it gave leads nowhere."""
    begun = max((number for number, page in enumerate(pages) if page.cursor is None), default=0)
    return pages[begun:]


def _reach(starts: tuple[str, ...]) -> tuple[tuple[datetime, datetime] | None, bool]:
    """The first and the last start of a page, of those that are times, and whether all of them ascend."""
    if starts and _are_sorted_texts(starts):
        first, last = _time(starts[0]), _time(starts[-1])
        if first is not None and last is not None:
            return (first, last), True
    times = [time for time in map(_time, starts) if time is not None]
    return (times[0], times[-1]) if times else None, times == sorted(times)


def _are_sorted_texts(starts: tuple[str, ...]) -> bool:
    """Whether all are whole seconds in UTC, as nearly always, and ascend: such texts sort as their times do."""
    length = len("2026-11-25T00:00:00Z")
    return all(len(start) == length and start[-1] == "Z" for start in starts) and all(
        map(operator.le, starts, starts[1:])
    )


def _time(text: str) -> datetime | None:
    """A start as a time; records whose start is none are for the quarantine."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo else None
