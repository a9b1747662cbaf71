"""Number of milestones by day and type, and how complete they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import duckdb

from board.rows import Parameters, fetch


@dataclass(frozen=True)
class Scope:
    """The days and milestones to count; an empty filter matches all."""

    first: date
    last: date
    groups: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    @property
    def parameters(self) -> Parameters:
        """The parameters of the queries."""
        return {"first": self.first, "last": self.last, "groups": list(self.groups), "types": list(self.types)}


@dataclass(frozen=True)
class Day:
    """Milestones that start on a UTC day, and how many of them have each property."""

    day: date
    milestones: int
    with_end: int
    with_source: int
    with_main_event_ticker: int
    with_events: int


@dataclass(frozen=True)
class OfType:
    """The same for a type in a category group."""

    category_group: str
    type: str
    milestones: int
    with_end: int
    with_source: int
    with_main_event_ticker: int
    with_events: int


_SUMS = """
    CAST(sum(milestones) AS BIGINT) AS milestones, CAST(sum(with_end) AS BIGINT) AS with_end,
    CAST(sum(with_source) AS BIGINT) AS with_source,
    CAST(sum(with_main_event_ticker) AS BIGINT) AS with_main_event_ticker,
    CAST(sum(with_events) AS BIGINT) AS with_events
    FROM coverage_daily
    WHERE day BETWEEN $first AND $last
      AND (len($groups) = 0 OR list_contains($groups, coalesce(category_group, 'No category')))
      AND (len($types) = 0 OR list_contains($types, type))
"""

DAYS = f"SELECT day, {_SUMS} GROUP BY day ORDER BY day"
TYPES = f"SELECT category_group, type, {_SUMS} GROUP BY ALL ORDER BY milestones DESC, category_group, type"

YEARS = "SELECT DISTINCT year(day) AS year FROM coverage_daily WHERE day > DATE '2000-01-02' ORDER BY year DESC"


def days(connection: duckdb.DuckDBPyConnection, scope: Scope) -> tuple[Day, ...]:
    """Days with at least one milestone, in order."""
    return fetch(connection, Day, DAYS, scope.parameters)


def by_type(connection: duckdb.DuckDBPyConnection, scope: Scope) -> tuple[OfType, ...]:
    """Types with at least one milestone, the most frequent first."""
    return fetch(connection, OfType, TYPES, scope.parameters)


def years(connection: duckdb.DuckDBPyConnection) -> tuple[int, ...]:
    """Years with a milestone, the last first, without the placeholder dates of 2000."""
    return tuple(year for (year,) in connection.execute(YEARS).fetchall())
