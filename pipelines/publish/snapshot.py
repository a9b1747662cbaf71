"""Publishing: copy the closed warehouse, write the Parquet snapshot from the copy, swap both in.

Readers get either the old state or the new one, whole: they open a file or a folder that nobody writes any more.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.durable import TEMPORARY_SUFFIX, point_durably, replace_durably, sync
from pipelines.errors import NothingToDo
from pipelines.home import Home
from pipelines.publish.manifest import Manifest, PublishedFile, describe
from pipelines.publish.summary import SUMMARY_FILE, write_summary
from pipelines.publish.views import create_views
from pipelines.reader import open_reader
from pipelines.warehouse.catalogue import typed_tables
from pipelines.warehouse.database import discard, open_copy
from schemas.sql import quote
from schemas.tables import PRIVATE_TABLES, PUBLISHED_TABLES, SCHEMA_VERSION

ROWS_PER_GROUP = 100_000
_SNAPSHOT = re.compile(r"(\d{6})-\d{8}T\d{6}Z", re.ASCII)


@dataclass(frozen=True)
class Snapshot:
    """A published snapshot: its folder and its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def rows(self) -> dict[str, int]:
        """Rows by table."""
        return {file.table: file.rows for file in self.manifest.files if file.table}

    @property
    def bytes(self) -> int:
        """Of all its files, the DuckDB file included."""
        return sum(file.bytes for file in self.manifest.files)


def publish(home: Home, *, now: datetime) -> Snapshot:
    """Publish the warehouse as it stands; call with the writer's lock held and the warehouse closed."""
    if not home.warehouse_file.exists():
        raise NothingToDo(f"there is no warehouse at {home.warehouse_file} to publish: run milestones ingest")
    home.snapshots.mkdir(parents=True, exist_ok=True)
    _sweep_leftovers(home)
    name = f"{_next_number(home.snapshots):06d}-{now:%Y%m%dT%H%M%SZ}"
    building = home.snapshots / (name + TEMPORARY_SUFFIX)
    building.mkdir()
    copy = home.published_duckdb.with_name(home.published_duckdb.name + TEMPORARY_SUFFIX)
    discard(copy)
    shutil.copyfile(home.warehouse_file, copy)
    with open_copy(copy) as connection:
        for table in PRIVATE_TABLES:
            connection.execute(f"DROP TABLE {quote(table.name)}")
        create_views(connection)
    sync(copy)
    with open_reader(copy) as connection:
        schemas: dict[str, pa.Schema | None] = {table.name: table.arrow_schema for table in PUBLISHED_TABLES}
        schemas |= dict.fromkeys(sorted(typed_tables(connection).values()))
        files = [
            _write_table(connection, table, schema, building, home.snapshots.name, name)
            for table, schema in schemas.items()
        ]
        files.append(write_summary(connection, name, building, now=now))
        newest = connection.execute("SELECT max(sweep_id) FROM sweeps WHERE status = 'loaded'").fetchall()[0][0]
    files.append(describe(copy, path=home.published_duckdb.name, table=None, rows=sum(file.rows for file in files)))
    manifest = Manifest(name, SCHEMA_VERSION, now, newest, files)
    manifest.write(building)
    for folder in (*(path for path in building.rglob("*") if path.is_dir()), building):
        sync(folder)
    folder = home.snapshots / name
    replace_durably(building, folder)
    replace_durably(copy, home.published_duckdb)
    point_durably(home.latest_snapshot, name)
    if not home.published_summary.is_symlink():
        point_durably(home.published_summary, f"{home.snapshots.name}/{home.latest_snapshot.name}/{SUMMARY_FILE}")
    return Snapshot(folder, manifest)


def _write_table(
    connection: duckdb.DuckDBPyConnection, table: str, schema: pa.Schema | None, building: Path, *final: str
) -> PublishedFile:
    """One table as one Parquet file of the declared schema; NULL in a required column stops it here.

    A typed table has no declaration: its schema is what the catalogue made of it.
    """
    file = building / table / "part-000.parquet"
    file.parent.mkdir()
    reader = connection.sql(f"SELECT * FROM {quote(table)}").to_arrow_reader(ROWS_PER_GROUP)  # noqa: S608
    schema = schema or reader.schema
    rows = 0
    with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
        for batch in reader:
            rows += batch.num_rows
            writer.write_batch(batch.cast(schema))
    sync(file)
    return describe(file, path="/".join((*final, table, file.name)), table=table, rows=rows)


def _next_number(snapshots: Path) -> int:
    names = (_SNAPSHOT.fullmatch(path.name) for path in snapshots.iterdir())
    return max((int(match[1]) for match in names if match), default=0) + 1


def _sweep_leftovers(home: Home) -> None:
    """Remove what a killed publish left behind; nobody reads a temporary name."""
    for folder in (home.published, home.snapshots):
        for path in folder.glob(f"*{TEMPORARY_SUFFIX}*"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
