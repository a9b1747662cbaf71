"""The ledger of sweeps and the quarantine: what each sweep brought, and the records that were refused."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

import duckdb

from pipelines.staging.files import Staging
from pipelines.warehouse.statements import insert_row, transaction
from schemas.sql import quote
from schemas.tables import PUBLISHED_TABLES, QUARANTINE, SWEEPS

REASONS_NAMED = 2
"""In the line of a sweep that refused too much: one field that changed has one reason, or few."""


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


def is_loaded(connection: duckdb.DuckDBPyConnection, sweep_id: str) -> bool:
    """Whether a sweep is in already: a commit may succeed and its run die before it can say so."""
    rows = connection.execute("SELECT 1 FROM sweeps WHERE sweep_id = ? AND status = 'loaded'", [sweep_id]).fetchall()
    return bool(rows)


def record_failure(connection: duckdb.DuckDBPyConnection, staging: Staging, ledger: LedgerRow) -> None:
    """Keep a failed sweep's ledger row and what it refused; the tables stay as they are.

    A sweep that failed when it was committed already is in, and its row stays.
    """
    if is_loaded(connection, ledger.sweep_id):
        return
    with transaction(connection):
        write_account(connection, staging, ledger)


def write_account(connection: duckdb.DuckDBPyConnection, staging: Staging, ledger: LedgerRow) -> None:
    """Write a sweep's row of the ledger and its quarantine rows; call inside a transaction."""
    for table in (QUARANTINE, SWEEPS):
        # A sweep that failed once may be tried again: its account is written anew, never twice.
        connection.execute(f"DELETE FROM {quote(table.name)} WHERE sweep_id = ?", [ledger.sweep_id])  # noqa: S608
    if refused := staging.refused_files:
        connection.execute("INSERT INTO quarantine BY NAME SELECT * FROM read_parquet(?)", [refused])
    insert_row(connection, SWEEPS, asdict(ledger))


def newest_watermark(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Up to where all updates have been read; None before the first full sweep."""
    watermark: datetime | None = connection.execute("SELECT max(watermark) FROM sweeps").fetchall()[0][0]
    return watermark


def newest_sweep_id(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The newest sweep in the ledger; None before the first."""
    sweep_id: str | None = connection.execute("SELECT max(sweep_id) FROM sweeps").fetchall()[0][0]
    return sweep_id


def newest_loaded_sweep_id(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The newest sweep that a warehouse, or a file published from one, holds; None before the first."""
    query = "SELECT max(sweep_id) FROM sweeps WHERE status = 'loaded'"
    sweep_id: str | None = connection.execute(query).fetchall()[0][0]
    return sweep_id


def row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of every published table."""
    return {
        table.name: connection.execute(f"SELECT count(*) FROM {quote(table.name)}").fetchall()[0][0]  # noqa: S608
        for table in PUBLISHED_TABLES
    }


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A refused record: where it was met, and its text."""

    key: tuple[str, int, int]
    record: str


def quarantined(connection: duckdb.DuckDBPyConnection) -> list[Quarantined]:
    """Everything in quarantine, oldest first."""
    rows = connection.execute(
        "SELECT sweep_id, page, position, record FROM quarantine ORDER BY sweep_id, page, position"
    ).fetchall()
    return [Quarantined((sweep_id, page, position), record) for sweep_id, page, position, record in rows]


def count_known_refusals(connection: duckdb.DuckDBPyConnection, staging: Staging) -> int:
    """How many of a staged sweep's refused records were refused by a loaded sweep before, word for word."""
    rows = connection.execute(
        """SELECT count(*) FROM read_parquet(?) AS refused
           SEMI JOIN (SELECT record FROM quarantine SEMI JOIN sweeps
                      ON sweeps.sweep_id = quarantine.sweep_id AND sweeps.status = 'loaded') AS known
           ON known.record = refused.record""",
        [staging.refused_files],
    ).fetchall()
    count: int = rows[0][0]
    return count


def reasons_of_refusals(connection: duckdb.DuckDBPyConnection, staging: Staging) -> list[str]:
    """The fields for which most records of a staged sweep were refused, with the most frequent reason of each."""
    rows = connection.execute(
        """WITH counted AS (
               SELECT field, left(reason, 200) AS reason, count(*) AS records FROM read_parquet(?) GROUP BY ALL
           )
           SELECT field, first(reason ORDER BY records DESC, reason), CAST(sum(records) AS BIGINT) FROM counted
           GROUP BY field ORDER BY 3 DESC, 1 LIMIT ?""",
        [staging.refused_files, REASONS_NAMED],
    ).fetchall()
    return [f"{records:,} for {field or 'the whole record'} ({reason})" for field, reason, records in rows]
