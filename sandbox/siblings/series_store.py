"""The series of a world's events."""

from __future__ import annotations

import dataclasses

import msgspec

from sandbox.rfc3339 import format_micros, parse_micros
from sandbox.siblings.event_store import Events
from sandbox.siblings.events import series_body
from sandbox.siblings.index import Series
from sandbox.siblings.store import Source, UnknownNameError
from schemas.api import JsonObject


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SeriesQuery:
    """The filters; None: no such filter. A series has at least one of the `tags`. Updates in microseconds."""

    category: str | None = None
    tags: tuple[str, ...] | None = None
    updated_after_micros: int | None = None


class SeriesList:
    """Read under the world's lock; ordered by ticker."""

    def __init__(self, source: Source, events: Events) -> None:
        self._source = source
        self._events = events

    def get(self, ticker: str) -> bytes:
        """One series. Raises UnknownNameError."""
        with self._source.lock:
            return msgspec.json.encode(self._series(ticker, self._events.moved_to()))

    def find(self, query: SeriesQuery) -> list[bytes]:
        """All series that satisfy every filter."""
        with self._source.lock:
            moved = self._events.moved_to()
            found = (self._series(one, moved) for one in sorted({*self._source.index.series, *moved}))
            return [msgspec.json.encode(one) for one in found if _passes(one, query)]

    def _series(self, ticker: str, moved: dict[str, int]) -> JsonObject:
        """`moved`: when an event was moved to each series last."""
        known = self._source.index.series.get(ticker)
        if known is None:
            if ticker not in moved:
                raise UnknownNameError(ticker)
            known = Series("", "")
        body = series_body(ticker, known, self._source.made_micros)
        if ticker in moved:
            body["last_updated_ts"] = format_micros(moved[ticker])
        return body


def _passes(series: JsonObject, query: SeriesQuery) -> bool:
    updated = query.updated_after_micros
    return (
        query.category in (None, series["category"])
        and (query.tags is None or not set(query.tags).isdisjoint(series["tags"] or ()))
        and (updated is None or parse_micros(series["last_updated_ts"]) > updated)
    )
