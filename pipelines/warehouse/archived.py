"""The table of archived milestones: a load adds newly archived ones and deletes those that the API returned again."""

from __future__ import annotations

from datetime import datetime

import duckdb

from pipelines.staging.files import Staging
from schemas.tables import RECORDS


def find_archive_changes(
    connection: duckdb.DuckDBPyConnection, staging: Staging, archived: str | None, *, is_retry: bool
) -> list[str]:
    """The ids of milestones that a staged sweep archives or restores; `apply_archive_changes` stores them.

    `archived` is a Parquet file of milestone_id and answered_by_id, or None. A milestone is restored if the sweep has a
    record of it, unless the record comes from the quarantine (`is_retry`): such records are old.
    """
    added = "read_parquet($archived)" if archived else "archived_milestones WHERE false"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE archive_added AS SELECT milestone_id, answered_by_id FROM {added}",  # noqa: S608
        {"archived": archived} if archived else {},
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE archive_returned AS SELECT milestone_id FROM archived_milestones "
        "SEMI JOIN read_parquet($records) AS records USING (milestone_id) WHERE NOT $is_retry",
        {"records": staging.files(RECORDS), "is_retry": is_retry},
    )
    rows = connection.execute(
        "SELECT milestone_id FROM archive_added UNION SELECT milestone_id FROM archive_returned"
    ).fetchall()
    return [row[0] for row in rows]


def apply_archive_changes(connection: duckdb.DuckDBPyConnection, sweep_id: str, archived_at: datetime | None) -> None:
    """Store what `find_archive_changes` found. Run inside the transaction of the load."""
    connection.execute(
        "DELETE FROM archived_milestones WHERE milestone_id IN (SELECT milestone_id FROM archive_returned)"
    )
    connection.execute(
        "INSERT INTO archived_milestones BY NAME SELECT milestone_id, $at AS archived_at, $sweep_id AS sweep_id, "
        "answered_by_id FROM archive_added",
        {"at": archived_at, "sweep_id": sweep_id},
    )
