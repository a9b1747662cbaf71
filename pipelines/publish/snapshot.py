"""Publishes the warehouse: builds the DuckDB file and a Parquet snapshot, then swaps both in atomically.

Readers see either the old state or the new one: they open files and folders that are never written again. Everything
copied or reused is verified, so that damage on the disk never gets a valid checksum. How a table becomes files is in
`parquet`.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from pipelines.errors import NothingToDo
from pipelines.publish.data_package import data_package, write_data_package
from pipelines.publish.duckdb_file import make_next
from pipelines.publish.manifest import Manifest, PublishedFile
from pipelines.publish.parquet import SnapshotWriter, Source
from pipelines.publish.partitions import VERSIONS_PER_RANGE, Ranges, split
from pipelines.publish.previous_snapshot import OF_NO_MILESTONE, WAREHOUSE, PreviousSnapshot, latest_manifest
from pipelines.publish.summary import SUMMARY_FILE, write_summary
from pipelines.storage.durable import TEMPORARY_SUFFIX, replace_durably, replace_link, sync
from pipelines.storage.home import Home
from pipelines.storage.snapshots import next_number
from pipelines.storage.temporary import remove_unpublished
from pipelines.warehouse.blocks import read_through
from pipelines.warehouse.compaction import rewrite
from pipelines.warehouse.connection import second_connection
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.endpoints import endpoint_versions
from pipelines.warehouse.ledger import newest_loaded_sweep_id
from pipelines.warehouse.typed_tables import typed_tables
from schemas.endpoints import ENDPOINT_TABLES
from schemas.tables import MILESTONE_TABLES, SCHEMA_VERSION

THREADS = 2
"""Threads that write tables. DuckDB has threads of its own as well, and each open table holds rows in memory."""

_VERSIONS_BY_DAY = """
    SELECT CAST(start_date AS DATE) AS day, count(*) FROM milestones JOIN milestone_versions USING (milestone_id)
    GROUP BY day
"""

_LOG = logging.getLogger(__name__)


class _DamagedBlocks(Exception):
    """The copy of the warehouse has blocks with a wrong checksum."""


@dataclass(frozen=True)
class Snapshot:
    """A published snapshot: its folder and its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def rows(self) -> dict[str, int]:
        """The number of rows by table."""
        rows: Counter[str] = Counter()
        for file in self.manifest.files:
            if file.table:
                rows[file.table] += file.rows
        return dict(rows)

    def data_version(self, table: str) -> str:
        """A digest of the files of a table, which changes only if one of them does."""
        digest = hashlib.sha256()
        for file in self.manifest.files:
            if file.table == table:
                digest.update(f"{file.path.partition(f'/{table}/')[2]} {file.sha256}\n".encode())
        return digest.hexdigest()[:32]

    @property
    def bytes(self) -> int:
        """The bytes of all its files, the DuckDB file included."""
        return sum(file.bytes for file in self.manifest.files)


@dataclass(frozen=True)
class _Building:
    """The temporary names under which the snapshot `name` and the DuckDB file are built."""

    home: Home
    name: str
    now: datetime

    @property
    def folder(self) -> Path:
        return self.home.snapshots / (self.name + TEMPORARY_SUFFIX)

    @property
    def duckdb_file(self) -> Path:
        return self.home.published_duckdb.with_name(self.home.published_duckdb.name + TEMPORARY_SUFFIX)


def publish(home: Home, *, now: datetime, per_range: int = VERSIONS_PER_RANGE) -> Snapshot:
    """Publish the current warehouse. The caller holds the writer's lock and has closed the warehouse.

    Tables of more than twice `per_range` rows are split into ranges of milestones with about `per_range` versions.
    Raises NothingToDo without a warehouse, WarehouseUnusable for damage in used blocks of it.
    """
    if not home.warehouse_file.exists():
        raise NothingToDo(f"there is no warehouse at {home.warehouse_file} to publish: run milestones ingest")
    home.snapshots.mkdir(parents=True, exist_ok=True)
    try:
        return _publish(home, now=now, per_range=per_range, is_checked=True)
    except _DamagedBlocks:
        _LOG.warning("%s has damaged blocks: rewriting it from the rows that DuckDB can read", home.warehouse_file)
    # Copies all rows, so it fails if a used block is damaged; damaged unused blocks are not copied.
    rewrite(home.warehouse_file)
    return _publish(home, now=now, per_range=per_range, is_checked=False)


def _publish(home: Home, *, now: datetime, per_range: int, is_checked: bool) -> Snapshot:
    remove_unpublished(home)
    building = _Building(home, f"{next_number(home):06d}-{now:%Y%m%dT%H%M%SZ}", now)
    building.folder.mkdir()
    with (
        Warehouse(home).reading(WAREHOUSE) as connection,
        # The pools exit first and wait for their threads, which use the connection.
        ThreadPoolExecutor(THREADS) as pool,
        ThreadPoolExecutor(1) as verifier,
    ):
        sweep_id = newest_loaded_sweep_id(connection)
        versions = endpoint_versions(connection)
        previous = verifier.submit(latest_manifest, home)
        # Waits for the disk most of the time, while the previous snapshot is verified.
        make_next(connection, home, building.duckdb_file)
        before = PreviousSnapshot.find(home, previous.result(), connection)
        verified = verifier.submit(read_through, building.duckdb_file)
        summary = pool.submit(_summarize, building, connection)
        files, ranges = _write_tables(building, connection, before, versions, pool, per_range=per_range)
        files.append(summary.result())
        package = data_package(connection, building.name, files, catalog=WAREHOUSE, now=now)
        files.append(write_data_package(package, building.folder))
        for folder in (path for path in building.folder.rglob("*") if path.is_dir()):
            sync(folder)
        rows, size = sum(file.rows for file in files), building.duckdb_file.stat().st_size
        sha256, is_whole = verified.result()
        files.append(PublishedFile(home.published_duckdb.name, None, rows, size, sha256))
    if is_checked and not is_whole:
        raise _DamagedBlocks
    manifest = Manifest(building.name, SCHEMA_VERSION, now, sweep_id, files, ranges.days, versions).sealed()
    return Snapshot(_swap_in(building, manifest), manifest)


def _summarize(building: _Building, connection: duckdb.DuckDBPyConnection) -> PublishedFile:
    with second_connection(connection) as summarizing:
        return write_summary(summarizing, building.name, building.folder, now=building.now)


def _write_tables(
    building: _Building,
    connection: duckdb.DuckDBPyConnection,
    before: PreviousSnapshot | None,
    versions: Mapping[str, str],
    pool: Executor,
    *,
    per_range: int,
) -> tuple[list[PublishedFile], Ranges]:
    """Write every table of the warehouse as Parquet files; the files and their ranges."""
    ranges = before.ranges if before else Ranges()
    if before is None or before.may_outgrow(2 * per_range):
        days = connection.execute(_VERSIONS_BY_DAY)
        ranges = split(ranges, days.fetchall(), per_range=per_range)
    path = f"{building.home.snapshots.name}/{building.name}"
    writer = SnapshotWriter(
        connection, building.folder, path, ranges, before, rows_of_one_file=2 * per_range, pool=pool
    )
    files = writer.write(
        [
            *(Source(table.name, table.arrow_schema, table not in OF_NO_MILESTONE) for table in MILESTONE_TABLES),
            *(
                Source(table.name, table.arrow_schema, is_of_milestones=False, version=versions[table.name])
                for table in ENDPOINT_TABLES
            ),
            *(Source(typed, None, is_of_milestones=True) for typed in typed_tables(connection).values()),
        ]
    )
    return files, ranges


def _swap_in(building: _Building, manifest: Manifest) -> Path:
    """Publish the built files by renames and links; the folder of the snapshot."""
    home = building.home
    manifest.write(building.folder)
    sync(building.folder)
    folder = home.snapshots / building.name
    replace_durably(building.folder, folder)
    replace_durably(building.duckdb_file, home.published_duckdb)
    link_newest(home, building.name)
    return folder


def link_newest(home: Home, snapshot: str) -> None:
    """Point `latest` to a snapshot, and `summary.json` into `latest`."""
    replace_link(home.latest_snapshot, snapshot)
    if not home.published_summary.is_symlink():
        replace_link(home.published_summary, f"{home.snapshots.name}/{home.latest_snapshot.name}/{SUMMARY_FILE}")
