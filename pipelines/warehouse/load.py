"""Loading a staged sweep: everything in one transaction with its ledger row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from pipelines.errors import NothingToDo
from pipelines.staging.files import Staging
from pipelines.warehouse import archived, change_log, typed_tables
from pipelines.warehouse.connection import SKIP_ROW_GROUP_MERGE
from pipelines.warehouse.ledger import LedgerRow, is_loaded, newest_loaded_sweep_id, write_account
from pipelines.warehouse.statements import append, run_file, sql, transaction, unordered
from pipelines.warehouse.typed_tables import Changed
from schemas.sql import quote
from schemas.tables import EVIDENCE, FLAT_TABLES, LATEST, MILESTONE_CHANGES, MILESTONE_DETAILS, MILESTONES


@dataclass(frozen=True, kw_only=True)
class Conclusions:
    """What a sweep concluded beyond its records.

    `gone`: milestones found gone at `landed_at`; `absent`: a Parquet file of the milestone_ids that a complete full
    sweep did not bring, None where it says nothing of absences; `archived`: a Parquet file of those of them that are
    archived, None where there are none, see `pipelines.warehouse.archived`; `discarding`: types under the contract
    discard; `retried`: keys (sweep_id, page, position) of quarantined records that were put through again.
    """

    gone: tuple[str, ...] = ()
    landed_at: datetime | None = None
    absent: str | None = None
    archived: str | None = None
    discarding: tuple[str, ...] = ()
    retried: tuple[tuple[str, int, int], ...] = ()


def load_sweep(
    connection: duckdb.DuckDBPyConnection, staging: Staging, ledger: LedgerRow, conclusions: Conclusions
) -> bool:
    """Put a staged sweep in, all of it or nothing; False when it is in already. Raises NothingToDo."""
    if is_loaded(connection, ledger.sweep_id):
        return False
    if not staging.files(LATEST):
        raise NothingToDo(f"sweep {ledger.sweep_id} has no staged tables: materialize them first")
    latest = staging.files(LATEST)
    connection.execute(sql("disappearances"))
    if newest_loaded_sweep_id(connection) is None:
        connection.execute(SKIP_ROW_GROUP_MERGE)
    with transaction(connection):
        types = _types_touched(connection, staging)
        moved = archived.find_moves(connection, staging, conclusions.archived, is_retry=ledger.mode == "retry")
        is_known = change_log.note_before(connection, staging, ledger.sweep_id, others=(*conclusions.gone, *moved))
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
        remade: list[str] = []
        if types:
            changed = Changed(staging.files(MILESTONES), staging.files(MILESTONE_DETAILS))
            remade = typed_tables.refresh(connection, types, changed)
        archived.apply_moves(connection, ledger.sweep_id, conclusions.landed_at)
        _settle_absences(connection, ledger, conclusions)
        change_log.note_after(connection, ledger.sweep_id, is_known=is_known, remade=remade)
        write_account(connection, staging, ledger)
    return True


def _types_touched(connection: duckdb.DuckDBPyConnection, staging: Staging) -> list[str]:
    """Types of the staged milestones, and those that they had before."""
    rows = connection.execute(
        "SELECT type FROM read_parquet($staged) UNION "
        "SELECT type FROM milestones SEMI JOIN read_parquet($staged) AS staged USING (milestone_id)",
        {"staged": staging.files(MILESTONES)},
    ).fetchall()
    return [row[0] for row in rows]


def _settle_absences(connection: duckdb.DuckDBPyConnection, ledger: LedgerRow, conclusions: Conclusions) -> None:
    if conclusions.gone:
        run_file(connection, "vanish", gone=list(conclusions.gone), gone_at=conclusions.landed_at)
    if conclusions.absent is not None:
        connection.execute("DELETE FROM internal_absences")
        connection.execute(
            "INSERT INTO internal_absences SELECT milestone_id, $sweep_id FROM read_parquet($absent) "
            "ANTI JOIN (SELECT unnest($gone) AS milestone_id) AS gone USING (milestone_id) "
            "ANTI JOIN archive_added USING (milestone_id)",
            {"sweep_id": ledger.sweep_id, "absent": conclusions.absent, "gone": list(conclusions.gone)},
        )
    for key in conclusions.retried:
        connection.execute("DELETE FROM quarantine WHERE sweep_id = ? AND page = ? AND position = ?", list(key))
