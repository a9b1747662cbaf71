"""Counts in messages."""

from __future__ import annotations

import pytest

from pipelines.wording import counted


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
