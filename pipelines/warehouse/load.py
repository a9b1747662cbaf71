"""Loads a staged sweep: all tables and the ledger row in one transaction.

The outcome of each record is decided in `compare`; here is only what the transaction writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from pipelines.errors import NothingToDo
from pipelines.staging.files import Staging
from pipelines.warehouse import archived, change_log, typed_tables
from pipelines.warehouse.connection import SKIP_ROW_GROUP_MERGE
from pipelines.warehouse.ledger import LedgerRow, is_loaded, newest_loaded_sweep_id, write_ledger_row
from pipelines.warehouse.statements import append, run_file, sql, transaction, unordered
from pipelines.warehouse.typed_tables import ChangedRows
from schemas.sql import quote
from schemas.tables import EVIDENCE, FLAT_TABLES, LATEST, MILESTONE_CHANGES, MILESTONE_DETAILS, MILESTONES


@dataclass(frozen=True, kw_only=True)
class Conclusions:
    """What a sweep concluded beyond its records.

    - `vanished`: milestones that no longer existed at `landed_at`.
    - `absent`: Parquet file of the milestone_ids that a complete full sweep did not list; None for other sweeps.
    - `archived`: Parquet file of the absent milestones that are archived, or None; see `pipelines.warehouse.archived`.
    - `discarding`: types under the contract discard.
    - `retried`: keys (sweep_id, page, position) of the quarantined records that the sweep processed again.
    """

    vanished: tuple[str, ...] = ()
    landed_at: datetime | None = None
    absent: str | None = None
    archived: str | None = None
    discarding: tuple[str, ...] = ()
    retried: tuple[tuple[str, int, int], ...] = ()


def load_sweep(
    connection: duckdb.DuckDBPyConnection, staging: Staging, ledger: LedgerRow, conclusions: Conclusions
) -> bool:
    """Load a staged sweep, all of it or nothing; False if it is loaded already. Raises NothingToDo."""
    if is_loaded(connection, ledger.sweep_id):
        return False
    if not staging.files(LATEST):
        raise NothingToDo(f"sweep {ledger.sweep_id} has no staged tables: materialize the tables first")
    latest = staging.files(LATEST)
    connection.execute(sql("disappearances"))
    if newest_loaded_sweep_id(connection) is None:
        connection.execute(SKIP_ROW_GROUP_MERGE)
    with transaction(connection, deletes=True, arriving=ledger.records):
        types = _types_touched(connection, staging)
        moved = archived.find_archive_changes(
            connection, staging, conclusions.archived, is_retry=ledger.mode == "retry"
        )
        is_logged = change_log.log_before_load(
            connection, staging, ledger.sweep_id, others=(*conclusions.vanished, *moved)
        )
        with unordered(connection):
            run_file(connection, "append_versions", latest=latest)
        for table in FLAT_TABLES:
            connection.execute(
                f"DELETE FROM {quote(table.name)} WHERE milestone_id IN "  # noqa: S608
                "(SELECT milestone_id FROM read_parquet($latest))",
                {"latest": latest},
            )
            append(connection, staging, table)
        append(connection, staging, MILESTONE_CHANGES)
        run_file(connection, "advance_updated", updated_only=str(staging.updated_only))
        run_file(connection, "merge_evidence", evidence=staging.files(EVIDENCE), discarding=conclusions.discarding)
        recreated: list[str] = []
        if types:
            changed = ChangedRows(staging.files(MILESTONES), staging.files(MILESTONE_DETAILS))
            recreated = typed_tables.refresh(connection, types, changed)
        archived.apply_archive_changes(connection, ledger.sweep_id, conclusions.landed_at)
        _store_absences(connection, ledger, conclusions)
        change_log.log_after_load(connection, ledger.sweep_id, is_logged=is_logged, recreated=recreated)
        write_ledger_row(connection, staging, ledger)
    return True


def _types_touched(connection: duckdb.DuckDBPyConnection, staging: Staging) -> list[str]:
    """The types of the staged milestones, and the types that they had before."""
    rows = connection.execute(
        "SELECT type FROM read_parquet($staged) UNION "
        "SELECT type FROM milestones SEMI JOIN read_parquet($staged) AS staged USING (milestone_id)",
        {"staged": staging.files(MILESTONES)},
    ).fetchall()
    return [row[0] for row in rows]


def _store_absences(connection: duckdb.DuckDBPyConnection, ledger: LedgerRow, conclusions: Conclusions) -> None:
    if conclusions.vanished:
        run_file(connection, "vanish", vanished=list(conclusions.vanished), vanished_at=conclusions.landed_at)
    if conclusions.absent is not None:
        connection.execute("DELETE FROM internal_absences")
        connection.execute(
            "INSERT INTO internal_absences SELECT milestone_id, $sweep_id FROM read_parquet($absent) "
            "ANTI JOIN (SELECT unnest($vanished) AS milestone_id) AS vanished USING (milestone_id) "
            "ANTI JOIN archive_added USING (milestone_id)",
            {"sweep_id": ledger.sweep_id, "absent": conclusions.absent, "vanished": list(conclusions.vanished)},
        )
    for key in conclusions.retried:
        connection.execute("DELETE FROM quarantine WHERE sweep_id = ? AND page = ? AND position = ?", list(key))
