from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.cursor import encode_cursor
from sandbox.query import BadParameterError
from sandbox.sibling_query import (
    Pairs,
    first_values,
    is_true,
    parse_events,
    parse_live_datas,
    parse_series,
    parse_targets,
)
from sandbox.siblings.event_store import EventQuery
from sandbox.siblings.series_store import SeriesQuery
from sandbox.siblings.target_store import TargetQuery


def test_targets() -> None:
    assert parse_targets([]) == TargetQuery(page_size=100)
    assert parse_targets([("cursor", ""), ("ids", ""), ("type", ""), ("other", "x")]) == TargetQuery(page_size=100)
    pairs = [("ids", "a"), ("page_size", "2000"), ("ids", "b"), ("type", "t"), ("competition", "c"), ("cursor", "z")]
    assert parse_targets(pairs) == TargetQuery(page_size=2_000, after="z", ids=("a", "b"), type="t", competition="c")
    assert len(parse_targets([("ids", "a")] * 2_000).ids or ()) == 2_000


def test_events() -> None:
    assert parse_events([("tickers", ""), ("status", ""), ("min_close_ts", "")]) == EventQuery(limit=100)
    pairs = [
        ("limit", "200"),
        ("limit", "1"),
        ("cursor", encode_cursor((5, "KX-1"))),
        ("tickers", "KX-1,KX-2,"),
        ("series_ticker", "KX"),
        ("status", "settled"),
        ("min_close_ts", "7"),
        ("min_updated_ts", "8"),
    ]
    assert parse_events(pairs) == EventQuery(
        limit=200,
        after=(5, "KX-1"),
        tickers=("KX-1", "KX-2"),
        series_ticker="KX",
        status="settled",
        min_close=7,
        updated_after_micros=8_000_000,
    )


def test_series() -> None:
    assert parse_series([]) == SeriesQuery()
    pairs = [("category", "Sports"), ("tags", "NBA,ATP"), ("min_updated_ts", "8")]
    assert parse_series(pairs) == SeriesQuery(category="Sports", tags=("NBA", "ATP"), updated_after_micros=8_000_000)


def test_live_datas() -> None:
    assert parse_live_datas([("milestone_ids", "a"), ("x", "y"), ("milestone_ids", "b,c")]) == ("a", "b,c")
    assert len(parse_live_datas([("milestone_ids", "a")] * 100)) == 100


@pytest.mark.parametrize(
    ("parse", "pairs", "message"),
    [
        (parse_targets, [("ids", "a")] * 2_001, "Invalid ids: at most 2000 are allowed, not 2001"),
        (parse_targets, [("page_size", "2001")], "Invalid page_size 2001: must be between 1 and 2000"),
        (parse_targets, [("page_size", "0")], "Invalid page_size 0: must be between 1 and 2000"),
        (parse_targets, [("page_size", "x")], "Invalid format for parameter page_size"),
        (parse_events, [("limit", "201")], "Invalid limit 201: must be between 1 and 200"),
        (parse_events, [("limit", "0")], "Invalid limit 0: must be between 1 and 200"),
        (parse_events, [("cursor", "?")], "Invalid cursor"),
        (parse_events, [("status", "live")], "Invalid status live: must be one of unopened, open, closed, settled"),
        (parse_events, [("min_close_ts", "1.5")], "Invalid format for parameter min_close_ts"),
        (parse_events, [("min_updated_ts", "1.5")], "Invalid format for parameter min_updated_ts"),
        (parse_series, [("min_updated_ts", "now")], "Invalid format for parameter min_updated_ts"),
        (parse_live_datas, [], "Query argument milestone_ids is required, but not found"),
        (parse_live_datas, [("milestone_ids", "a")] * 101, "Invalid milestone_ids: at most 100 are allowed, not 101"),
    ],
)
def test_refused_parameters(parse: Callable[[Pairs], Any], pairs: Pairs, message: str) -> None:
    with pytest.raises(BadParameterError) as refused:
        parse(pairs)
    assert str(refused.value).startswith(message)


def test_the_first_value_counts_and_flags_are_true_or_not() -> None:
    pairs = [("a", "1"), ("b", "true"), ("a", "2")]
    assert first_values(pairs) == {"a": "1", "b": "true"}
    assert is_true(pairs, "b")
    assert not is_true(pairs, "a")
    assert not is_true(pairs, "c")
