"""Validation of queries, and the parameters they send."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.kalshi.query import MilestoneQuery

EASTERN = timezone(timedelta(hours=-5))


@pytest.mark.parametrize(
    ("query", "cursor", "params"),
    [
        pytest.param(MilestoneQuery(), None, {"limit": "500"}, id="bare"),
        pytest.param(MilestoneQuery(limit=1), "", {"limit": "1"}, id="empty-cursor-is-none"),
        pytest.param(MilestoneQuery(), "a+/=&%", {"limit": "500", "cursor": "a+/=&%"}, id="cursor"),
        pytest.param(
            MilestoneQuery(min_updated_ts=0), None, {"limit": "500", "min_updated_ts": "0"}, id="zero-seconds"
        ),
        pytest.param(
            MilestoneQuery(minimum_start_date=datetime(2026, 11, 23, 19, 30, tzinfo=EASTERN)),
            None,
            {"limit": "500", "minimum_start_date": "2026-11-24T00:30:00Z"},
            id="start-in-utc",
        ),
        pytest.param(
            MilestoneQuery(minimum_start_date=datetime(2026, 1, 1, microsecond=5, tzinfo=UTC)),
            None,
            {"limit": "500", "minimum_start_date": "2026-01-01T00:00:00.000005Z"},
            id="start-with-microseconds",
        ),
        pytest.param(
            MilestoneQuery(
                category="Science & Technology",
                type="kpis",
                source_id="sr:sport_event:1",
                related_event_ticker="KX-1",
                competition="ATP",
            ),
            None,
            {
                "limit": "500",
                "category": "Science & Technology",
                "type": "kpis",
                "source_id": "sr:sport_event:1",
                "related_event_ticker": "KX-1",
                "competition": "ATP",
            },
            id="texts",
        ),
    ],
)
def test_params(query: MilestoneQuery, cursor: str | None, params: dict[str, str]) -> None:
    assert query.params(cursor) == params


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        pytest.param({"limit": 0}, "limit", id="limit-0"),
        pytest.param({"limit": 501}, "limit", id="limit-501"),
        pytest.param({"limit": True}, "limit", id="limit-bool"),
        pytest.param({"limit": 5.0}, "limit", id="limit-float"),
        pytest.param({"min_updated_ts": 1.5}, "whole Unix seconds", id="float-seconds"),
        pytest.param({"min_updated_ts": True}, "whole Unix seconds", id="bool-seconds"),
        pytest.param({"minimum_start_date": datetime(2026, 1, 1)}, "time zone", id="naive"),
        pytest.param({"category": ""}, "category is empty", id="empty-text"),
        pytest.param({"type": "  "}, "type is empty", id="blank-text"),
        pytest.param({"source_id": "\udcff"}, "surrogates", id="lone-surrogate"),
    ],
)
def test_invalid_values_are_refused(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        MilestoneQuery(**fields)


@given(st.datetimes(timezones=st.timezones()))
def test_start_dates_are_sent_as_the_same_moment(moment: datetime) -> None:
    try:
        text = MilestoneQuery(minimum_start_date=moment).params()["minimum_start_date"]
    except OverflowError:  # a zone at the edge of the calendar
        return
    assert text.endswith("Z")
    assert datetime.fromisoformat(text) == moment.astimezone(UTC)
