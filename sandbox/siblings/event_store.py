"""The events of a world: those that its milestones name now, and the recorded ones."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from sandbox.cursor import Position
from sandbox.rfc3339 import parse_micros
from sandbox.row import Row
from sandbox.siblings.chance import is_unknown
from sandbox.siblings.events import CLOSES_SECONDS, Status, close_of, event_of, status_of
from sandbox.siblings.index import Naming, naming_of, owner_of, series_of
from sandbox.siblings.store import Edits, PageOf, SiblingChange, Source, UnknownNameError


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """The parameters of one page; None: no such filter. `min_close` in Unix seconds, updates in microseconds."""

    limit: int
    after: Position | None = None
    tickers: tuple[str, ...] | None = None
    series_ticker: str | None = None
    status: Status | None = None
    min_close: int | None = None
    updated_after_micros: int | None = None


class _Entry(NamedTuple):
    """An event in the scan: the end of trading, its ticker, and the milestone it is computed from.

    Recorded events that no milestone names have no milestone and come last.
    """

    position: Position
    owner: tuple[Row, Naming] | None


class _Head(msgspec.Struct):
    """The fields of a recorded event that filters compare."""

    series_ticker: str = ""
    last_updated_ts: str | None = None


class Events:
    """Read and changed under the world's lock. The order is by the end of trading and ticker, both descending."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._edits = Edits()

    def record(self, bodies: Mapping[str, bytes]) -> None:
        """Serve recorded events, by ticker."""
        self._edits.recorded |= bodies

    def get(self, ticker: str) -> bytes:
        """One event. Raises UnknownNameError."""
        with self._source.lock:
            return self._body(self._entry(ticker))

    def page(self, query: EventQuery) -> PageOf[Position]:
        """The first `limit` events after the cursor that satisfy every filter."""
        with self._source.lock:
            found = list(itertools.islice(self._matches(query), query.limit + 1))
            more = len(found) > query.limit
            del found[query.limit :]
            return PageOf([self._body(one) for one in found], found[-1].position if more else None)

    def milestones(self, bodies: Iterable[bytes]) -> list[bytes]:
        """The milestones from which these events are computed, once each."""
        with self._source.lock:
            found: dict[str, bytes] = {}
            for body in bodies:
                owner = self._owner(_ticker_decoder.decode(body).event_ticker)
                if owner is not None:
                    found[owner[0].position[1]] = owner[0].body
            return list(found.values())

    def retitle(self, ticker: str, title: str) -> SiblingChange:
        """Change the title. Raises UnknownNameError."""
        return self._change("retitle_event", ticker, title=title)

    def move(self, ticker: str, series_ticker: str) -> SiblingChange:
        """Change the series, which need not exist. Raises UnknownNameError."""
        return self._change("move_event", ticker, series_ticker=series_ticker)

    def moved_to(self) -> dict[str, int]:
        """The series to which events were moved, and when last, in microseconds since 1970."""
        found: dict[str, int] = {}
        with self._source.lock:
            for ticker in self._edits.names():
                if (series := self._edits.value(ticker, "series_ticker")) is not None:
                    found[series] = max(found.get(series, 0), self._edits.updated(ticker, 0))
        return found

    def _change(self, kind: str, ticker: str, **fields: str) -> SiblingChange:
        with self._source.lock:
            before = self.get(ticker)
            self._edits.change(ticker, self._source.now_micros(), **fields)
            return SiblingChange(kind, ticker, before, self.get(ticker))

    def _entry(self, ticker: str) -> _Entry:
        owner = self._owner(ticker)
        if owner is not None:
            return _Entry((close_of(owner[0]), ticker), owner)
        if ticker in self._edits.recorded:
            return _Entry((0, ticker), None)
        raise UnknownNameError(ticker)

    def _owner(self, ticker: str) -> tuple[Row, Naming] | None:
        if is_unknown(ticker) and ticker not in self._edits.recorded:
            return None
        return owner_of(ticker, self._source.index, self._source.rows)

    def _body(self, entry: _Entry) -> bytes:
        ticker = entry.position[1]
        recorded = self._edits.recorded
        if entry.owner is None or ticker in recorded:
            body = recorded[ticker]
        else:
            body = msgspec.json.encode(event_of(ticker, *entry.owner))
        return self._edits.applied(ticker, body, self._unedited_micros(entry))

    def _unedited_micros(self, entry: _Entry) -> int:
        """When the event was updated, edits apart, in microseconds since 1970; 0: not known."""
        if (recorded := self._edits.recorded.get(entry.position[1])) is not None:
            stamp = _head_decoder.decode(recorded).last_updated_ts
            return parse_micros(stamp) if stamp else 0
        return 0 if entry.owner is None else entry.owner[0].updated_micros

    # Scanning

    def _matches(self, query: EventQuery) -> Iterator[_Entry]:
        entries = self._scan(query) if query.tickers is None else self._named(query)
        return (one for one in entries if self._passes(one, query))

    def _named(self, query: EventQuery) -> Iterator[_Entry]:
        found = []
        for ticker in set(query.tickers or ()):
            try:
                found.append(self._entry(ticker))
            except UnknownNameError:
                continue
        found.sort(key=operator.itemgetter(0), reverse=True)
        return (one for one in found if query.after is None or one.position < query.after)

    def _scan(self, query: EventQuery) -> Iterator[_Entry]:
        """All events after the cursor; those of rows that cannot match are left out."""
        order, last = self._source.order, len(self._source.order)
        if query.after is not None:
            last = bisect.bisect_right(order, query.after[0] - CLOSES_SECONDS, key=lambda row: row.position[0])
        edited = {one for ticker in self._edits.names() for one in self._source.index.milestones_of(ticker)}
        edited |= {one for ticker in self._edits.recorded for one in self._source.index.milestones_of(ticker)}
        rows = (order[at] for at in range(last - 1, -1, -1))
        rows = (row for row in rows if row.position[1] in edited or self._may_match(row, query))
        for _, group in itertools.groupby(rows, key=lambda row: row.position[0]):
            named: dict[str, tuple[Row, Naming]] = {}
            for row in group:
                if (naming := naming_of(row.body)) is not None:
                    named |= {ticker: (row, naming) for ticker in naming.tickers if ticker not in named}
            for ticker in sorted(named, reverse=True):
                row = named[ticker][0]
                position = (close_of(row), ticker)
                if (query.after is None or position < query.after) and self._is_owner(row, ticker):
                    yield _Entry(position, named[ticker])
        for ticker in sorted(self._edits.recorded, reverse=True):
            position = (0, ticker)
            if (query.after is None or position < query.after) and self._owner(ticker) is None:
                yield _Entry(position, None)

    def _is_owner(self, row: Row, ticker: str) -> bool:
        if is_unknown(ticker) and ticker not in self._edits.recorded:
            return False
        if len(self._source.index.milestones_of(ticker)) == 1:
            return True
        owner = self._owner(ticker)
        return owner is not None and owner[0] is row

    def _may_match(self, row: Row, query: EventQuery) -> bool:
        """Whether an event of the row that was not edited can match; decodes nothing."""
        if query.min_close is not None and close_of(row) < query.min_close:
            return False
        if query.status is not None and status_of(row, self._source.now_micros()) != query.status:
            return False
        if query.series_ticker is not None and query.series_ticker.encode() not in row.body:
            return False
        return query.updated_after_micros is None or row.updated_micros > query.updated_after_micros

    def _passes(self, entry: _Entry, query: EventQuery) -> bool:
        (close, ticker), owner = entry
        status = None if owner is None else status_of(owner[0], self._source.now_micros())
        recorded = self._edits.recorded.get(ticker)
        series = series_of(ticker) if recorded is None else _head_decoder.decode(recorded).series_ticker
        series = self._edits.value(ticker, "series_ticker") or series
        updated = self._edits.updated(ticker, self._unedited_micros(entry))
        return (
            query.series_ticker in (None, series)
            and query.status in (None, status)
            and (query.min_close is None or close >= query.min_close)
            and (query.updated_after_micros is None or updated > query.updated_after_micros)
        )


class _Ticker(msgspec.Struct):
    event_ticker: str


_head_decoder = msgspec.json.Decoder(_Head)
_ticker_decoder = msgspec.json.Decoder(_Ticker)
