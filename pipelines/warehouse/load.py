"""A staged sweep into the warehouse: what is new, then everything in one transaction with its ledger row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import NothingToDo
from pipelines.staging import ROWS_PER_BATCH, Staging
from schemas.table import Table, quote
from schemas.tables import FLAT_TABLES, LATEST, PUBLISHED_TABLES, QUARANTINE, RECORDS, SWEEPS

TOUCHED_SCHEMA = pa.schema([("milestone_id", pa.string()), ("last_updated_ts", pa.timestamp("us", tz="UTC"))])


@dataclass(frozen=True)
class Fates:
    """What became of a sweep's decoded records."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    superseded: int = 0


@dataclass(frozen=True, kw_only=True)
class LedgerRow:
    """A row of `sweeps`; see `schemas.tables.SWEEPS` for what each says."""

    sweep_id: str
    mode: str
    status: str
    started_at: datetime
    finished_at: datetime
    filters: str
    pages: int
    records: int
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    superseded: int = 0
    quarantined: int = 0
    vanished: int = 0
    requests: int = 0
    retries: int = 0
    rate_limited: int = 0
    bytes: int = 0
    watermark: datetime | None = None
    is_complete: bool = False
    error: str | None = None


@cache
def sql(name: str) -> str:
    """The text of a file in `warehouse/sql`."""
    return resources.files("pipelines.warehouse").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def settle_fates(connection: duckdb.DuckDBPyConnection, staging: Staging) -> Fates:
    """Compare staged records with what is stored; the outcome stands in the connection's table `fates`.

    Costs one join of content hashes: unchanged records are neither parsed nor written again.
    """
    connection.execute(sql("fates"), {"records": str(staging.file(RECORDS))})
    counts = connection.execute("SELECT fate, count(*) FROM fates GROUP BY fate").fetchall()
    return Fates(**dict(counts))


def latest_of_sweep(connection: duckdb.DuckDBPyConnection, staging: Staging) -> Iterator[pa.RecordBatch]:
    """New and changed milestones: batches of `schemas.tables.LATEST`, then page, position, seen_at and fate."""
    relation = connection.sql(sql("latest_of_sweep"), params={"records": str(staging.file(RECORDS))})
    yield from relation.to_arrow_reader(ROWS_PER_BATCH)


def stage_touched(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """Keep the newest last_updated_ts of milestones that are otherwise unchanged, for `load`."""
    touched = connection.sql(sql("unchanged_of_sweep")).to_arrow_table().cast(TOUCHED_SCHEMA)
    pq.write_table(touched, staging.touched)


def is_loaded(connection: duckdb.DuckDBPyConnection, sweep_id: str) -> bool:
    """Whether a sweep is in already: a commit may succeed and its run die before it can say so."""
    rows = connection.execute("SELECT 1 FROM sweeps WHERE sweep_id = ? AND status = 'loaded'", [sweep_id]).fetchall()
    return bool(rows)


def load(connection: duckdb.DuckDBPyConnection, staging: Staging, ledger: LedgerRow) -> bool:
    """Put a staged sweep in, all of it or nothing; False when it is in already."""
    if is_loaded(connection, ledger.sweep_id):
        return False
    latest = str(staging.file(LATEST))
    if not staging.file(LATEST).exists():
        raise NothingToDo(f"sweep {ledger.sweep_id} has no staged tables: materialize them first")
    with transaction(connection):
        _run(connection, "append_versions", latest=latest, sweep_id=ledger.sweep_id)
        for table in FLAT_TABLES:
            name = quote(table.name)
            connection.execute(
                f"DELETE FROM {name} WHERE milestone_id IN (SELECT milestone_id FROM read_parquet($latest))",  # noqa: S608
                {"latest": latest},
            )
            connection.execute(
                f"INSERT INTO {name} BY NAME SELECT * FROM read_parquet($rows)",  # noqa: S608
                {"rows": str(staging.file(table))},
            )
        _run(connection, "advance_updated", touched=str(staging.touched))
        _account(connection, staging, ledger)
    return True


def record_failure(connection: duckdb.DuckDBPyConnection, staging: Staging, ledger: LedgerRow) -> None:
    """Keep a failed sweep's ledger row and what it refused; the tables stay as they are."""
    with transaction(connection):
        _account(connection, staging, ledger)


def newest_watermark(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Up to where all updates have been read; None before the first full sweep."""
    watermark: datetime | None = connection.execute("SELECT max(watermark) FROM sweeps").fetchall()[0][0]
    return watermark


def row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of every published table."""
    return {
        table.name: connection.execute(f"SELECT count(*) FROM {quote(table.name)}").fetchall()[0][0]  # noqa: S608
        for table in PUBLISHED_TABLES
    }


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All of it or nothing. After an error COMMIT would report success and roll back, so there is none then."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _run(connection: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> None:
    """Every statement of a file; each gets the parameters that it names."""
    for statement in duckdb.extract_statements(sql(name)):
        connection.execute(statement, {key: parameters[key] for key in statement.named_parameters})


def _account(connection: duckdb.DuckDBPyConnection, staging: Staging, ledger: LedgerRow) -> None:
    for table in (QUARANTINE, SWEEPS):
        # A sweep that failed once may be tried again: its account is written anew, never twice.
        connection.execute(f"DELETE FROM {quote(table.name)} WHERE sweep_id = ?", [ledger.sweep_id])  # noqa: S608
    for refused in (staging.refused_by_decoding, staging.refused_by_rules):
        if refused.exists():
            connection.execute("INSERT INTO quarantine BY NAME SELECT * FROM read_parquet(?)", [str(refused)])
    _insert(connection, SWEEPS, asdict(ledger))


def _insert(connection: duckdb.DuckDBPyConnection, table: Table, row: dict[str, Any]) -> None:
    names = ", ".join(quote(name) for name in table.stored_columns)
    marks = ", ".join("?" for _ in table.stored_columns)
    connection.execute(
        f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})",  # noqa: S608
        [row[name] for name in table.stored_columns],
    )
