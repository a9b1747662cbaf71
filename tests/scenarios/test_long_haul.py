"""The bench of many polls, a few of them; and that it fails where something grows."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.long_haul import MAX_MORE_BYTES, Haul, Poll, haul, medians_of_tenths

pytestmark = pytest.mark.slow


def test_a_few_polls_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("KALSHI_BASE_URL", "KALSHI_REQUESTS_PER_SECOND", "DAGSTER_HOME"):
        # Set by the bench: put back afterwards.
        monkeypatch.setenv(variable, "")
    shown: list[Poll] = []
    found = haul(tmp_path, polls=12, rows=300, after=shown.append)
    assert len(found.polls) == 12
    assert shown == found.polls
    assert found.faults() == []
    # A poll that merged nothing would add a block to each of a dozen tables.
    assert found.polls[-1].sizes["warehouse"] - found.polls[3].sizes["warehouse"] < 8 * 1024 * 1024


def polls(*, grow: int = 0, slow: float = 0.0, leak: int = 0, **later: int) -> Haul:
    sizes = [{"warehouse": 10 + grow * number, "published_duckdb": 10} for number in range(300)]
    made = [Poll(number, 1 + slow * number, size, 5 + leak * number) for number, size in enumerate(sizes, 1)]
    bounded = {"raw": 10, "published_parquet": 10, "dagster": 10}
    return Haul(made, {"warehouse": 10, "published_duckdb": 10} | bounded, bounded | later)


def test_what_grows_is_a_fault() -> None:
    assert polls().faults() == []
    assert "warehouse" in polls(grow=MAX_MORE_BYTES // 290).faults()[0]
    assert "polls take" in polls(slow=0.1).faults()[0]
    assert "open files" in polls(leak=1).faults()[0]
    for part in ("raw", "published_parquet", "dagster"):
        assert f"{part}: 999,999,999 bytes when the polls are old" in polls(**{part: 999_999_999}).faults()[0]


def test_the_slope_is_a_median_of_each_tenth() -> None:
    assert medians_of_tenths([float(number // 10) for number in range(100)]) == [float(tenth) for tenth in range(10)]
