"""The ledger and the quarantine: a row for each sweep, and the records that were refused."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

import duckdb

from pipelines.staging.files import Staging
from pipelines.warehouse.statements import insert_row, transaction
from schemas.endpoints import PUBLISHED_TABLES
from schemas.sql import quote
from schemas.tables import QUARANTINE, SWEEPS

REASONS_NAMED = 2
"""Reasons named in the error of a sweep that refused too many records. A changed field has one reason, or few."""


@dataclass(frozen=True, kw_only=True)
class LedgerRow:
    """A row of `sweeps`; `schemas.tables.SWEEPS` describes the columns."""

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


def is_loaded(connection: duckdb.DuckDBPyConnection, sweep_id: str) -> bool:
    """Whether a sweep is loaded: a run may be killed after its commit and before it reports success."""
    rows = connection.execute("SELECT 1 FROM sweeps WHERE sweep_id = ? AND status = 'loaded'", [sweep_id]).fetchall()
    return bool(rows)


def record_failure(connection: duckdb.DuckDBPyConnection, staging: Staging, ledger: LedgerRow) -> None:
    """Store the ledger row of a failed sweep and its refused records; other tables are not changed.

    Does nothing for a sweep that failed after it was loaded.
    """
    if is_loaded(connection, ledger.sweep_id):
        return
    with transaction(connection):
        write_ledger_row(connection, staging, ledger)


def write_ledger_row(connection: duckdb.DuckDBPyConnection, staging: Staging, ledger: LedgerRow) -> None:
    """Write the ledger row and the quarantine rows of a sweep. Run inside a transaction.

    A retry that failed stores no quarantine rows: the records that it read are still there.
    """
    for table in (QUARANTINE, SWEEPS):
        # A retried sweep replaces the rows of its failed attempt.
        connection.execute(f"DELETE FROM {quote(table.name)} WHERE sweep_id = ?", [ledger.sweep_id])  # noqa: S608
    is_failed_retry = ledger.mode == "retry" and ledger.status == "failed"
    if (refused := staging.refused_files) and not is_failed_retry:
        connection.execute("INSERT INTO quarantine BY NAME SELECT * FROM read_parquet(?)", [refused])
    insert_row(connection, SWEEPS, asdict(ledger))


def newest_watermark(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """The time up to which all updates were read; None before the first full sweep."""
    watermark: datetime | None = connection.execute("SELECT max(watermark) FROM sweeps").fetchall()[0][0]
    return watermark


def newest_sweep_id(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The newest sweep in the ledger; None before the first."""
    sweep_id: str | None = connection.execute("SELECT max(sweep_id) FROM sweeps").fetchall()[0][0]
    return sweep_id


def newest_loaded_sweep_id(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The newest loaded sweep in a warehouse or published file; None before the first."""
    query = "SELECT max(sweep_id) FROM sweeps WHERE status = 'loaded'"
    sweep_id: str | None = connection.execute(query).fetchall()[0][0]
    return sweep_id


def modes_since(connection: duckdb.DuckDBPyConnection, sweep_id: str) -> set[str]:
    """The modes of the sweeps loaded after one."""
    query = "SELECT DISTINCT mode FROM sweeps WHERE status = 'loaded' AND sweep_id > ?"
    return {row[0] for row in connection.execute(query, [sweep_id]).fetchall()}


def row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """The number of rows of every published table."""
    return {
        table.name: connection.execute(f"SELECT count(*) FROM {quote(table.name)}").fetchall()[0][0]  # noqa: S608
        for table in PUBLISHED_TABLES
    }


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A refused record: its key (sweep_id, page, position) and its text."""

    key: tuple[str, int, int]
    record: str


def quarantined(connection: duckdb.DuckDBPyConnection) -> list[Quarantined]:
    """Everything in quarantine, oldest first."""
    rows = connection.execute(
        "SELECT sweep_id, page, position, record FROM quarantine ORDER BY sweep_id, page, position"
    ).fetchall()
    return [Quarantined((sweep_id, page, position), record) for sweep_id, page, position, record in rows]


def count_repeated_refusals(connection: duckdb.DuckDBPyConnection, staging: Staging) -> int:
    """How many refused records of a staged sweep were already refused, with identical text, by a loaded sweep."""
    rows = connection.execute(
        """SELECT count(*) FROM read_parquet(?) AS refused
           SEMI JOIN (SELECT record FROM quarantine SEMI JOIN sweeps
                      ON sweeps.sweep_id = quarantine.sweep_id AND sweeps.status = 'loaded') AS earlier
           ON earlier.record = refused.record""",
        [staging.refused_files],
    ).fetchall()
    count: int = rows[0][0]
    return count


def reasons_of_refusals(connection: duckdb.DuckDBPyConnection, staging: Staging) -> list[str]:
    """The fields that caused most refusals of a staged sweep, each with its most frequent reason."""
    rows = connection.execute(
        """WITH counted AS (
               SELECT field, left(reason, 200) AS reason, count(*) AS records FROM read_parquet(?) GROUP BY ALL
           )
           SELECT field, first(reason ORDER BY records DESC, reason), CAST(sum(records) AS BIGINT) FROM counted
           GROUP BY field ORDER BY 3 DESC, 1 LIMIT ?""",
        [staging.refused_files, REASONS_NAMED],
    ).fetchall()
    return [f"{records:,} for {field or 'the whole record'} ({reason})" for field, reason, records in rows]
