"""Migrates older warehouses in one transaction: named, ordered steps, recorded in `schema_version`.

A step changes only tables that cannot be derived: the version log, the quarantine, the ledger. Every derived table is
then created from its current declaration and filled from the log, so no step needs the old layout of a derived table.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass

import duckdb

from pipelines.staging.files import Staging
from pipelines.warehouse.endpoints import rebuild_endpoints
from pipelines.warehouse.rebuild import apply_log, stage_whole_log
from pipelines.warehouse.statements import transaction
from schemas.endpoints import ENDPOINT_DERIVED_TABLES, ENDPOINT_KEPT_TABLES, PUBLISHED_TABLES
from schemas.sql import quote
from schemas.tables import DERIVED_TABLES, KEPT_TABLES, PRIVATE_TABLES


@dataclass(frozen=True)
class Migration:
    """The step to schema `version`."""

    version: int
    name: str
    statements: tuple[str, ...] = ()


MIGRATIONS = (
    Migration(
        2,
        "field catalogue, typed tables, entities and changes",
        ("ALTER TABLE schema_version ADD COLUMN IF NOT EXISTS name VARCHAR",),
    ),
    Migration(3, "what a sweep touched"),
    Migration(4, "fields that may be missing, archived milestones"),
    Migration(5, "structured targets, events, series, live data"),
)


def migrate(connection: duckdb.DuckDBPyConnection, staging: Staging, *, version: int) -> None:
    """Migrate from schema `version` to the current one, or change nothing."""
    try:
        stage_whole_log(connection, staging)
        with transaction(connection, deletes=True):
            _apply(connection, staging, version)
    finally:
        shutil.rmtree(staging.folder, ignore_errors=True)


def _apply(connection: duckdb.DuckDBPyConnection, staging: Staging, version: int) -> None:
    for migration in MIGRATIONS:
        if migration.version <= version:
            continue
        for statement in migration.statements:
            connection.execute(statement)
        connection.execute(
            "INSERT INTO schema_version (version, applied_at, name) VALUES (?, now(), ?)",
            [migration.version, migration.name],
        )
    for table in (*DERIVED_TABLES, *ENDPOINT_DERIVED_TABLES):
        connection.execute(f"DROP TABLE IF EXISTS {quote(table.name)}")
        table.create(connection.execute)
    # These tables cannot be derived from the log, such as absences and archived milestones: create the missing ones.
    present = {row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    for table in (*KEPT_TABLES, *ENDPOINT_KEPT_TABLES, *PRIVATE_TABLES):
        if table.name not in present:
            table.create(connection.execute)
    for table in (*PUBLISHED_TABLES, *PRIVATE_TABLES):
        for statement in table.comments:
            connection.execute(statement)
    apply_log(connection, staging)
    rebuild_endpoints(connection, Staging(staging.folder / "endpoints"))
