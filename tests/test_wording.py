"""Counts and durations in messages."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipelines.wording import counted, duration


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (2_000, "2,000 rows"), (1_000_001, "1,000,001 rows")],
    ids=["none", "one", "two", "thousands", "millions"],
)
def test_a_regular_noun(count: int, expected: str) -> None:
    assert counted(count, "row") == expected


def test_an_irregular_noun() -> None:
    assert counted(1, "retry", "retries") == "1 retry"
    assert counted(3, "retry", "retries") == "3 retries"


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        ({"seconds": 1}, "1 second"),
        ({"seconds": 119}, "119 seconds"),
        ({"minutes": 2}, "2 minutes"),
        ({"minutes": 119}, "119 minutes"),
        ({"hours": 47, "minutes": 50}, "48 hours"),
        ({"days": 3}, "3 days"),
    ],
    ids=str,
)
def test_a_duration_has_the_largest_unit_with_at_least_two(length: dict[str, float], expected: str) -> None:
    assert duration(timedelta(**length)) == expected
