"""The milestones that a sandbox serves: rows as JSON bytes in keyset order, mutable, under one lock.

The order is the API's: start (whole seconds) ascending, then id. A row keeps only the fields that scans compare as
Python values; others are decoded from its bytes when needed. A page costs a bisect plus its rows, at any size of the
world; a filter without an index walks over the rows between matches. Every change sets `last_updated_ts` to the world's
clock, as the live API does.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import operator
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from sandbox.cursor import Position
from sandbox.filters import predicate
from sandbox.query import Query
from sandbox.rfc3339 import MICROS, format_micros, format_seconds, micros_of
from sandbox.row import Row
from sandbox.siblings import Siblings
from sandbox.siblings.store import SiblingChange, Source

Order = Literal["start", "start descending", "id", "update"]
"""The orders of the list: by start, as far as is known. Only that one has an index; the others are for small worlds."""

_KEYS: Mapping[Order, Callable[[Row], Position]] = {
    "start": lambda row: row.position,
    "start descending": lambda row: (-row.position[0], row.position[1]),
    "id": lambda row: (0, row.position[1]),
    "update": lambda row: (row.updated_micros, row.position[1]),
}
"""What each order sorts by, which is also the position in its cursors."""

SPARSE = 20
"""A filter on updates that matches less than one row in this many is served from its matches instead of by a walk."""


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """A change of one milestone: its bytes before (None: inserted) and after (None: removed)."""

    kind: str
    milestone_id: str
    before: bytes | None
    after: bytes | None


@dataclasses.dataclass(frozen=True, slots=True)
class PageOfRows:
    """The rows of one page, and the position to go on from (None: nothing follows)."""

    bodies: list[bytes]
    next_position: Position | None


class UnknownMilestoneError(KeyError):
    """No milestone of this id is in the world."""


_fields_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_strings_decoder = msgspec.json.Decoder(list[str] | None)
# Numbers that came as exact decimals go out digit for digit, not as strings.
_encoder = msgspec.json.Encoder(decimal_format="number")
_by_position = operator.attrgetter("position")
_by_instant = operator.itemgetter(0)


class World:
    """A mutable, thread-safe set of milestones. `now` is the clock that stamps every change."""

    def __init__(self, bodies: Iterable[bytes] = (), *, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.RLock()
        self._rows: dict[str, Row] = {}
        self._order: list[Row] = []
        # Every update ever made, oldest first: (microseconds, id). Outdated entries are skipped when read, so that a
        # change need not search for its old entry.
        self._updates: list[tuple[int, str]] = []
        self._revision = 0
        self._source = Source(self._rows, self._order, self._lock, lambda: micros_of(now()))
        self.siblings = Siblings(self._source)
        self.load(bodies)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, milestone_id: object) -> bool:
        return milestone_id in self._rows

    @property
    def revision(self) -> int:
        """The number of changes since the world was created."""
        return self._revision

    def now(self) -> datetime:
        """The world's clock."""
        return self._now()

    # Reading

    def page(self, query: Query, order: Order = "start") -> PageOfRows:
        """The first `limit` rows after the cursor that satisfy every filter, in this order."""
        with self._lock:
            matches = self._matches(query) if order == "start" else self._sorted_matches(query, order)
            rows = list(itertools.islice(matches, query.limit + 1))
        more = len(rows) > query.limit
        del rows[query.limit :]
        return PageOfRows([row.body for row in rows], _KEYS[order](rows[-1]) if more else None)

    def get(self, milestone_id: str) -> bytes:
        """The milestone's bytes. Raises UnknownMilestoneError."""
        with self._lock:
            return self._row(milestone_id).body

    def ids(self, starting_after: datetime | None = None) -> list[str]:
        """The ids of all milestones, or of those that start after a time, in keyset order."""
        with self._lock:
            first = 0
            if starting_after is not None:
                seconds = micros_of(starting_after) // MICROS
                first = bisect.bisect_left(self._order, (seconds + 1, ""), key=_by_position)
            return [row.position[1] for row in self._order[first:]]

    def bodies(self) -> list[bytes]:
        """Every milestone's bytes, in keyset order."""
        with self._lock:
            return [row.body for row in self._order]

    def _matches(self, query: Query) -> Iterator[Row]:
        first = 0
        if query.after is not None:
            first = bisect.bisect_right(self._order, query.after, key=_by_position)
        if query.minimum_start is not None:
            earliest = (query.minimum_start, "")
            first = max(first, bisect.bisect_left(self._order, earliest, key=_by_position))
        return filter(predicate(query), self._candidates(query, first))

    def _sorted_matches(self, query: Query, order: Order) -> Iterator[Row]:
        rows = sorted(self._matches(dataclasses.replace(query, after=None)), key=_KEYS[order])
        first = 0 if query.after is None else bisect.bisect_right(rows, query.after, key=_KEYS[order])
        return itertools.islice(rows, first, None)

    def _candidates(self, query: Query, first: int) -> Iterator[Row]:
        """Rows from an index on, in order; only some of them if the index of updates excludes the others."""
        if query.updated_after_micros is not None:
            newer = bisect.bisect_right(self._updates, query.updated_after_micros, key=_by_instant)
            if (len(self._updates) - newer) * SPARSE < len(self._order):
                if first >= len(self._order):
                    return iter(())
                floor = self._order[first].position
                found = {name: self._rows.get(name) for _, name in self._updates[newer:]}
                rows = [row for row in found.values() if row is not None and row.position >= floor]
                return iter(sorted(rows, key=_by_position))
        # Not islice: it would iterate over every row before the first.
        return (self._order[at] for at in range(first, len(self._order)))

    def _row(self, milestone_id: str) -> Row:
        try:
            return self._rows[milestone_id]
        except KeyError:
            raise UnknownMilestoneError(milestone_id) from None

    # Changing

    def load(self, bodies: Iterable[bytes]) -> None:
        """Add rows unchanged, `last_updated_ts` included. Raises ValueError for a duplicate id and adds none."""
        with self._lock:
            fresh: dict[str, Row] = {}
            for body in bodies:
                row = Row.of(body)
                milestone_id = row.position[1]
                if milestone_id in self._rows or milestone_id in fresh:
                    raise ValueError(f"milestone {milestone_id} is already in the world")
                fresh[milestone_id] = row
            self._rows |= fresh
            self._order += fresh.values()
            self._order.sort(key=_by_position)
            self._updates += ((row.updated_micros, milestone_id) for milestone_id, row in fresh.items())
            self._updates.sort()
            self._source.load()
            self._revision += len(fresh)

    def insert(self, row: Mapping[str, Any]) -> Change:
        """Add a milestone with the clock's `last_updated_ts`. Raises ValueError for an existing id."""
        with self._lock:
            new = Row.of(_encoder.encode({**row, "last_updated_ts": self._stamp()}))
            milestone_id = new.position[1]
            if milestone_id in self._rows:
                raise ValueError(f"milestone {milestone_id} is already in the world")
            self._put(new)
            return Change("insert", milestone_id, None, new.body)

    def remove(self, milestone_id: str) -> Change:
        """Remove a milestone, without a tombstone, as the live API does."""
        with self._lock:
            old = self._row(milestone_id)
            self._take(old)
            self._revision += 1
            return Change("remove", milestone_id, old.body, None)

    def reschedule(self, milestone_id: str, new_start: datetime) -> Change:
        """Move the start, and with it the row's position in a scan; fractions of a second are cut."""
        return self._set("reschedule", milestone_id, start_date=format_seconds(micros_of(new_start) // MICROS))

    def edit_title(self, milestone_id: str, title: str) -> Change:
        """Change the title."""
        return self._set("edit_title", milestone_id, title=title)

    def add_ticker(self, milestone_id: str, ticker: str, *, primary: bool = False) -> Change:
        """Append an event ticker. Raises ValueError if it exists already."""
        with self._lock:
            related, primaries = self._tickers(milestone_id)
            if ticker in related:
                raise ValueError(f"{ticker} is already related to {milestone_id}")
            added = {"related_event_tickers": [*related, ticker]}
            if primary:
                added["primary_event_tickers"] = [*primaries, ticker]
            return self._set("add_ticker", milestone_id, **added)

    def remove_ticker(self, milestone_id: str, ticker: str) -> Change:
        """Remove an event ticker from both lists. Raises ValueError if it is in neither."""
        with self._lock:
            related, primaries = self._tickers(milestone_id)
            if ticker not in related and ticker not in primaries:
                raise ValueError(f"{ticker} is not related to {milestone_id}")
            return self._set(
                "remove_ticker",
                milestone_id,
                related_event_tickers=[one for one in related if one != ticker],
                primary_event_tickers=[one for one in primaries if one != ticker],
            )

    def set_details(self, milestone_id: str, changes: Mapping[str, Any]) -> Change:
        """Set top-level keys of `details`; the others keep their bytes."""
        with self._lock:
            fields = _fields_decoder.decode(self._row(milestone_id).body)
            details = {**_fields_decoder.decode(fields["details"]), **changes}
            return self._set("set_details", milestone_id, details=details)

    def set_end(self, milestone_id: str, end: datetime) -> Change:
        """Set the end."""
        return self._set("set_end", milestone_id, end_date=format_micros(micros_of(end)))

    def touch(self, milestone_ids: Iterable[str]) -> list[Change]:
        """Set only `last_updated_ts`, to one instant for all, as the live API's bulk rewrites do."""
        with self._lock:
            stamp = self._stamp()
            return [self._set("touch", name, last_updated_ts=stamp) for name in milestone_ids]

    def rename_target(self, target_id: str, name: str) -> SiblingChange:
        """Change the name of a structured target. Raises UnknownNameError."""
        change = self.siblings.targets.rename(target_id, name)
        self._revision += 1
        return change

    def retitle_event(self, ticker: str, title: str) -> SiblingChange:
        """Change the title of an event. Raises UnknownNameError."""
        change = self.siblings.events.retitle(ticker, title)
        self._revision += 1
        return change

    def move_event(self, ticker: str, series_ticker: str) -> SiblingChange:
        """Move an event to another series, which need not exist. Raises UnknownNameError."""
        change = self.siblings.events.move(ticker, series_ticker)
        self._revision += 1
        return change

    def _set(self, kind: str, milestone_id: str, **values: Any) -> Change:
        """Replace top-level fields; every other field keeps its bytes."""
        with self._lock:
            old = self._row(milestone_id)
            fields: dict[str, Any] = _fields_decoder.decode(old.body)
            new = Row.of(_encoder.encode({**fields, "last_updated_ts": self._stamp(), **values}))
            if new.position == old.position:
                self._order[self._place(old)] = new
                self._note(new)
            else:
                self._take(old)
                self._put(new)
            return Change(kind, milestone_id, old.body, new.body)

    def _put(self, row: Row) -> None:
        bisect.insort(self._order, row, key=_by_position)
        self._note(row)

    def _note(self, row: Row) -> None:
        milestone_id = row.position[1]
        self._rows[milestone_id] = row
        bisect.insort(self._updates, (row.updated_micros, milestone_id))
        self._source.note(row)
        self._revision += 1

    def _take(self, row: Row) -> None:
        del self._order[self._place(row)]
        del self._rows[row.position[1]]

    def _place(self, row: Row) -> int:
        return bisect.bisect_left(self._order, row.position, key=_by_position)

    def _stamp(self) -> str:
        return format_micros(micros_of(self._now()))

    def _tickers(self, milestone_id: str) -> tuple[list[str], list[str]]:
        fields = _fields_decoder.decode(self._row(milestone_id).body)
        related = _strings_decoder.decode(fields["related_event_tickers"]) or []
        return related, _strings_decoder.decode(fields["primary_event_tickers"]) or []
