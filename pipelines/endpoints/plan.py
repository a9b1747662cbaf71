"""What to request from an endpoint: keys that milestones name and that are not known, and a list.

Plans are made from the published file, which any number of processes can read at any time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from pipelines.reading.connection import NothingPublished
from pipelines.reading.published import open_published
from pipelines.storage.home import Home
from pipelines.storage.landing import MAX_AGE_TO_RESUME
from schemas.endpoint import Endpoint
from schemas.sql import quote

ASK_AGAIN_AFTER = timedelta(days=1)
"""When a key that the API did not return, or whose record was refused, is requested again."""


@dataclass(frozen=True)
class ListPlan:
    """A list to read. `cursor` continues one that began at `began_at`; `min_updated_ts` limits it to updates."""

    began_at: datetime
    cursor: str | None = None
    min_updated_ts: int | None = None


@dataclass(frozen=True)
class Plan:
    """What to request: `keys`, the most urgent first, and a list, if any.

    `newest_sweep_id` is the newest sweep in the ledger; the next one has a higher number.
    """

    keys: list[str]
    list: ListPlan | None = None
    newest_sweep_id: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to request."""
        return not self.keys and self.list is None

    @property
    def mode(self) -> str:
        """The mode for the ledger."""
        if self.list is None:
            return "by_key"
        return "full" if self.list.min_updated_ts is None else "incremental"


def plan(home: Home, endpoint: Endpoint, *, now: datetime, overlap_seconds: int) -> Plan:
    """The plan of the next sweep. Raises NothingPublished."""
    with _open_current(home) as connection:
        keys = wanted_keys(connection, endpoint, now)
        listed = _list(connection, endpoint, now, overlap_seconds)
        return Plan(keys, listed, _newest_sweep_id(connection, endpoint))


def unknown_plan(home: Home, endpoint: Endpoint, *, now: datetime) -> Plan:
    """The keys only, and the list if it was never read: what a sweep of milestones can make unknown."""
    with _open_current(home) as connection:
        keys = wanted_keys(connection, endpoint, now)
        listing = endpoint.listing
        is_first = listing is not None and listing.every is not None and _newest_list(connection, endpoint) is None
        return Plan(keys, _list(connection, endpoint, now, 0) if is_first else None)


@contextmanager
def _open_current(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published file. Raises NothingPublished, also for a file of a version without endpoints."""
    with open_published(home) as connection:
        if not connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'endpoint_sweeps'").fetchall():
            raise NothingPublished(
                f"{home.published_duckdb} was published by an earlier version: run milestones ingest first"
            )
        yield connection


def may_be_unknown(home: Home, endpoints: Sequence[Endpoint]) -> bool:
    """Whether the newest sweep of milestones, or an unfinished sweep of an endpoint, can have left something unknown.

    It costs one query, where plans cost a tenth of a poll without news. Raises NothingPublished.
    """
    with _open_current(home) as connection:
        brought, finished = connection.execute(
            """SELECT (SELECT arg_max(new + changed, sweep_id) FROM sweeps WHERE status = 'loaded'),
                      (SELECT list(endpoint) FROM
                       (SELECT endpoint, arg_max(remaining_keys = 0 AND status = 'loaded', sweep_id) AS is_finished
                        FROM endpoint_sweeps GROUP BY endpoint) WHERE is_finished)"""
        ).fetchall()[0]
    return bool(brought) or any(endpoint.name not in (finished or ()) for endpoint in endpoints)


def wanted_keys(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint, now: datetime) -> list[str]:
    """The keys to request, most urgent first; none for an endpoint without keys."""
    by_keys = endpoint.by_keys
    if by_keys is None:
        return []
    query = f"SELECT key FROM ({by_keys.wanted}) AS wanted (key, urgency) WHERE key <> ''"  # noqa: S608
    parameters: dict[str, Any] = {"now": now} if "$now" in by_keys.wanted else {}
    if not by_keys.is_repeated:
        query += f"""
            AND key NOT IN (SELECT {quote(endpoint.key_column)} FROM {quote(endpoint.log.name)} WHERE valid_to IS NULL)
            AND key NOT IN (SELECT key FROM unknown_keys WHERE endpoint = $endpoint AND last_asked_at > $again)
            AND key NOT IN (SELECT key FROM endpoint_quarantine
                            WHERE endpoint = $endpoint AND key IS NOT NULL AND seen_at > $again)"""  # noqa: S608
        parameters |= {"endpoint": endpoint.name, "again": now - ASK_AGAIN_AFTER}
    rows = connection.execute(f"{query} ORDER BY urgency DESC NULLS LAST, key", parameters).fetchall()
    return [row[0] for row in rows]


def _list(
    connection: duckdb.DuckDBPyConnection, endpoint: Endpoint, now: datetime, overlap_seconds: int
) -> ListPlan | None:
    listing = endpoint.listing
    if listing is None:
        return None
    newest = _newest_list(connection, endpoint)
    # A watermark after now is of a clock that was ahead. Before the first list of updates, all that was requested since
    # the first sweep may have been updated.
    watermark, first = connection.execute(
        """SELECT arg_max(watermark, sweep_id) FILTER (watermark <= $now),
                  min(started_at) FILTER (status = 'loaded' AND started_at <= $now)
           FROM endpoint_sweeps WHERE endpoint = $endpoint""",
        {"endpoint": endpoint.name, "now": now},
    ).fetchall()[0]
    reached: datetime | None = watermark or (first if listing.has_updates else None)
    since = int(reached.timestamp()) - overlap_seconds if reached and listing.has_updates else None
    if newest is not None and newest[0] is not None and timedelta() <= now - newest[1] <= MAX_AGE_TO_RESUME:
        cursor, began_at = newest
        return ListPlan(began_at, cursor, since)
    if listing.has_updates:
        return None if since is None else ListPlan(now, None, since)
    if listing.every is None or (watermark is not None and now - watermark < listing.every):
        return None
    return ListPlan(now)


def _newest_sweep_id(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> str | None:
    sweep_id: str | None = connection.execute(
        "SELECT max(sweep_id) FROM endpoint_sweeps WHERE endpoint = ?", [endpoint.name]
    ).fetchall()[0][0]
    return sweep_id


def _newest_list(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> tuple[str | None, datetime] | None:
    """Where the newest reading of the list stopped (None: at its end) and when it began; None if it was never read."""
    rows = connection.execute(
        "SELECT next_cursor, list_began_at FROM endpoint_sweeps WHERE endpoint = ? AND status = 'loaded' "
        "AND list_began_at IS NOT NULL ORDER BY sweep_id DESC LIMIT 1",
        [endpoint.name],
    ).fetchall()
    return rows[0] if rows else None
