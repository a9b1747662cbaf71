"""Latest versions to the flat tables: a batch of records in, one Arrow table of each declaration out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from pipelines.flatten.changes import Change, changes
from pipelines.flatten.details import leaves
from pipelines.flatten.entities import entities
from pipelines.flatten.events import Event, events, main_event_ticker
from pipelines.records.canonical import canonical_json
from pipelines.records.rfc3339 import parse_rfc3339, rfc3339
from schemas.api import KNOWN_FIELDS, JsonObject, object_decoder
from schemas.categories import category_group
from schemas.table import Table
from schemas.tables import (
    FLAT_TABLES,
    MILESTONE_CHANGES,
    MILESTONE_DETAILS,
    MILESTONE_ENTITIES,
    MILESTONE_EVENTS,
    MILESTONE_SOURCES,
    MILESTONES,
)

_SIMULATED_TICKER = re.compile(r"SIM[A-Z]+GAME", re.ASCII)

PLACEHOLDER_FROM = 946_684_800_000_000
"""2000-01-01T00:00:00Z in microseconds. Kalshi opened in 2021: nothing of its starts then."""

PLACEHOLDER_UNTIL = PLACEHOLDER_FROM + 2 * 86_400_000_000


class _Rows:
    """Rows of one table, kept as one list a column so that Arrow takes them without a pass over tuples."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.lists: list[list[Any]] = [[] for _ in table.columns]

    def extend(self, rows: Iterable[tuple[Any, ...]]) -> None:
        for row in rows:
            for values, value in zip(self.lists, row, strict=True):
                values.append(value)

    def to_arrow(self) -> pa.Table:
        return self.table.from_columns(dict(zip(self.table.arrow_schema.names, self.lists, strict=True)))


def flatten(latest: pa.Table) -> dict[str, pa.Table]:
    """The flat tables of a batch of latest versions (`schemas.tables.LATEST`), by name; row order is the input's.

    The records must have passed `pipelines.records.decode`; nothing is checked again here.
    """
    rows = {table.name: _Rows(table) for table in FLAT_TABLES}
    milestones, of_events = rows[MILESTONES.name], rows[MILESTONE_EVENTS.name]
    sources, participants = rows[MILESTONE_SOURCES.name], rows[MILESTONE_ENTITIES.name]
    details_leaves = rows[MILESTONE_DETAILS.name]
    for version in _as_rows(latest):
        milestone_id = version["milestone_id"]
        record = object_decoder.decode(version["record"])
        details = record["details"]
        of_this = events(
            record["related_event_tickers"] or [], record["primary_event_tickers"] or [], main_event_ticker(details)
        )
        milestones.extend([_milestone(version, record, of_this)])
        of_events.extend((milestone_id, *event) for event in of_this)
        sources.extend((milestone_id, *source) for source in (record.get("source_ids") or {}).items())
        participants.extend((milestone_id, *entity) for entity in entities(details))
        details_leaves.extend((milestone_id, *leaf) for leaf in leaves(details))
    return {name: of_table.to_arrow() for name, of_table in rows.items()}


def flatten_changes(latest: pa.Table) -> pa.Table:
    """Rows of milestone_changes: what every version of the batch changed in the one before it, numbered from 1."""
    rows = _Rows(MILESTONE_CHANGES)
    for version in _as_rows(latest):
        if version["previous_record"] is None:
            continue
        found = changes(object_decoder.decode(version["previous_record"]), object_decoder.decode(version["record"]))
        if version["was_vanished_at"] is not None:
            found.append(Change("vanished_at", rfc3339(version["was_vanished_at"]), None))
        rows.extend(
            (version["milestone_id"], version["version"], position, *change, version["last_changed_at"])
            for position, change in enumerate(found, start=1)
        )
    return rows.to_arrow()


def _as_rows(latest: pa.Table) -> Iterable[dict[str, Any]]:
    """The batch's rows, times as microseconds: datetimes would cost an object a value and cannot hold more."""
    columns = [
        (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
        for column in latest.columns
    ]
    return (dict(zip(latest.column_names, values, strict=True)) for values in zip(*columns, strict=True))


def _milestone(version: dict[str, Any], record: JsonObject, of_this: list[Event]) -> tuple[Any, ...]:
    details = record["details"]
    status = details.get("status")
    start_date = parse_rfc3339(record["start_date"])
    end_date = parse_rfc3339(record["end_date"]) if record.get("end_date") is not None else None
    extra = {key: value for key, value in record.items() if key not in KNOWN_FIELDS}
    return (
        version["milestone_id"],
        record["category"],
        category_group(record["category"]),
        record["type"],
        record["title"],
        start_date,
        end_date,
        record["notification_message"],
        record.get("source_id"),
        main_event_ticker(details),
        status if isinstance(status, str) else None,
        canonical_json(details).decode(),
        canonical_json(extra).decode() if extra else None,
        version["last_updated_ts"],
        is_simulated(details, [event.event_ticker for event in of_this]),
        _is_placeholder(start_date) or _is_placeholder(end_date),
        version["content_hash"],
        version["first_seen_at"],
        version["last_changed_at"],
        version["vanished_at"],
    )


def is_simulated(details: JsonObject, tickers: Iterable[str]) -> bool:
    """A game that Kalshi simulates in production; such games change daily and look live."""
    return details.get("session_id") is not None or any(_SIMULATED_TICKER.fullmatch(ticker) for ticker in tickers)


def _is_placeholder(time: int | None) -> bool:
    return time is not None and PLACEHOLDER_FROM <= time < PLACEHOLDER_UNTIL
