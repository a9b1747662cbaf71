"""Changes: counts over time, the latest ones, and the largest shifts of starts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import duckdb

from board.rows import Parameters, fetch

KINDS = ("start", "end", "title", "events", "status", "gone or back", "other")
"""Kinds of changes, in the order of the page."""

Bucket = Literal["minute", "hour", "day", "week"]


@dataclass(frozen=True)
class Period:
    """The changes to show: seen at or after `since`; an empty filter matches all."""

    since: datetime
    groups: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    @property
    def parameters(self) -> Parameters:
        """The parameters of the queries."""
        return {
            "since": self.since,
            "groups": list(self.groups),
            "types": list(self.types),
            "kinds": list(self.kinds),
        }


@dataclass(frozen=True)
class Count:
    """Changes of one kind in a bucket of time."""

    seen_at: datetime
    kind: str
    changes: int
    milestones: int


@dataclass(frozen=True)
class Change:
    """One change of one field."""

    milestone_id: str
    seen_at: datetime
    kind: str
    field: str
    old: str | None
    new: str | None
    category_group: str
    type: str
    title: str


@dataclass(frozen=True)
class Shift:
    """A shift of a start: its length, and how long before the old start it was seen."""

    milestone_id: str
    seen_at: datetime
    category_group: str
    type: str
    title: str
    old_start: datetime
    new_start: datetime
    shift: timedelta
    notice: timedelta


_WITH_KIND = """
    WITH changes AS (
        SELECT milestone_id, seen_at, version, position, field, old, new, category_group, type, title,
               CASE WHEN field = 'start_date' THEN 'start'
                    WHEN field = 'end_date' THEN 'end'
                    WHEN field = 'title' THEN 'title'
                    WHEN field IN ('related_event_tickers', 'primary_event_tickers') THEN 'events'
                    WHEN field = 'details.status' THEN 'status'
                    WHEN field = 'vanished_at' THEN 'gone or back'
                    ELSE 'other' END AS kind
        FROM milestone_changes JOIN milestones USING (milestone_id)
"""
# Changes of simulated games are left out; the last change of a vanished milestone is not.
_CHANGES = f"""{_WITH_KIND}
        WHERE NOT is_simulated AND seen_at >= $since
          AND (len($groups) = 0 OR list_contains($groups, coalesce(category_group, 'No category')))
          AND (len($types) = 0 OR list_contains($types, type))
    )
"""

COUNTS = f"""{_CHANGES}
    SELECT CAST(date_trunc($bucket, seen_at) AS TIMESTAMPTZ) AS seen_at, kind, count(*) AS changes,
           count(DISTINCT milestone_id) AS milestones
    FROM changes WHERE len($kinds) = 0 OR list_contains($kinds, kind)
    GROUP BY ALL ORDER BY ALL
"""  # noqa: S608 - of constants

LATEST = f"""{_CHANGES}
    SELECT milestone_id, seen_at, kind, field, old, new, category_group, type, title
    FROM changes WHERE len($kinds) = 0 OR list_contains($kinds, kind)
    ORDER BY seen_at DESC, milestone_id, version, position LIMIT $limit
"""  # noqa: S608 - of constants

OF_MILESTONE = f"""{_WITH_KIND}
        WHERE milestone_id = $milestone_id
    )
    SELECT milestone_id, seen_at, kind, field, old, new, category_group, type, title
    FROM changes ORDER BY version DESC, position LIMIT $limit
"""  # noqa: S608 - of constants

SHIFTS = """
    SELECT milestone_id, reschedules.seen_at, category_group, milestones.type, milestones.title, old_start, new_start,
           shift, notice
    FROM reschedules JOIN milestones USING (milestone_id)
    WHERE reschedules.seen_at >= $since AND NOT has_placeholder_dates
      AND old_start >= TIMESTAMPTZ '2000-01-03 00:00:00+00' AND shift <> INTERVAL 0 SECOND
      AND (len($groups) = 0 OR list_contains($groups, coalesce(category_group, 'No category')))
      AND (len($types) = 0 OR list_contains($types, milestones.type))
    ORDER BY abs(epoch(shift)) DESC, reschedules.seen_at DESC, milestone_id LIMIT $limit
"""

FIRST_CHANGE = "SELECT min(seen_at) AS seen_at FROM milestone_changes"


def counts(connection: duckdb.DuckDBPyConnection, period: Period, bucket: Bucket) -> tuple[Count, ...]:
    """Changes by kind over time."""
    return fetch(connection, Count, COUNTS, {**period.parameters, "bucket": bucket})


def latest(connection: duckdb.DuckDBPyConnection, period: Period, limit: int) -> tuple[Change, ...]:
    """The newest changes first."""
    return fetch(connection, Change, LATEST, {**period.parameters, "limit": limit})


def of_milestone(connection: duckdb.DuckDBPyConnection, milestone_id: str, limit: int) -> tuple[Change, ...]:
    """The changes of one milestone, the newest first."""
    return fetch(connection, Change, OF_MILESTONE, {"milestone_id": milestone_id, "limit": limit})


def shifts(connection: duckdb.DuckDBPyConnection, period: Period, limit: int) -> tuple[Shift, ...]:
    """Shifts of starts, the largest first, without those to or from placeholder dates."""
    parameters = {name: value for name, value in period.parameters.items() if name != "kinds"}
    return fetch(connection, Shift, SHIFTS, {**parameters, "limit": limit})


def first_change(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """When the first change was seen, or None."""
    ((seen_at,),) = connection.execute(FIRST_CHANGE).fetchall()
    return seen_at if isinstance(seen_at, datetime) else None
