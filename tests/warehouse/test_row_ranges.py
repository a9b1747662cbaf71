"""Finding the rows of a few milestones: all of them are read, and row ranges without any are skipped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.warehouse.row_ranges import ROWS_PER_BLOCK, cover, rows_of

ASCENDING = st.sets(st.integers(0, 300)).map(sorted)


@given(ASCENDING, st.integers(1, 10))
def test_ranges_cover_every_number_within_the_limit(numbers: list[int], most: int) -> None:
    found = cover(numbers, most=most)
    assert len(found) <= most
    assert all(any(first <= number <= last for first, last in found) for number in numbers)
    assert {first for first, _ in found} | {last for _, last in found} <= set(numbers)
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(found))


@pytest.mark.parametrize(
    ("numbers", "most", "expected"),
    [
        ([], 3, []),
        ([7], 3, [(7, 7)]),
        ([1, 2, 3], 3, [(1, 3)]),
        ([1, 3, 9], 3, [(1, 1), (3, 3), (9, 9)]),
        ([1, 3, 9], 2, [(1, 3), (9, 9)]),
        ([1, 9, 11], 1, [(1, 11)]),
    ],
)
def test_ranges_are_split_at_the_widest_gaps(numbers: list[int], most: int, expected: list[tuple[int, int]]) -> None:
    assert cover(numbers, most=most) == expected


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A table of fifty cover, two rows a milestone."""
    with duckdb.connect() as made:
        made.execute(
            f"CREATE TABLE large AS SELECT (i // 2)::VARCHAR AS milestone_id, i FROM range({50 * ROWS_PER_BLOCK}) t(i)"
        )
        yield made


def query_for(connection: duckdb.DuckDBPyConnection, ids: Iterable[int]) -> str:
    """The query for the rows of these milestones."""
    connection.execute(
        "CREATE OR REPLACE TABLE few AS SELECT unnest(?::VARCHAR[]) AS milestone_id", [list(map(str, ids))]
    )
    return rows_of(connection, "large", "few")


@pytest.mark.slow
@given(ids=st.sets(st.integers(-5, 60_000), max_size=60))
def test_every_row_is_found(connection: duckdb.DuckDBPyConnection, ids: set[int]) -> None:
    found = connection.execute(f"SELECT i FROM ({query_for(connection, ids)}) ORDER BY i").fetchall()
    there = range(25 * ROWS_PER_BLOCK)
    assert [i for (i,) in found] == [i for one in sorted(ids) if one in there for i in (2 * one, 2 * one + 1)]


def test_ranges_without_a_row_are_skipped(connection: duckdb.DuckDBPyConnection) -> None:
    query = query_for(connection, (0, 50_000))
    for first in (0, 100_000 // ROWS_PER_BLOCK * ROWS_PER_BLOCK):
        assert f"rowid BETWEEN {first} AND {first + ROWS_PER_BLOCK - 1}" in query
    assert query.count("BETWEEN") == 2


def test_a_table_without_matching_rows_is_not_read(connection: duckdb.DuckDBPyConnection) -> None:
    assert query_for(connection, ()).endswith("WHERE false")
