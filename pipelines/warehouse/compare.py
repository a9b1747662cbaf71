"""Comparing a staged sweep with the warehouse: which records are new, changed, unchanged or superseded.

Costs one join of content hashes: unchanged records are neither parsed nor written again.
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
    """What became of a sweep's decoded records."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    superseded: int = 0


def classify_records(
    connection: duckdb.DuckDBPyConnection, staging: Staging, *, is_retry: bool = False
) -> RecordCounts:
    """Compare staged records with what is stored; the outcome stands in the connection's table `classified`.

    `is_retry`: the records come out of quarantine, and so were seen before what is stored.

    Costs one join of content hashes: unchanged records are neither parsed nor written again.
    """
    connection.execute(sql("classify_records"), _of_records(staging) | {"is_retry": is_retry})
    counts = connection.execute("SELECT outcome, count(*) FROM classified GROUP BY outcome").fetchall()
    return RecordCounts(**dict(counts))


def _of_records(staging: Staging) -> dict[str, Any]:
    """The staged records, and how far after its own fetch an update may lie to be believed."""
    return {"records": staging.files(RECORDS), "tolerance": CLOCK_TOLERANCE_SECONDS}


def latest_of_sweep(connection: duckdb.DuckDBPyConnection, staging: Staging, sweep_id: str) -> Iterator[pa.RecordBatch]:
    """New and changed milestones: batches of `schemas.tables.LATEST`, then page, position, seen_at and outcome.

    Asked for in runs of pages that bring about a batch each: all of it in one query would stand in memory whole.
    """
    for first, last in _runs_of_pages(connection):
        _find_versions(connection, staging, first, last)
        yield from connection.sql(
            sql("latest_of_sweep"),
            params={"records": staging.files(RECORDS), "sweep_id": sweep_id, "first": first, "last": last},
        ).to_arrow_reader(ROWS_PER_BATCH)


def _find_versions(connection: duckdb.DuckDBPyConnection, staging: Staging, first: int, last: int) -> None:
    """Have `versions_of_changed` stand for the versions of the milestones that a run of pages changed."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE changed AS SELECT milestone_id FROM "
        "(SELECT * FROM read_parquet($records) WHERE page BETWEEN $first AND $last) AS records SEMI JOIN "
        "(SELECT page, position FROM classified WHERE outcome = 'changed') AS changed USING (page, position)",
        {"records": staging.files(RECORDS), "first": first, "last": last},
    )
    versions = rows_of(connection, "milestone_versions", "changed")
    connection.execute(f"CREATE OR REPLACE TEMP VIEW versions_of_changed AS {versions}")


def _runs_of_pages(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, int]]:
    """First and last page of runs that have about a batch of new and changed records each."""
    pages = connection.execute(
        "SELECT page, count(*) FROM classified WHERE outcome IN ('new', 'changed') GROUP BY page ORDER BY page"
    ).fetchall()
    run: list[int] = []
    rows = 0
    for page, count in pages:
        if run and rows + count > ROWS_PER_BATCH:
            yield run[0], run[-1]
            run, rows = [], 0
        run.append(page)
        rows += count
    if run:
        yield run[0], run[-1]


def stage_updated_only(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """Keep the newest last_updated_ts of milestones that are otherwise unchanged, for `load`."""
    rows = (
        connection.sql(sql("unchanged_of_sweep"), params=_of_records(staging))
        .to_arrow_table()
        .cast(UPDATED_ONLY_SCHEMA)
    )
    pq.write_table(rows.cast(UPDATED_ONLY_SCHEMA), staging.updated_only)


def drift_of(connection: duckdb.DuckDBPyConnection, staging: Staging) -> list[Drift]:
    """Fields and kinds that the staged sweep shows for the first time; none where nothing was known before."""
    rows = connection.execute(sql("new_evidence"), {"evidence": staging.files(EVIDENCE)}).fetchall()
    return [Drift(*row) for row in rows]
