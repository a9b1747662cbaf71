"""Finding the rows of a few milestones in a large table.

DuckDB decompresses every column of every row that it joins, texts above all. What milestones have in a table stands
close together, as it came: their ids are looked through first, and only the stretches that hold some are then read.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

ROWS_OF_ONE_STRETCH = 2_048
"""DuckDB's vector: less than that is not read."""

MAX_STRETCHES = 32
"""Of one query: each is compared with every row number that is not passed over as a whole."""


def rows_of(connection: duckdb.DuckDBPyConnection, table: str, milestones: str) -> str:
    """A query for a table's rows of the milestones that another table lists by milestone_id; both quoted by the caller.

    Holds as long as the table is not written to.
    """
    found = connection.execute(
        f"SELECT DISTINCT rowid // {ROWS_OF_ONE_STRETCH} AS number FROM {table} "  # noqa: S608
        f"SEMI JOIN {milestones} USING (milestone_id) ORDER BY number"
    ).fetchall()
    wanted = " OR ".join(
        f"rowid BETWEEN {first * ROWS_OF_ONE_STRETCH} AND {(last + 1) * ROWS_OF_ONE_STRETCH - 1}"
        for first, last in stretches([number for (number,) in found], most=MAX_STRETCHES)
    )
    return f"SELECT * FROM {table} SEMI JOIN {milestones} USING (milestone_id) WHERE {wanted or 'false'}"  # noqa: S608


def stretches(numbers: Sequence[int], *, most: int) -> list[tuple[int, int]]:
    """Ascending numbers as at most so many ranges, first and last of each; the widest gaps are left out."""
    if not numbers:
        return []
    gaps = [place for place in range(1, len(numbers)) if numbers[place] > numbers[place - 1] + 1]
    gaps.sort(key=lambda place: numbers[place - 1] - numbers[place])
    begins = [0, *sorted(gaps[: most - 1])]
    return [(numbers[begin], numbers[end - 1]) for begin, end in zip(begins, [*begins[1:], len(numbers)], strict=True)]
