"""Publishing: make the next DuckDB file, write the Parquet snapshot out of it, swap both in.

Readers get either the old state or the new one, whole: they open a file or a folder that nobody writes any more.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from pipelines.durable import TEMPORARY_SUFFIX, point_durably, replace_durably, sync
from pipelines.errors import NothingToDo, PublishedDiffers
from pipelines.home import Home
from pipelines.publish.duckdb_file import OF_NO_MILESTONE, WAREHOUSE, make_next, retire
from pipelines.publish.manifest import Manifest, PublishedFile, sha256_of
from pipelines.publish.parquet import Before, SnapshotWriter, Source
from pipelines.publish.partitions import MILESTONES_PER_RANGE, Ranges, split
from pipelines.publish.summary import SUMMARY_FILE, write_summary
from pipelines.warehouse.catalogue import typed_tables
from pipelines.warehouse.database import attach_reading, beside, open_copy
from pipelines.warehouse.load import newest_loaded_sweep_id
from pipelines.warehouse.touched import tables_of_touched, touched_since
from schemas.tables import PUBLISHED_TABLES, SCHEMA_VERSION

THREADS = 2
"""Of writing tables, hashing and counting, which leave Python to others: DuckDB has threads of its own beside them, and
each table that is being written holds rows in memory."""

_SNAPSHOT = re.compile(r"(\d{6})-\d{8}T\d{6}Z", re.ASCII)


@dataclass(frozen=True)
class Snapshot:
    """A published snapshot: its folder and its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def rows(self) -> dict[str, int]:
        """Rows by table."""
        rows: Counter[str] = Counter()
        for file in self.manifest.files:
            if file.table:
                rows[file.table] += file.rows
        return dict(rows)

    @property
    def bytes(self) -> int:
        """Of all its files, the DuckDB file included."""
        return sum(file.bytes for file in self.manifest.files)


def publish(home: Home, *, now: datetime, per_range: int = MILESTONES_PER_RANGE) -> Snapshot:
    """Publish the warehouse as it stands; call with the writer's lock held and the warehouse closed.

    Tables of more than twice `per_range` rows are split into ranges of about so many milestones.
    """
    if not home.warehouse_file.exists():
        raise NothingToDo(f"there is no warehouse at {home.warehouse_file} to publish: run milestones ingest")
    home.snapshots.mkdir(parents=True, exist_ok=True)
    sweep_leftovers(home)
    name = f"{_next_number(home.snapshots):06d}-{now:%Y%m%dT%H%M%SZ}"
    building = home.snapshots / (name + TEMPORARY_SUFFIX)
    building.mkdir()
    copy = home.published_duckdb.with_name(home.published_duckdb.name + TEMPORARY_SUFFIX)
    make_next(home, copy)
    with (
        open_copy(copy, read_only=True) as connection,
        beside(connection) as asking,
        # Ends first, and waits: nobody may close what its threads read.
        ThreadPoolExecutor(THREADS) as pool,
    ):
        sha256 = pool.submit(sha256_of, copy)
        summary = pool.submit(write_summary, asking, name, building, now=now)
        files, ranges = _write_tables(home, connection, building, name, pool, per_range=per_range)
        files.append(summary.result())
        rows = sum(file.rows for file in files)
        files.append(PublishedFile(home.published_duckdb.name, None, rows, copy.stat().st_size, sha256.result()))
        newest = newest_loaded_sweep_id(connection)
    manifest = Manifest(name, SCHEMA_VERSION, now, newest, files, ranges.days)
    manifest.write(building)
    for folder in (*(path for path in building.rglob("*") if path.is_dir()), building):
        sync(folder)
    folder = home.snapshots / name
    replace_durably(building, folder)
    retired = retire(home)
    replace_durably(copy, home.published_duckdb)
    if retired is not None:
        replace_durably(retired, home.spare_duckdb)
    point_durably(home.latest_snapshot, name)
    if not home.published_summary.is_symlink():
        point_durably(home.published_summary, f"{home.snapshots.name}/{home.latest_snapshot.name}/{SUMMARY_FILE}")
    return Snapshot(folder, manifest)


def _write_tables(
    home: Home, connection: duckdb.DuckDBPyConnection, building: Path, name: str, pool: Executor, *, per_range: int
) -> tuple[list[PublishedFile], Ranges]:
    """Every table as Parquet files, out of the finished DuckDB file; their ranges."""
    attach_reading(connection, home.warehouse_file, WAREHOUSE)
    before = _before(home, connection)
    ranges = before.ranges if before else Ranges()
    if before is None or before.may_outgrow(2 * per_range):
        days = connection.execute("SELECT CAST(start_date AS DATE) AS day, count(*) FROM milestones GROUP BY day")
        ranges = split(ranges, days.fetchall(), per_range=per_range)
    path = f"{home.snapshots.name}/{name}"
    writer = SnapshotWriter(connection, building, path, ranges, before, rows_of_one_file=2 * per_range, pool=pool)
    files = writer.write(
        [
            *(Source(table.name, table.arrow_schema, table not in OF_NO_MILESTONE) for table in PUBLISHED_TABLES),
            *(Source(typed, None, is_of_milestones=True) for typed in typed_tables(connection).values()),
        ]
    )
    return files, ranges


def _before(home: Home, connection: duckdb.DuckDBPyConnection) -> Before | None:
    """The snapshot before and what was touched since; None where either is not known for certain."""
    if not home.latest_snapshot.exists():
        return None
    folder = home.latest_snapshot.resolve()
    try:
        manifest = Manifest.read(folder)
    except PublishedDiffers:
        return None
    if manifest.schema_version != SCHEMA_VERSION or not manifest.ranges:
        return None
    touched = touched_since(connection, manifest.sweep_id, catalog=WAREHOUSE)
    return Before(folder, manifest, touched, tables_of_touched(connection)) if touched else None


def _next_number(snapshots: Path) -> int:
    names = (_SNAPSHOT.fullmatch(path.name) for path in snapshots.iterdir())
    return max((int(match[1]) for match in names if match), default=0) + 1


def sweep_leftovers(home: Home) -> None:
    """Remove what a publish left behind that was killed or failed; nobody reads a temporary name."""
    for folder in (home.published, home.snapshots):
        for path in folder.glob(f"*{TEMPORARY_SUFFIX}*"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
