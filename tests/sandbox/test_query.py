from __future__ import annotations

import pytest

from sandbox.cursor import encode_cursor
from sandbox.query import BadParameterError, Query, parse_query


def test_every_parameter_is_read() -> None:
    parameters = {
        "limit": "7",
        "cursor": encode_cursor((9, "a")),
        "minimum_start_date": "1970-01-01T00:00:01.5Z",
        "min_updated_ts": "12",
        "category": "Sports",
        "type": "golf_match",
        "source_id": "s",
        "related_event_ticker": "T",
        "competition": "c",
        "with_milestones": "unknown ones are ignored",
    }
    assert parse_query(parameters) == Query(
        limit=7,
        after=(9, "a"),
        minimum_start=2,
        updated_after_micros=12_000_000,
        category="Sports",
        type="golf_match",
        source_id="s",
        related_event_ticker="T",
        competition="c",
    )


def test_empty_texts_are_not_filters() -> None:
    names = ("cursor", "minimum_start_date", "category", "type", "source_id", "related_event_ticker", "competition")
    assert parse_query({"limit": "500", **dict.fromkeys(names, "")}) == Query(limit=500)


INT64_MAX = 2**63 - 1


@pytest.mark.parametrize(
    ("text", "value"),
    [("+5", 5), ("-5", -5), ("007", 7), ("0" * 5_000 + "1", 1), (str(INT64_MAX), INT64_MAX), ("-0", 0)],
    ids=["plus", "minus", "zeros", "many zeros", "largest", "minus zero"],
)
def test_integers_as_go_reads_them(text: str, value: int) -> None:
    assert parse_query({"limit": "1", "min_updated_ts": text}).updated_after_micros == value * 1_000_000


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        pytest.param({}, "limit is required", id="no limit"),
        pytest.param({"limit": "0"}, "between 1 and 500", id="limit 0"),
        pytest.param({"limit": "501"}, "between 1 and 500", id="limit 501"),
        pytest.param({"limit": "1000"}, "between 1 and 500", id="limit 1000"),
        pytest.param({"limit": ""}, 'parsing "": invalid syntax', id="limit empty"),
        pytest.param({"limit": "1_0"}, "invalid syntax", id="limit with underscore"),
        pytest.param({"limit": "٣"}, "invalid syntax", id="limit in other digits"),
        pytest.param({"limit": "9" * 9_000}, "value out of range", id="limit endless"),
        pytest.param({"limit": "1", "min_updated_ts": "1.5"}, 'parsing "1.5": invalid syntax', id="float"),
        pytest.param({"limit": "1", "min_updated_ts": str(2**63)}, "value out of range", id="past int64"),
        pytest.param({"limit": "1", "minimum_start_date": "2026-01-01"}, "minimum_start_date", id="date only"),
        pytest.param({"limit": "1", "minimum_start_date": "2026-02-30T00:00:00Z"}, "cannot parse", id="no such day"),
        pytest.param({"limit": "1", "cursor": "nonsense"}, "Invalid cursor", id="cursor"),
    ],
)
def test_error_messages(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(BadParameterError, match=message):
        parse_query(parameters)
