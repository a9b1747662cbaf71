"""Flattens a batch of latest versions: records in, one Arrow table per declaration out. No validation here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.flatten.changes import Change, changes
from pipelines.flatten.details import LeafColumns
from pipelines.flatten.entities import entities
from pipelines.flatten.events import Event, events, main_event_ticker
from pipelines.records.canonical import canonical_json
from pipelines.records.rfc3339 import parse_rfc3339, rfc3339
from schemas.api import CLOCK_TOLERANCE_SECONDS, KNOWN_FIELDS, JsonObject, object_decoder
from schemas.categories import category_group
from schemas.leagues import SIMULATED_TICKER, league
from schemas.placeholders import is_placeholder
from schemas.statuses import leaves_start_open, status_group
from schemas.table import Table
from schemas.tables import (
    LATEST,
    MILESTONE_CHANGES,
    MILESTONE_DETAILS,
    MILESTONE_ENTITIES,
    MILESTONE_EVENTS,
    MILESTONE_SOURCES,
    MILESTONES,
)

_SIMULATED_TICKER = re.compile(SIMULATED_TICKER)

_CLOCK_TOLERANCE = CLOCK_TOLERANCE_SECONDS * 1_000_000


class _Rows:
    """Rows of one table, turned into columns at the end."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.rows: list[tuple[Any, ...]] = []

    def to_arrow(self) -> pa.Table:
        return self.table.from_columns(_transposed(self.table.arrow_schema.names, self.rows))


def _transposed(names: Sequence[str], rows: list[tuple[Any, ...]]) -> dict[str, Sequence[Any]]:
    """Rows as columns, by one zip: a Python step per value is slower."""
    columns: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else ([] for _ in names)
    return dict(zip(names, columns, strict=True))


def flatten(latest: pa.Table) -> dict[str, pa.Table]:
    """The flat tables of a batch of latest versions (`schemas.tables.LATEST`), by name, in the order of the input.

    The records must have passed `pipelines.records.decode`.
    """
    milestones: list[tuple[Any, ...]] = []
    of_events, sources, participants = map(_Rows, (MILESTONE_EVENTS, MILESTONE_SOURCES, MILESTONE_ENTITIES))
    of_details = LeafColumns()
    milestone_ids = latest["milestone_id"].to_pylist()
    known = (milestone_ids, latest["record"].to_pylist(), _microseconds(latest, "last_updated_ts"))
    changed_at = _microseconds(latest, "last_changed_at")
    for milestone_id, text, updated_ts, fetched_at in zip(*known, changed_at, strict=True):
        record = object_decoder.decode(text)
        details = record.get("details") or {}
        of_this = events(
            record.get("related_event_tickers") or [],
            record.get("primary_event_tickers") or [],
            main_event_ticker(details),
        )
        is_future = is_from_the_future(record["last_updated_ts"], updated_ts, fetched_at)
        milestones.append((*_milestone(record, of_this), is_future))
        of_events.rows += [(milestone_id, *event) for event in of_this]
        sources.rows += [(milestone_id, *source) for source in (record.get("source_ids") or {}).items()]
        participants.rows += [(milestone_id, *entity) for entity in entities(details)]
        of_details.add(record.get("details"))
    of_records = {MILESTONES.name: _with_lives(milestones, latest)}
    of_lists = {rows.table.name: rows.to_arrow() for rows in (of_events, sources, participants)}
    return of_records | of_lists | {MILESTONE_DETAILS.name: _of_leaves(milestone_ids, of_details)}


def _microseconds(table: pa.Table, name: str) -> list[int | None]:
    """A timestamp column as microseconds since 1970 UTC."""
    times: list[int | None] = table[name].cast(pa.int64()).to_pylist()
    return times


def is_from_the_future(sent: str, updated_ts: int | None, fetched_at: int | None) -> bool:
    """Whether the newest `last_updated_ts` is later than the fetch that brought it, so that it cannot be true.

    `sent` is the `last_updated_ts` text of the version and `fetched_at` the time of its fetch; `updated_ts` is the
    newest seen since, which a later fetch brought and which was only kept if plausible. In microseconds since 1970 UTC.
    """
    if updated_ts is None or fetched_at is None or updated_ts <= fetched_at + _CLOCK_TOLERANCE:
        return False
    return parse_rfc3339(sent) == updated_ts


def _with_lives(milestones: list[tuple[Any, ...]], latest: pa.Table) -> pa.Table:
    """The columns read from records, combined with the columns of the version log, which stay in Arrow."""
    return MILESTONES.from_columns(
        {name: latest[name] for name in LATEST.arrow_schema.names if name in MILESTONES.arrow_schema.names}
        | _transposed(_OF_RECORD, milestones)
    )


def _of_leaves(milestone_ids: list[str], columns: LeafColumns) -> pa.Table:
    return MILESTONE_DETAILS.from_columns(
        {
            "milestone_id": list(chain.from_iterable(map(repeat, milestone_ids, columns.counts))),
            "path": columns.paths,
            "field": columns.fields,
            "kind": columns.kinds,
            "value": columns.values,
            "value_number": columns.numbers,
        }
    )


def flatten_changes(latest: pa.Table) -> pa.Table:
    """Rows of milestone_changes: the changes of each version against the one before it, numbered from 1."""
    rows = _Rows(MILESTONE_CHANGES)
    for version in _as_rows(latest.filter(pc.is_valid(latest["previous_record"]))):
        found = changes(object_decoder.decode(version["previous_record"]), object_decoder.decode(version["record"]))
        if version["was_vanished_at"] is not None:
            found.append(Change("vanished_at", rfc3339(version["was_vanished_at"]), None))
        rows.rows += [
            (version["milestone_id"], version["version"], position, *change, version["last_changed_at"])
            for position, change in enumerate(found, start=1)
        ]
    return rows.to_arrow()


def disappearances(versions: pa.Table, is_latest: pa.ChunkedArray) -> pa.Table:
    """Rows of milestone_changes: the versions that ended because their milestone vanished.

    `versions` are rows of `schemas.tables.LATEST`. The end of a version that is not the latest is
    known to the next one.
    """
    names = ["milestone_id", "version"]
    ended = versions.filter(is_latest).select([*names, "vanished_at"]).rename_columns([*names, "seen_at"])
    before = versions.select([*names, "was_vanished_at"]).rename_columns([*names, "seen_at"])
    before = before.set_column(1, before.schema.field(1), pc.subtract(before["version"], pa.scalar(1, pa.int32())))
    found = pa.concat_tables([ended, before])
    found = found.filter(pc.is_valid(found["seen_at"]))
    return MILESTONE_CHANGES.from_columns(
        {
            "milestone_id": found["milestone_id"],
            "version": found["version"],
            "position": [0] * found.num_rows,
            "field": ["vanished_at"] * found.num_rows,
            "old": [None] * found.num_rows,
            "new": list(map(rfc3339, _microseconds(found, "seen_at"))),
            "seen_at": found["seen_at"],
        }
    )


def _as_rows(latest: pa.Table) -> Iterable[dict[str, Any]]:
    """The rows of the batch, times as microseconds: cheaper than one datetime object per value."""
    columns = [
        (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
        for column in latest.columns
    ]
    return (dict(zip(latest.column_names, values, strict=True)) for values in zip(*columns, strict=True))


_OF_RECORD = tuple(name for name in MILESTONES.arrow_schema.names if name not in LATEST.arrow_schema.names)


def _milestone(record: JsonObject, of_this: list[Event]) -> tuple[Any, ...]:
    """The columns of `milestones` that come from the record alone, in their order."""
    details = record.get("details") or {}
    status = sent if isinstance(sent := details.get("status"), str) else None
    start_date = parse_rfc3339(record["start_date"])
    end_date = parse_rfc3339(record["end_date"]) if record.get("end_date") is not None else None
    extra = {key: record[key] for key in record.keys() - KNOWN_FIELDS}
    return (
        record.get("category"),
        category_group(record.get("category")),
        record["type"],
        record.get("title"),
        start_date,
        end_date,
        record.get("notification_message"),
        record.get("source_id"),
        main_event_ticker(details),
        league(details),
        status,
        status_group(status),
        canonical_json(record["details"]).decode() if record.get("details") is not None else None,
        canonical_json(extra).decode() if extra else None,
        is_simulated(details, [event.event_ticker for event in of_this]),
        is_placeholder(start_date) or is_placeholder(end_date),
        start_date is None or is_placeholder(start_date) or leaves_start_open(status),
    )


def is_simulated(details: JsonObject, tickers: Iterable[str]) -> bool:
    """Whether Kalshi simulates this game in production; such games change daily and look live."""
    return details.get("session_id") is not None or any(map(_SIMULATED_TICKER.fullmatch, tickers))
