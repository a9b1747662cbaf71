"""Archived milestones: which a sweep adds to the table, and which it removes because the API returned them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.staging.files import Staging
from pipelines.warehouse.archived import apply_archive_changes, find_archive_changes
from pipelines.warehouse.database import open_warehouse
from schemas.tables import RECORDS
from tests.support import NOON

SWEEP = "000002-20261123T120000Z"


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(tmp_path / "warehouse.duckdb") as connection:
        connection.execute(
            "INSERT INTO archived_milestones BY NAME SELECT unnest(['old', 'back']) AS milestone_id, "
            "$at AS archived_at, '000001-20261122T120000Z' AS sweep_id, false AS answered_by_id",
            {"at": NOON},
        )
        yield connection


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    """A staged sweep with a record of the milestone `back`."""
    staging = Staging(tmp_path / "staging")
    staging.clear()
    row = {"page": 1, "position": 0, "milestone_id": "back", "content_hash": "0" * 32, "seen_at": NOON, "record": "{}"}
    staging.write(RECORDS.name, 0, RECORDS.from_columns({name: [row.get(name)] for name in RECORDS.arrow_schema.names}))
    return staging


def archived(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, bool]]:
    return connection.execute(
        "SELECT milestone_id, sweep_id, answered_by_id FROM archived_milestones ORDER BY milestone_id"
    ).fetchall()


def test_newly_archived_milestones_are_added_and_returned_ones_removed(
    connection: duckdb.DuckDBPyConnection, staging: Staging, tmp_path: Path
) -> None:
    file = tmp_path / "archived.parquet"
    pq.write_table(pa.table({"milestone_id": ["new"], "answered_by_id": [True]}), file)
    changes = find_archive_changes(connection, staging, str(file), is_retry=False)
    assert sorted(changes) == ["back", "new"]
    apply_archive_changes(connection, SWEEP, NOON)
    assert archived(connection) == [("new", SWEEP, True), ("old", "000001-20261122T120000Z", False)]


def test_a_sweep_that_archives_nothing_only_removes(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    assert find_archive_changes(connection, staging, None, is_retry=False) == ["back"]
    apply_archive_changes(connection, SWEEP, NOON)
    assert [row[0] for row in archived(connection)] == ["old"]


def test_a_record_from_the_quarantine_restores_nothing(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    assert find_archive_changes(connection, staging, None, is_retry=True) == []
    apply_archive_changes(connection, SWEEP, NOON)
    assert [row[0] for row in archived(connection)] == ["back", "old"]
