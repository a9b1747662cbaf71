"""Decodes the landed pages of an endpoint into staged records and quarantine rows, a batch of pages at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipelines.records.decode import Record, decode_page
from pipelines.staging.files import ROWS_PER_BATCH, Staging
from pipelines.storage.page_files import Page
from pipelines.warehouse.endpoints import RECORDS, RECORDS_SCHEMA, REFUSED
from schemas.endpoint import Endpoint
from schemas.endpoints import ENDPOINT_QUARANTINE


@dataclass
class Decoded:
    """Counts: records received, and those that could not be decoded."""

    received: int = 0
    refused: int = 0


def stage_pages(endpoint: Endpoint, staging: Staging, sweep_id: str, pages: Iterable[Page]) -> Decoded:
    """Decode pages into the parts RECORDS and REFUSED. Removes earlier staged files. Raises UndecodablePage."""
    staging.clear()
    decoded = Decoded()
    records: list[tuple[Any, ...]] = []
    refused: list[tuple[Any, ...]] = []
    part = 0

    def write() -> None:
        nonlocal part
        staging.write(RECORDS, part, _table(RECORDS_SCHEMA, records))
        staging.write(REFUSED, part, _table(ENDPOINT_QUARANTINE.arrow_schema, refused))
        part += 1
        records.clear()
        refused.clear()

    for page in pages:
        for item in decode_page(page.body, endpoint):
            decoded.received += 1
            place = (page.number, item.position, item.key)
            if isinstance(item, Record):
                records.append((*place, item.content_hash, item.last_updated_ts, page.fetched_at, item.text))
            else:
                decoded.refused += 1
                reason = (item.reason, item.field, item.record, page.fetched_at)
                refused.append((endpoint.name, sweep_id, *place, *reason))
        if len(records) + len(refused) >= ROWS_PER_BATCH:
            write()
    write()
    return decoded


def _table(schema: pa.Schema, rows: list[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in schema]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
