"""Freshness, sweeps, refused records, new fields in details, and data quality."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from board.rows import fetch, fetch_one


@dataclass(frozen=True)
class Freshness:
    """The one row of the view `freshness`."""

    last_full_sweep_at: datetime | None
    last_incremental_at: datetime | None
    last_sweep_at: datetime | None
    watermark: datetime | None
    newest_update: datetime | None
    milestones: int
    quarantined: int
    sweeps: int


@dataclass(frozen=True)
class Sweep:
    """A run of a sweep."""

    sweep_id: str
    mode: str
    status: str
    started_at: datetime
    finished_at: datetime
    pages: int
    records: int
    new: int
    changed: int
    unchanged: int
    superseded: int
    quarantined: int
    vanished: int
    requests: int
    retries: int
    rate_limited: int
    bytes: int
    error: str | None

    @property
    def duration(self) -> timedelta:
        """From the first request until the sweep was loaded or failed."""
        return self.finished_at - self.started_at


@dataclass(frozen=True)
class Refusal:
    """Refused records with the same reason."""

    reason: str
    field: str | None
    records: int
    last_seen_at: datetime


@dataclass(frozen=True)
class Refused:
    """One refused record."""

    seen_at: datetime
    milestone_id: str | None
    reason: str
    field: str | None
    record: str


@dataclass(frozen=True)
class NewField:
    """A field of details that is newer than the first sweep with its type."""

    type: str
    path: str
    kinds: str
    sql_type: str | None
    records: int
    first_seen_at: datetime
    example: str | None


@dataclass(frozen=True)
class Quality:
    """A rule, and how many milestones break it."""

    rule: str
    description: str
    milestones: int
    share: float
    example: str | None


FRESHNESS = """
    SELECT last_full_sweep_at, last_incremental_at, last_sweep_at, watermark, newest_update, milestones, quarantined,
           sweeps
    FROM freshness
"""

SWEEPS = """
    SELECT sweep_id, mode, status, started_at, finished_at, pages, records, new, changed, unchanged, superseded,
           quarantined, vanished, requests, retries, rate_limited, bytes, error
    FROM sweeps ORDER BY sweep_id DESC LIMIT $limit
"""

REFUSALS = """
    SELECT reason, field, count(*) AS records, max(seen_at) AS last_seen_at FROM quarantine
    GROUP BY ALL ORDER BY records DESC, reason, field
"""

REFUSED = """
    SELECT seen_at, milestone_id, reason, field, left(record, 2000) AS record FROM quarantine
    ORDER BY sweep_id DESC, page, position LIMIT $limit
"""

DRIFT = """
    SELECT type, path, kinds, sql_type, records, first_seen_at, example FROM details_fields
    QUALIFY first_sweep_id > min(first_sweep_id) OVER (PARTITION BY type) AND path <> ''
    ORDER BY first_sweep_id DESC, type, path LIMIT $limit
"""

QUALITY = """
    SELECT rule, description, milestones, coalesce(share, 0) AS share, example FROM data_quality
    ORDER BY milestones DESC, rule
"""


def freshness(connection: duckdb.DuckDBPyConnection) -> Freshness | None:
    """How fresh the published data is."""
    return fetch_one(connection, Freshness, FRESHNESS)


def sweeps(connection: duckdb.DuckDBPyConnection, limit: int) -> tuple[Sweep, ...]:
    """The last sweeps, the newest first."""
    return fetch(connection, Sweep, SWEEPS, {"limit": limit})


def refusals(connection: duckdb.DuckDBPyConnection) -> tuple[Refusal, ...]:
    """Refused records by reason, the most frequent first."""
    return fetch(connection, Refusal, REFUSALS)


def refused(connection: duckdb.DuckDBPyConnection, limit: int) -> tuple[Refused, ...]:
    """The newest refused records."""
    return fetch(connection, Refused, REFUSED, {"limit": limit})


def drift(connection: duckdb.DuckDBPyConnection, limit: int) -> tuple[NewField, ...]:
    """Fields of details that are newer than their type, the newest first."""
    return fetch(connection, NewField, DRIFT, {"limit": limit})


def quality(connection: duckdb.DuckDBPyConnection) -> tuple[Quality, ...]:
    """Every rule of data quality, the most broken first."""
    return fetch(connection, Quality, QUALITY)
