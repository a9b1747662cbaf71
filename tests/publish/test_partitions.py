"""Ranges of start dates: where they are split, which milestones they have, and that they are never merged."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.publish.partitions import FIRST_DAY, VERSIONS_PER_RANGE, Ranges, split

DAYS = st.dates(date(2020, 1, 1), date(2027, 1, 1))
COUNTS = st.dictionaries(st.none() | DAYS, st.integers(1, 3 * VERSIONS_PER_RANGE), max_size=30)


def held(ranges: Ranges, counts: dict[date | None, int]) -> list[int]:
    """How many versions each range holds."""
    found = [0] * len(ranges)
    for day, count in counts.items():
        found[ranges.number_of(datetime(day.year, day.month, day.day, 12, tzinfo=UTC) if day else None)] += count
    return found


@given(COUNTS)
def test_ranges_stay_below_their_maximum(counts: dict[date | None, int]) -> None:
    ranges = split(Ranges(), counts.items())
    assert ranges.days[0] == FIRST_DAY
    largest_day = max(counts.values(), default=0) + counts.get(None, 0)
    assert max(held(ranges, counts), default=0) <= 2 * VERSIONS_PER_RANGE + largest_day


@given(COUNTS, COUNTS)
def test_ranges_are_never_merged(before: dict[date | None, int], after: dict[date | None, int]) -> None:
    ranges = split(Ranges(), before.items())
    assert set(ranges.days) <= set(split(ranges, after.items()).days)


@given(COUNTS)
def test_ranges_that_did_not_grow_are_kept(counts: dict[date | None, int]) -> None:
    ranges = split(Ranges(), counts.items())
    small = {day: min(count, 100) for day, count in counts.items()}
    assert split(ranges, small.items()) == ranges


@pytest.mark.parametrize(
    ("counts", "first_days"),
    [
        pytest.param([10, 10], [], id="twice the size"),
        pytest.param([10, 11], [2], id="one more"),
        pytest.param([10, 10, 10, 10], [2, 3, 4], id="days of one size"),
        pytest.param([9, 1, 5, 6], [3], id="two days fill a range"),
        pytest.param([21], [], id="a day is never split"),
    ],
)
def test_a_range_of_more_than_twice_the_size_is_split_between_days(counts: list[int], first_days: list[int]) -> None:
    by_day = {date(2026, 1, number): count for number, count in enumerate(counts, start=1)}
    found = split(Ranges(), by_day.items(), per_range=10)
    assert found.days == (FIRST_DAY, *(date(2026, 1, number) for number in first_days))


def test_only_the_split_range_is_not_kept() -> None:
    before = Ranges((FIRST_DAY, date(2025, 1, 1), date(2026, 1, 1)))
    after = Ranges((FIRST_DAY, date(2025, 1, 1), date(2025, 6, 1), date(2026, 1, 1)))
    assert after.kept_from(before) == {0, 3}


@pytest.mark.parametrize(
    ("start", "number"),
    [
        pytest.param(None, 0, id="no start"),
        pytest.param(datetime(2000, 1, 1, tzinfo=UTC), 0, id="long before"),
        pytest.param(datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC), 0, id="the last second before"),
        pytest.param(datetime(2025, 1, 1, tzinfo=UTC), 1, id="the first moment"),
        pytest.param(datetime(2030, 1, 1, tzinfo=UTC), 2, id="beyond all"),
    ],
)
def test_number_of_finds_the_range_of_a_start(start: datetime | None, number: int) -> None:
    assert Ranges((FIRST_DAY, date(2025, 1, 1), date(2026, 1, 1))).number_of(start) == number


@pytest.mark.slow
@given(COUNTS, st.none() | st.datetimes(datetime(2019, 1, 1), datetime(2028, 1, 1)), st.data())
def test_sql_and_python_agree(counts: dict[date | None, int], start: datetime | None, data: st.DataObject) -> None:
    ranges, moment = split(Ranges(), counts.items()), start.replace(tzinfo=UTC) if start else None
    numbers = data.draw(st.sets(st.sampled_from(range(len(ranges))), min_size=1))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        query = (
            f"SELECT {ranges.number_of_sql(numbers)} FROM (SELECT CAST(? AS TIMESTAMPTZ) AS start_date) "
            f"WHERE {ranges.holds_sql(numbers)}"
        )
        expected = {ranges.number_of(moment)} & numbers
        assert connection.execute(query, [moment]).fetchall() == [(number,) for number in expected]


def test_folders_are_named_by_the_first_day_and_make_no_hive_column() -> None:
    days = (FIRST_DAY, date(2025, 1, 1) + timedelta(days=30))
    assert [Ranges(days).folder(number) for number in (0, 1)] == ["from-0001-01-01", "from-2025-01-31"]
