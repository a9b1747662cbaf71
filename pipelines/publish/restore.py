"""Restores a lost or damaged warehouse from the published files: its version log, quarantine and ledger.

All other tables are derived from the log. The absences of the last full sweep are not published and therefore lost: a
vanished milestone is detected one full sweep later.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from pipelines.errors import NothingToDo, PublishedDiffers, WarehouseUnusable, WrongUse
from pipelines.flatten.evidence import ANY_KIND
from pipelines.publish.manifest import Manifest, PublishedFile, is_as_published
from pipelines.staging.files import Staging
from pipelines.storage.durable import TEMPORARY_SUFFIX, write_durably
from pipelines.storage.home import Home
from pipelines.storage.temporary import RESTORE_STAGING
from pipelines.warehouse.blocks import read_through
from pipelines.warehouse.connection import open_reading
from pipelines.warehouse.database import create, open_warehouse
from pipelines.warehouse.rebuild import rebuild
from pipelines.warehouse.statements import transaction
from schemas.endpoints import ENDPOINT_KEPT_TABLES
from schemas.sql import literal, quote
from schemas.tables import DETAILS_FIELDS, KEPT_TABLES

_SOURCE = "source"


@dataclass(frozen=True)
class Restored:
    """`source` is the published file or folder, `moved_to` the renamed damaged warehouse, if there was one."""

    source: Path
    moved_to: Path | None


def restore(home: Home, *, now: datetime) -> Restored:
    """Restore the warehouse from the newest published snapshot. The caller holds the writer's lock.

    Raises WrongUse for an intact warehouse, NothingToDo if nothing is published, PublishedDiffers if both the DuckDB
    file and the Parquet files are damaged.
    """
    if home.warehouse_file.exists() and _is_whole(home.warehouse_file):
        raise WrongUse(f"{home.warehouse_file} is intact: there is nothing to restore; run milestones ingest")
    if not home.latest_snapshot.exists():
        raise NothingToDo(
            f"nothing is published in {home.published} to restore from: restore a backup of {home.warehouse_file}, "
            "or move the damaged file away and run milestones ingest"
        )
    manifest = Manifest.read(home.latest_snapshot)
    source, tables = _find_source(home, manifest)
    fresh = home.warehouse_file.with_name(f"restored.duckdb{TEMPORARY_SUFFIX}")
    write_durably(fresh, lambda path: _fill(path, source, tables))
    try:
        with open_warehouse(fresh) as connection:
            rebuild(connection, staging := Staging(home.staging(RESTORE_STAGING)))
            shutil.rmtree(staging.folder, ignore_errors=True)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    moved_to = _move_away(home.warehouse_file, now)
    write_durably(home.warehouse_file, fresh.replace)
    return Restored(source, moved_to)


def _is_whole(file: Path) -> bool:
    try:
        with open_reading(file, "warehouse"):
            pass
    except WarehouseUnusable:
        return False
    return read_through(file)[1]


def _find_source(home: Home, manifest: Manifest) -> tuple[Path, Mapping[str, str]]:
    """The published file or folder that is intact, and SQL for the rows of each table to read from it."""
    by_table: dict[str, list[PublishedFile]] = {}
    for file in manifest.files:
        by_table.setdefault(file.table or "", []).append(file)
    published = next(file for file in by_table[""] if file.path == home.published_duckdb.name)
    read = [table.name for table in (*KEPT_TABLES, *ENDPOINT_KEPT_TABLES, DETAILS_FIELDS) if table.name in by_table]
    if is_as_published(home, published):
        return home.published_duckdb, {name: f"{_SOURCE}.{quote(name)}" for name in read}
    files = {name: by_table[name] for name in read}
    for of_table in files.values():
        for file in of_table:
            if not is_as_published(home, file):
                raise PublishedDiffers(
                    f"{home.published_duckdb} and {home.published / file.path} both differ from their manifest: "
                    "restore one of them from a backup, then run milestones restore again"
                )
    return home.latest_snapshot.resolve(), {
        name: f"read_parquet([{', '.join(literal(str(home.published / file.path)) for file in of_table)}])"
        for name, of_table in files.items()
    }


def _fill(path: Path, source: Path, tables: Mapping[str, str]) -> None:
    """Create a warehouse with the rows of the tables that cannot be derived."""
    create(path)
    with open_warehouse(path) as connection:
        if source.is_file():
            connection.execute(f"ATTACH {literal(str(source))} AS {_SOURCE} (READ_ONLY)")
        with transaction(connection):
            for table in (*KEPT_TABLES, *ENDPOINT_KEPT_TABLES):
                if table.name in tables:
                    _copy(connection, table.name, table.stored_columns, tables[table.name])
            if rows := tables.get(DETAILS_FIELDS.name):
                keep_discarded(connection, rows)
        if source.is_file():
            connection.execute(f"DETACH {_SOURCE}")


def _copy(connection: duckdb.DuckDBPyConnection, name: str, columns: tuple[str, ...], rows: str) -> None:
    """Copy a table's rows; columns that an earlier version did not publish stay NULL."""
    published = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {rows}").fetchall()}  # noqa: S608
    listed = ", ".join(quote(column) for column in columns if column in published)
    connection.execute(f"INSERT INTO {quote(name)} BY NAME SELECT {listed} FROM {rows}")  # noqa: S608


def keep_discarded(connection: duckdb.DuckDBPyConnection, fields: str) -> None:
    """Restore which fields the contract discarded: the log does not record it, and a rebuild keeps it."""
    connection.execute(
        "INSERT INTO internal_evidence "  # noqa: S608
        "(type, path, kind, records, first_seen_at, last_seen_at, first_sweep_id, is_discarded) "
        "SELECT type, path, unnest(string_split(discarded_kinds, ', ') || if(column_name IS NULL, [$any], [])), "
        f"records, first_seen_at, last_seen_at, first_sweep_id, true FROM {fields} WHERE is_discarded",
        {"any": ANY_KIND},
    )


def _move_away(file: Path, now: datetime) -> Path | None:
    if not file.exists():
        return None
    target = file.with_name(f"{file.stem}-damaged-{now:%Y%m%dT%H%M%SZ}{file.suffix}")
    file.replace(target)
    for log in file.parent.glob(f"{file.name}.wal"):
        log.replace(target.with_name(f"{target.name}.wal"))
    return target
