"""Partitions of large tables by start date, so that a change rewrites a range and not the table. Pure functions.

A range is identified by its first day and ends at the first day of the next. Ranges are split but never merged, so that
the files of unchanged ranges can be reused from snapshot to snapshot.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

VERSIONS_PER_RANGE = 25_000
"""The milestones of a new range have about this many versions. It is split when they have more than twice as many."""

FIRST_DAY = date(1, 1, 1)
"""The first day of the first range, which also holds milestones without a start."""

FOLDER_PREFIX = "from-"
"""Prefix of the folder of a range, before its first day. `key=value` would add a column in hive-aware readers."""

HIVE_KEY = "start_from="
"""Prefix of the folders in earlier versions. Snapshots with such folders are not reused."""

FILE_NAME = "part-000.parquet"
"""Name of the file of a range, and of the single file of a table that is not split."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """The first days of all ranges, ascending; the first is FIRST_DAY."""

    days: tuple[date, ...] = (FIRST_DAY,)

    def __len__(self) -> int:
        return len(self.days)

    def folder(self, number: int) -> str:
        """The folder of a range, such as `from-2026-11-05`."""
        return f"{FOLDER_PREFIX}{self.days[number].isoformat()}"

    def number_of(self, start: datetime | None) -> int:
        """The range of a start in UTC."""
        return bisect_right(self.days, start.date()) - 1 if start else 0

    def kept_from(self, before: Ranges) -> set[int]:
        """The ranges that have the same first and last day as a range of `before`."""
        spans_before = set(_spans(before.days))
        return {number for number, span in enumerate(_spans(self.days)) if span in spans_before}

    def number_of_sql(self, numbers: Collection[int]) -> str:
        """SQL for the number of the range of `start_date`, a TIMESTAMPTZ in one of these ranges."""
        *others, last = sorted(numbers)
        cases = "".join(f" WHEN start_date < {_moment(self.days[number + 1])} THEN {number}" for number in others)
        return f"CASE WHEN start_date IS NULL THEN 0{cases} ELSE {last} END"

    def holds_sql(self, numbers: Collection[int]) -> str:
        """SQL condition that `start_date` is in one of these ranges, as bounds that let DuckDB skip row groups."""
        conditions = ["start_date IS NULL"] if 0 in numbers else []
        for number in sorted(numbers):
            bounds = []
            if number > 0:
                bounds.append(f"start_date >= {_moment(self.days[number])}")
            if number + 1 < len(self):
                bounds.append(f"start_date < {_moment(self.days[number + 1])}")
            conditions.append(f"({' AND '.join(bounds) or 'true'})")
        return " OR ".join(conditions)


def _moment(day: date) -> str:
    return f"TIMESTAMPTZ '{day.isoformat()} 00:00:00+00'"


def _spans(days: Sequence[date]) -> list[tuple[date, date | None]]:
    return list(pairwise([*days, None]))  # type: ignore[list-item]


def split(before: Ranges, counts: Iterable[tuple[date | None, int]], *, per_range: int = VERSIONS_PER_RANGE) -> Ranges:
    """Split the ranges that became too large; `counts` are versions by start day, None for those without a start."""
    in_range: dict[int, list[tuple[date, int]]] = {}
    for day, count in counts:
        own = day or FIRST_DAY
        in_range.setdefault(bisect_right(before.days, own) - 1, []).append((own, count))
    days = set(before.days)
    for of_range in in_range.values():
        if sum(count for _, count in of_range) > 2 * per_range:
            days |= _cuts(sorted(of_range), per_range)
    return Ranges(tuple(sorted(days)))


def _cuts(counts: list[tuple[date, int]], per_range: int) -> set[date]:
    """The first days of the new ranges. All milestones of a day stay in one range."""
    cuts, rows = set(), 0
    for day, count in counts:
        if rows >= per_range:
            cuts.add(day)
            rows = 0
        rows += count
    return cuts
