"""The filters of a query as predicates on rows. Which rows are candidates is decided in `world`."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from sandbox.query import Query
from sandbox.row import Row
from schemas.api import JsonObject, object_decoder
from schemas.leagues import COMPETITION_KEYS


def predicate(query: Query) -> Callable[[Row], bool] | None:
    """The filters that candidates must still pass; None for no filter (filter() then keeps every row)."""
    tests: list[Callable[[Row], bool]] = []
    if (updated := query.updated_after_micros) is not None:
        tests.append(lambda row: row.updated_micros > updated)
    if (category := query.category) is not None:
        tests.append(lambda row: row.category == category)
    if (kind := query.type) is not None:
        tests.append(lambda row: row.type == kind)
    if (source := query.source_id) is not None:
        tests.append(_contains(source, lambda row: row.get("source_id") == source))
    if (ticker := query.related_event_ticker) is not None:
        tests.append(_contains(ticker, lambda row: ticker in (row.get("related_event_tickers") or ())))
    if (competition := query.competition) is not None:
        tests.append(_contains(competition, lambda row: _is_of(row.get("details"), competition)))
    if not tests:
        return None
    return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)


def _is_of(details: JsonObject | None, competition: str) -> bool:
    return any((details or {}).get(key) == competition for key in COMPETITION_KEYS)


def _contains(text: str, confirm: Callable[[JsonObject], bool]) -> Callable[[Row], bool]:
    """Search the text in the row's bytes, and decode only rows that contain it, or escapes, which may hide it."""
    needle = msgspec.json.encode(text)
    return lambda row: (needle in row.body or b"\\" in row.body) and confirm(object_decoder.decode(row.body))
