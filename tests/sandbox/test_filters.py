"""Each filter of a query, alone and together, on rows."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sandbox.filters import predicate
from sandbox.query import Query
from sandbox.row import Row


def row(**fields: Any) -> Row:
    return Row.of(msgspec.json.encode({"id": "a", "start_date": "1970-01-01T00:00:00Z", **fields}))


GAME = row(
    category="Sports",
    type="game",
    source_id="s1",
    related_event_tickers=["KX-1", "KX-2"],
    last_updated_ts="1970-01-01T00:00:01Z",
)


def test_a_query_without_filters_needs_no_predicate() -> None:
    assert predicate(Query(limit=1)) is None


@pytest.mark.parametrize(
    ("filters", "matches"),
    [
        ({"category": "Sports"}, True),
        ({"category": "sports"}, False),
        ({"type": "game"}, True),
        ({"type": "gam"}, False),
        ({"source_id": "s1"}, True),
        ({"source_id": "KX-1"}, False),
        ({"related_event_ticker": "KX-2"}, True),
        ({"related_event_ticker": "KX"}, False),
        ({"related_event_ticker": "s1"}, False),
        ({"updated_after_micros": 999_999}, True),
        ({"updated_after_micros": 1_000_000}, False),
        ({"category": "Sports", "type": "game"}, True),
        ({"category": "Sports", "type": "race"}, False),
    ],
    ids=str,
)
def test_a_filter_compares_whole_values(filters: dict[str, Any], matches: bool) -> None:
    test = predicate(Query(limit=1, **filters))
    assert test is not None
    assert test(GAME) == matches


def test_values_behind_json_escapes_are_found() -> None:
    escaped = Row.of(rb'{"id":"a","start_date":"1970-01-01T00:00:00Z","source_id":"\u0073\u0031"}')
    test = predicate(Query(limit=1, source_id="s1"))
    assert test is not None
    assert test(escaped)


def test_missing_and_null_fields_do_not_match() -> None:
    for filters in ({"source_id": "s1"}, {"related_event_ticker": "KX-1"}):
        test = predicate(Query(limit=1, **filters))  # type: ignore[arg-type]
        assert test is not None
        assert not test(row(title="s1 KX-1"))
        assert not test(row(title="s1 KX-1", source_id=None, related_event_tickers=None))
