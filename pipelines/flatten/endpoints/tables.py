"""Flattens a batch of versions of one endpoint into Arrow tables. No validation here."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pyarrow as pa

from pipelines.flatten.endpoints.events import flatten_event
from pipelines.flatten.endpoints.live import flatten_live
from pipelines.flatten.endpoints.series import flatten_series
from pipelines.flatten.endpoints.targets import flatten_target
from schemas.api import object_decoder
from schemas.endpoint import LIFE, Endpoint, Flatten
from schemas.events import EVENTS
from schemas.live_data import LIVE_ENDPOINT
from schemas.series import SERIES
from schemas.table import Table
from schemas.targets import TARGETS

FLATTEN: dict[str, Flatten] = {
    TARGETS.name: flatten_target,
    EVENTS.name: flatten_event,
    SERIES.name: flatten_series,
    LIVE_ENDPOINT.name: flatten_live,
}

_LIFE = [column.name for column in LIFE]


def flatten_versions(endpoint: Endpoint, versions: pa.Table) -> dict[str, pa.Table]:
    """The log and the tables of an endpoint, by name, from versions in their order.

    `versions` has the columns of every version log, and first_seen_at and last_changed_at for the first table.
    """
    rows: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for key, text in zip(versions[endpoint.key_column].to_pylist(), versions["record"].to_pylist(), strict=True):
        for name, of_record in FLATTEN[endpoint.name](key, object_decoder.decode(text)).items():
            rows[name] += of_record
    tables = {endpoint.log.name: _to_arrow(endpoint.log, rows[endpoint.log.name], versions, versions.schema.names)}
    for place, table in enumerate(endpoint.tables):
        tables[table.name] = _to_arrow(table, rows[table.name], versions, _LIFE if place == 0 else [])
    return tables


def _to_arrow(table: Table, rows: list[dict[str, Any]], versions: pa.Table, taken: list[str]) -> pa.Table:
    """Rows as columns; the columns `taken` come from the versions. Generated columns are left out."""
    fields = [field for field in table.arrow_schema if field.name in table.stored_columns]
    arrays = [
        versions[field.name].cast(field.type)
        if field.name in taken
        else pa.array([row.get(field.name) for row in rows], field.type)
        for field in fields
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))
