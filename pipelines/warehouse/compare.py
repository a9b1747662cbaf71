"""Compares a staged sweep with the warehouse: which records are new, changed, unchanged or superseded.

Reads the warehouse and never writes it; `load` does that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.staging.files import ROWS_PER_BATCH, Staging
from pipelines.warehouse.row_ranges import rows_of
from pipelines.warehouse.statements import sql
from pipelines.warehouse.typed_tables import Drift
from schemas.api import CLOCK_TOLERANCE_SECONDS
from schemas.tables import EVIDENCE, RECORDS

UPDATED_ONLY_SCHEMA = pa.schema([("milestone_id", pa.string()), ("last_updated_ts", pa.timestamp("us", tz="UTC"))])


@dataclass(frozen=True)
class RecordCounts:
    """The decoded records of a sweep by outcome."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    superseded: int = 0


def classify_records(
    connection: duckdb.DuckDBPyConnection, staging: Staging, *, is_retry: bool = False
) -> RecordCounts:
    """Classify staged records against the stored ones, into the temporary table `classified`.

    `is_retry`: the records come from the quarantine, so they were seen before the stored ones.

    Costs one join of content hashes: unchanged records are neither parsed nor written again.
    """
    connection.execute(sql("classify_records"), _parameters(staging) | {"is_retry": is_retry})
    counts = connection.execute("SELECT outcome, count(*) FROM classified GROUP BY outcome").fetchall()
    return RecordCounts(**dict(counts))


def _parameters(staging: Staging) -> dict[str, Any]:
    """The staged records, and how far after its fetch an update time may lie and still count."""
    return {"records": staging.files(RECORDS), "tolerance": CLOCK_TOLERANCE_SECONDS}


def latest_of_sweep(connection: duckdb.DuckDBPyConnection, staging: Staging, sweep_id: str) -> Iterator[pa.RecordBatch]:
    """New and changed milestones: batches of `schemas.tables.LATEST`, then page, position, seen_at and outcome.

    Queried in ranges of pages that yield about a batch each: a single query would hold all rows in memory.
    """
    parts = _pages_of_parts(connection, staging)
    for first, last in _page_ranges(connection):
        # Opening all parts for each range would cost their number squared.
        records = [file for file, first_page, last_page in parts if first_page <= last and last_page >= first]
        _create_versions_view(connection, records, first, last)
        yield from connection.sql(
            sql("latest_of_sweep"),
            params={"records": records, "sweep_id": sweep_id, "first": first, "last": last},
        ).to_arrow_reader(ROWS_PER_BATCH)


def _pages_of_parts(connection: duckdb.DuckDBPyConnection, staging: Staging) -> list[tuple[str, int, int]]:
    """The files of staged records, each with its first and last page; without empty ones."""
    return connection.execute(
        "SELECT filename, min(page), max(page) FROM read_parquet($records, filename = true) GROUP BY filename",
        {"records": staging.files(RECORDS)},
    ).fetchall()


def _create_versions_view(connection: duckdb.DuckDBPyConnection, records: list[str], first: int, last: int) -> None:
    """Create the view `versions_of_changed`: all versions of the milestones that a range of pages changed."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE changed AS SELECT milestone_id FROM "
        "(SELECT * FROM read_parquet($records) WHERE page BETWEEN $first AND $last) AS records SEMI JOIN "
        "(SELECT page, position FROM classified WHERE outcome = 'changed') AS changed USING (page, position)",
        {"records": records, "first": first, "last": last},
    )
    versions = rows_of(connection, "milestone_versions", "changed")
    connection.execute(f"CREATE OR REPLACE TEMP VIEW versions_of_changed AS {versions}")


def _page_ranges(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, int]]:
    """The first and last page of ranges with about a batch of new and changed records each."""
    pages = connection.execute(
        "SELECT page, count(*) FROM classified WHERE outcome IN ('new', 'changed') GROUP BY page ORDER BY page"
    ).fetchall()
    in_range: list[int] = []
    rows = 0
    for page, count in pages:
        if in_range and rows + count > ROWS_PER_BATCH:
            yield in_range[0], in_range[-1]
            in_range, rows = [], 0
        in_range.append(page)
        rows += count
    if in_range:
        yield in_range[0], in_range[-1]


def stage_updated_only(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """Stage the newer last_updated_ts of milestones that are otherwise unchanged, for `load`."""
    rows = (
        connection.sql(sql("unchanged_of_sweep"), params=_parameters(staging))
        .to_arrow_table()
        .cast(UPDATED_ONLY_SCHEMA)
    )
    pq.write_table(rows.cast(UPDATED_ONLY_SCHEMA), staging.updated_only)


def drift_of(connection: duckdb.DuckDBPyConnection, staging: Staging) -> list[Drift]:
    """Fields and kinds that the staged sweep has for the first time; none in the first sweep."""
    rows = connection.execute(sql("new_evidence"), {"evidence": staging.files(EVIDENCE)}).fetchall()
    return [Drift(*row) for row in rows]
