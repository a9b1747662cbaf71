"""Finds the rows of a few milestones in a large table without reading all of it.

DuckDB decompresses every column of every row that it joins, and text columns are slow. The rows of a milestone are
stored close together, in the order of loading: a first query reads only the ids, and the second only the row ranges
that contain them.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

ROWS_PER_BLOCK = 2_048
"""DuckDB's vector size: it never reads fewer rows."""

MAX_RANGES = 32
"""Row ranges per query: DuckDB compares every row number that it cannot skip with each of them."""


def rows_of(connection: duckdb.DuckDBPyConnection, table: str, milestones: str) -> str:
    """A query for the rows of `table` whose milestone_id is in the table `milestones`; the caller quotes both names.

    Valid until `table` is written.
    """
    near = _near(connection, table, milestones)
    return f"SELECT * FROM {table} SEMI JOIN {milestones} USING (milestone_id) WHERE {near}"  # noqa: S608


def rows_near(connection: duckdb.DuckDBPyConnection, table: str, milestones: str) -> str:
    """A query for those rows, and others that are stored among them, for a caller that joins `milestones` anyway."""
    return f"SELECT * FROM {table} WHERE {_near(connection, table, milestones)}"  # noqa: S608


def _near(connection: duckdb.DuckDBPyConnection, table: str, milestones: str) -> str:
    """A condition for the row ranges of `table` that have rows of these milestones."""
    blocks = connection.execute(
        f"SELECT DISTINCT rowid // {ROWS_PER_BLOCK} AS number FROM {table} "  # noqa: S608
        f"SEMI JOIN {milestones} USING (milestone_id) ORDER BY number"
    ).fetchall()
    ranges = (
        f"rowid BETWEEN {first * ROWS_PER_BLOCK} AND {(last + 1) * ROWS_PER_BLOCK - 1}"
        for first, last in cover([number for (number,) in blocks], most=MAX_RANGES)
    )
    return " OR ".join(ranges) or "false"


def cover(numbers: Sequence[int], *, most: int) -> list[tuple[int, int]]:
    """Cover ascending numbers by at most `most` ranges (first, last), split at the widest gaps."""
    if not numbers:
        return []
    gaps = [place for place in range(1, len(numbers)) if numbers[place] > numbers[place - 1] + 1]
    gaps.sort(key=lambda place: numbers[place - 1] - numbers[place])
    begins = [0, *sorted(gaps[: most - 1])]
    return [(numbers[begin], numbers[end - 1]) for begin, end in zip(begins, [*begins[1:], len(numbers)], strict=True)]
