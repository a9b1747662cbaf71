"""Into which ranges of starts a large table is split, so that a change costs its range and not the table. Pure.

A range is known by its first day, and lasts until the next one's. Ranges are only ever split: files of a range that
nothing touched stay what they are from snapshot to snapshot.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

MILESTONES_PER_RANGE = 25_000
"""Ranges have this many when they are made, and are split when they have twice as many."""

FIRST_DAY = date(1, 1, 1)
"""Of the first range, which also holds milestones without a start."""

FOLDER_PREFIX = "from-"
"""Of a range's folder, before its first day. Not `key=value`: hive-aware readers would see one more column."""

HIVE_KEY = "start_from="
"""Of the folders that earlier versions made; a snapshot with such folders is not built on."""

FILE_NAME = "part-000.parquet"
"""Of a range's file, and of the only file of a table that is not split."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """The first days of all ranges, ascending; the first is FIRST_DAY."""

    days: tuple[date, ...] = (FIRST_DAY,)

    def __len__(self) -> int:
        return len(self.days)

    def folder(self, number: int) -> str:
        """The folder of a range's files, such as `from-2026-11-05`."""
        return f"{FOLDER_PREFIX}{self.days[number].isoformat()}"

    def number_of(self, start: datetime | None) -> int:
        """The range of a start in UTC."""
        return bisect_right(self.days, start.date()) - 1 if start else 0

    def kept_from(self, before: Ranges) -> set[int]:
        """The ranges that begin and end where one of these others did."""
        known = set(_spans(before.days))
        return {number for number, span in enumerate(_spans(self.days)) if span in known}

    def number_of_sql(self, numbers: Collection[int]) -> str:
        """SQL that gives the number of the range of `start_date`, a TIMESTAMPTZ that lies in one of these ranges."""
        *others, last = sorted(numbers)
        cases = "".join(f" WHEN start_date < {_moment(self.days[number + 1])} THEN {number}" for number in others)
        return f"CASE WHEN start_date IS NULL THEN 0{cases} ELSE {last} END"

    def holds_sql(self, numbers: Collection[int]) -> str:
        """SQL that says whether `start_date` lies in one of these ranges; bounds, so that DuckDB can pass over rows."""
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


def split(
    before: Ranges, counts: Iterable[tuple[date | None, int]], *, per_range: int = MILESTONES_PER_RANGE
) -> Ranges:
    """The ranges for milestones counted by the day of their start (None: without one): those there were, split."""
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
    """The days at which a range is cut; a day is never cut itself."""
    cuts, rows = set(), 0
    for day, count in counts:
        if rows >= per_range:
            cuts.add(day)
            rows = 0
        rows += count
    return cuts
