"""Placeholder dates are the first two days of 2000, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from schemas.placeholders import is_placeholder


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1999-12-31T23:59:59.999999+00:00", False),
        ("2000-01-01T00:00:00+00:00", True),
        ("2000-01-02T23:59:59.999999+00:00", True),
        ("2000-01-02T22:00:00-05:00", False),
        ("2000-01-03T00:00:00+00:00", False),
        ("2026-11-23T12:00:00+00:00", False),
    ],
)
def test_the_window(text: str, expected: bool) -> None:
    since_1970 = datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)
    assert is_placeholder(since_1970 // timedelta(microseconds=1)) is expected


def test_no_time_is_no_placeholder() -> None:
    assert is_placeholder(None) is False
