"""Decodes landed pages into staged records: in this process, or in a worker process while pages are fetched.

Records that cannot be decoded become quarantine rows. How one record is decoded is in `pipelines.records`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from pipelines.records.decode import Record, Refusal, decode_page, decode_single
from pipelines.staging.files import REFUSED_BY_DECODING, Staging
from pipelines.staging.workers import worker_pool
from pipelines.storage.landing import Landing, Page, Sweep
from schemas.tables import QUARANTINE, RECORDS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

PAGES_PER_PART = 20
"""Ten thousand records at the default page size."""

PAGES_WORTH_A_WORKER = 40
"""A worker is started after this many pages: starting it costs as much as decoding as many."""


@dataclass
class Decoded:
    """Counts of decoded records, and deviations from the documentation of the API.

    `missing_fields` counts records without a value for a field documented as required, `unknown_fields` records with an
    undocumented field, both by name of the field.
    """

    received: int = 0
    decoded: int = 0
    quarantined: int = 0
    missing_fields: dict[str, int] = field(default_factory=dict)
    unknown_fields: dict[str, int] = field(default_factory=dict)
    newest_update: datetime | None = None

    def __add__(self, other: Decoded) -> Decoded:
        updates = (time for time in (self.newest_update, other.newest_update) if time is not None)
        return Decoded(
            received=self.received + other.received,
            decoded=self.decoded + other.decoded,
            quarantined=self.quarantined + other.quarantined,
            missing_fields=dict(Counter(self.missing_fields) + Counter(other.missing_fields)),
            unknown_fields=dict(Counter(self.unknown_fields) + Counter(other.unknown_fields)),
            newest_update=max(updates, default=None),
        )


def stage_records(staging: Staging, sweep_id: str, pages: Iterable[Page]) -> Decoded:
    """Decode landed pages into staged records and quarantine rows. Removes earlier staged files."""
    staging.clear()
    decoded = _stage_part(staging, 0, sweep_id, ())
    for number, batch in enumerate(_batched(pages, PAGES_PER_PART), start=1):
        decoded += _stage_part(staging, number, sweep_id, batch)
    return decoded


class DecodingAhead:
    """A progress listener that decodes the landed pages of a sweep in a worker process while the rest are fetched.

    `workers` is the number of worker processes that may be started; with 0 it does nothing. The worker is started after
    PAGES_WORTH_A_WORKER pages. If it fails, nothing is lost: `finish` returns None, and the caller decodes the pages.
    """

    def __init__(self, staging: Staging, landing: Landing, *, workers: int) -> None:
        self._staging = staging
        self._workers = workers
        self._landing = landing
        self._stack = ExitStack()
        self._pool: ProcessPoolExecutor | None = None
        self._parts: list[Future[Decoded]] = []
        self._landed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def resumed(self, sweep: Sweep) -> None:
        """Do nothing: earlier pages are decoded together with the next one."""

    def page(self, sweep: Sweep, page: Page) -> None:
        """Submit the pages up to this one to the worker, a full part at a time."""
        self._landed = page.number
        if self._pool is None and self._workers and self._landed >= PAGES_WORTH_A_WORKER:
            self._staging.clear()
            self._pool = self._stack.enter_context(worker_pool(1))
        while self._pool is not None and (len(self._parts) + 1) * PAGES_PER_PART <= self._landed:
            self._submit(sweep)

    def finish(self) -> Decoded | None:
        """Wait for the worker and return its counts; None if there was no worker or it failed."""
        if self._pool is None:
            return None
        try:
            self._submit(self._landing.sweep)
            return sum((part.result() for part in self._parts), Decoded())
        except Exception:  # noqa: BLE001 - decoded again in this process, the same fault is raised with its reason
            return None

    def _submit(self, sweep: Sweep) -> None:
        assert self._pool is not None  # noqa: S101 - callers check
        first = len(self._parts) * PAGES_PER_PART + 1
        last = min(first + PAGES_PER_PART - 1, self._landed)
        raw, part = self._landing.folder.parent, len(self._parts)
        self._parts.append(self._pool.submit(_stage_landed, self._staging, part, raw, sweep.sweep_id, first, last))


def _stage_landed(staging: Staging, number: int, raw: Path, sweep_id: str, first: int, last: int) -> Decoded:
    """Decode some landed pages of a sweep into one part."""
    landing = Landing.open(raw, sweep_id)
    return _stage_part(staging, number, sweep_id, [landing.page(page) for page in range(first, last + 1)])


def _stage_part(staging: Staging, number: int, sweep_id: str, pages: Sequence[Page]) -> Decoded:
    part = _Part(sweep_id)
    for page in pages:
        part.take(page)
    staging.write(RECORDS.name, number, RECORDS.from_columns(part.records))
    staging.write(REFUSED_BY_DECODING, number, QUARANTINE.from_columns(part.refused))
    return part.decoded


class _Part:
    """The records and quarantine rows of some pages."""

    def __init__(self, sweep_id: str) -> None:
        self.decoded = Decoded()
        self.records = _columns(RECORDS.arrow_schema)
        self.refused = _columns(QUARANTINE.arrow_schema)
        self._sweep_id = sweep_id

    def take(self, page: Page) -> None:
        """Decode a page."""
        items = decode_page(page.body) if page.is_list else [decode_single(page.body)]
        self.decoded.received += len(items)
        records = [item for item in items if isinstance(item, Record)]
        self._take_records(page, records)
        if len(records) < len(items):
            self._take_refusals(page, [item for item in items if isinstance(item, Refusal)])

    def _take_records(self, page: Page, records: list[Record]) -> None:
        decoded = self.decoded
        decoded.decoded += len(records)
        for record in records:
            _count(decoded.missing_fields, record.missing_fields)
            _count(decoded.unknown_fields, record.unknown_fields)
        updates = [record.last_updated_ts for record in records]
        if (newest := max((time for time in updates if time is not None), default=None)) is not None:
            time = EPOCH + timedelta(microseconds=newest)
            decoded.newest_update = max(time, decoded.newest_update or time)
        _extend(
            self.records,
            page=[page.number] * len(records),
            position=[record.position for record in records],
            milestone_id=[record.key for record in records],
            content_hash=[record.content_hash for record in records],
            last_updated_ts=updates,
            seen_at=[page.fetched_at] * len(records),
            record=[record.text for record in records],
        )

    def _take_refusals(self, page: Page, refusals: list[Refusal]) -> None:
        self.decoded.quarantined += len(refusals)
        _extend(
            self.refused,
            sweep_id=[self._sweep_id] * len(refusals),
            page=[page.number] * len(refusals),
            position=[refusal.position for refusal in refusals],
            milestone_id=[refusal.key for refusal in refusals],
            reason=[refusal.reason for refusal in refusals],
            field=[refusal.field for refusal in refusals],
            record=[refusal.record for refusal in refusals],
            seen_at=[page.fetched_at] * len(refusals),
        )


def _columns(schema: pa.Schema) -> dict[str, list[Any]]:
    return {name: [] for name in schema.names}


def _extend(columns: dict[str, list[Any]], **values: list[Any]) -> None:
    for name, column in columns.items():
        column.extend(values[name])


def _count(counts: dict[str, int], names: Iterable[str]) -> None:
    for name in names:
        counts[name] = counts.get(name, 0) + 1


def _batched(pages: Iterable[Page], size: int) -> Iterator[list[Page]]:
    iterator = iter(pages)
    while batch := list(islice(iterator, size)):
        yield batch
