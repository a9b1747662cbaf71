"""The driver of a rebuild on Spark: `stage_log` for the warehouse, `write_tables` for Parquet tables without DuckDB.

The log is split by milestone, so that a task sees every version of its milestones. Executors write to a folder that all
machines share; what each wrote is in `parts`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
from pyspark.sql import DataFrame, Row, SparkSession

from pipelines.errors import PublishedDiffers, WrongUse
from pipelines.publish.manifest import Manifest, PublishedFile, describe
from pipelines.publish.parquet_file import ParquetFile
from pipelines.spark.parts import IS_LATEST, WRITTEN, PartFile, TypedTask, flatten_partition, write_typed
from pipelines.spark.session import SparkFailed, spark_session
from pipelines.staging.files import ROWS_PER_BATCH, Staging
from pipelines.staging.stage_tables import stage_empty
from pipelines.storage.durable import TEMPORARY_SUFFIX, replace_durably, sync
from pipelines.warehouse.connection import instance
from pipelines.warehouse.rebuild import keep_discarded, replace_evidence
from pipelines.warehouse.typed_tables import known_types, refresh
from schemas.sql import literal, quote
from schemas.tables import (
    DETAILS_FIELDS,
    EVIDENCE,
    FLAT_TABLES,
    LATEST,
    MILESTONE_CHANGES,
    MILESTONE_DETAILS,
    MILESTONE_VERSIONS,
    MILESTONES,
    SCHEMA_VERSION,
)

VERSIONS_OF_ONE_PARTITION = 250_000
"""A task holds one row group of each table. Fewer versions a task would make many small files."""

Flatten = Callable[..., Iterable[pa.RecordBatch]]
"""`parts.flatten_partition`, or what a test puts in its place."""

_SCRATCH = "scratch"
_MERGED_EVIDENCE = "evidence.parquet"

_LOG_COLUMNS = (
    "milestone_id",
    "version",
    "content_hash",
    "last_updated_ts",
    "valid_from",
    "valid_to",
    "sweep_id",
    "record",
)

_VERSIONS = f"""
SELECT milestone_id, version, content_hash, last_updated_ts, record,
       min(valid_from) OVER life AS first_seen_at, valid_from AS last_changed_at, valid_to AS vanished_at, sweep_id,
       CASE WHEN lag(version) OVER log = version - 1 THEN lag(record) OVER log END AS previous_record,
       CASE WHEN lag(version) OVER log = version - 1 AND lag(valid_to) OVER log < valid_from
            THEN lag(valid_to) OVER log END AS was_vanished_at,
       version = max(version) OVER life AS {IS_LATEST}
FROM {{log}}
WINDOW life AS (PARTITION BY milestone_id), log AS (PARTITION BY milestone_id ORDER BY version)
"""  # noqa: S608 - a constant
"""The query of `warehouse/sql/versions_of_log.sql` for both kinds at once, by windows instead of joins."""


@dataclass(frozen=True)
class _Partition:
    """What the accepted attempt of a task wrote."""

    number: int
    versions: int
    files: tuple[PartFile, ...]

    @classmethod
    def of(cls, row: Row) -> _Partition:
        return cls(row["partition"], row["versions"], tuple(PartFile(**file.asDict()) for file in row["files"]))

    def file(self, table: str) -> str | None:
        """The name of its file of a table; None if the table has no rows."""
        return next((file.name for file in self.files if file.table == table), None)


def stage_log(
    connection: duckdb.DuckDBPyConnection,
    staging: Staging,
    *,
    master: str | None = None,
    flatten: Flatten = flatten_partition,
    versions_of_one_partition: int = VERSIONS_OF_ONE_PARTITION,
) -> None:
    """Stage the tables of the warehouse's version log, as `warehouse.rebuild.stage_whole_log` does.

    Raises SparkFailed.
    """
    stage_empty(staging)
    folder = staging.folder / "spark"
    folder.mkdir()
    log = folder / "log.parquet"
    columns = ", ".join(_LOG_COLUMNS)
    # Small row groups: a group of DuckDB's default size would not fit into the memory of the writer.
    connection.execute(
        f"COPY (SELECT {columns} FROM milestone_versions) TO {literal(str(log))} (ROW_GROUP_SIZE {2 * ROWS_PER_BATCH})"  # noqa: S608
    )
    ((versions,),) = connection.execute("SELECT count(*) FROM milestone_versions").fetchall()
    parts = versions // versions_of_one_partition + 1
    with spark_session(master, folder / _SCRATCH) as session:
        work = partial(flatten, str(folder), with_disappearances=False)
        partitions = _flatten(session, [str(log)], work, parts, versions)
    for number, one in enumerate(partitions, start=1):
        for file in one.files:
            (folder / file.table / file.name).replace(staging.folder / f"{file.table}-{number:06d}.parquet")
    shutil.rmtree(folder)


def write_tables(
    snapshot: Path,
    output: Path,
    *,
    now: datetime,
    master: str | None = None,
    flatten: Flatten = flatten_partition,
    versions_of_one_partition: int = VERSIONS_OF_ONE_PARTITION,
) -> Manifest:
    """Derive every table of milestones from the version log of a published snapshot into the new folder `output`.

    Raises WrongUse if `output` has files, PublishedDiffers for a snapshot that is not whole or of another version,
    SparkFailed.
    """
    manifest = Manifest.read(snapshot)
    if manifest.schema_version != SCHEMA_VERSION:
        raise PublishedDiffers(f"{snapshot} was published by another version: run milestones rebuild, then run again")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise WrongUse(f"{output} exists: give a new folder with --output")
    of_log = [file for file in manifest.files if file.table == MILESTONE_VERSIONS.name]
    versions = sum(file.rows for file in of_log)
    building = output.with_name(output.name + TEMPORARY_SUFFIX)
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        with spark_session(master, building / _SCRATCH) as session:
            paths = [str(snapshot.parents[1] / file.path) for file in of_log]
            work = partial(flatten, str(building), with_disappearances=True)
            parts = versions // versions_of_one_partition + 1
            partitions = _flatten(session, paths, work, parts, versions)
            fields, typed_schemas = _catalogue(building, snapshot, partitions)
            typed = _write_typed(session, building, partitions)
        # The session has ended: no repeated task writes any more.
        schemas = {table.name: table.arrow_schema for table in (*FLAT_TABLES, MILESTONE_CHANGES)} | typed_schemas
        files = _settle(building, [*(file for one in partitions for file in one.files), *typed], schemas)
        files.append(_write_file(building, DETAILS_FIELDS.name, fields))
        written = Manifest(output.name, SCHEMA_VERSION, now, manifest.sweep_id, files)
        written.write(building)
        for folder in (path for path in (building, *building.rglob("*")) if path.is_dir()):
            sync(folder)
        replace_durably(building, output)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return written.sealed()


def _flatten(session: SparkSession, log: list[str], work: Flatten, parts: int, versions: int) -> list[_Partition]:
    """Flatten the log in one pass. Raises SparkFailed unless every version was read once."""
    partitions = max(parts, session.sparkContext.defaultParallelism)
    rows = _versions(session, log, partitions).mapInArrow(work, WRITTEN).collect()
    written = sorted(map(_Partition.of, rows), key=lambda one: one.number)
    read = sum(one.versions for one in written)
    if read != versions or len({one.number for one in written}) != len(written):
        raise SparkFailed(f"Spark read {read:,} of {versions:,} versions: run again; if it fails again, it is a bug")
    return written


def _versions(session: SparkSession, log: list[str], partitions: int) -> DataFrame:
    """The columns of `schemas.tables.LATEST` and `is_latest`; all versions of a milestone are in one partition."""
    own = session.read.parquet(*log).select(*_LOG_COLUMNS).repartition(partitions, "milestone_id")
    return session.sql(_VERSIONS.format(log="{log}"), log=own).select(*LATEST.arrow_schema.names, IS_LATEST)


def _catalogue(building: Path, snapshot: Path, partitions: list[_Partition]) -> tuple[pa.Table, dict[str, pa.Schema]]:
    """Merge the evidence of all partitions into one file; the field catalogue, and the schemas of the typed tables."""
    parts = [str(building / EVIDENCE.name / name) for one in partitions if (name := one.file(EVIDENCE.name))]
    with instance(building / _SCRATCH) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table in (MILESTONES, MILESTONE_DETAILS, EVIDENCE, DETAILS_FIELDS):
            table.create(connection.execute)
        keep_discarded(connection, f"read_parquet({literal(str(snapshot / DETAILS_FIELDS.name / '*.parquet'))})")
        if parts:
            replace_evidence(connection, parts)
        schemas = {
            name: connection.sql(f"SELECT * FROM {quote(name)}").to_arrow_reader().schema  # noqa: S608
            for name in refresh(connection, known_types(connection), None)
        }
        connection.execute(f"COPY {quote(EVIDENCE.name)} TO {literal(str(building / _MERGED_EVIDENCE))}")
        fields = connection.sql(f"SELECT * FROM {quote(DETAILS_FIELDS.name)}").to_arrow_table()  # noqa: S608
    return fields.cast(DETAILS_FIELDS.arrow_schema), schemas


def _write_typed(session: SparkSession, building: Path, partitions: list[_Partition]) -> list[PartFile]:
    """Write the typed tables, in a second pass: their columns depend on the evidence of all partitions."""
    tasks = [
        TypedTask(
            one.number,
            str(building),
            str(building / MILESTONES.name / milestones),
            str(building / MILESTONE_DETAILS.name / details),
            str(building / _MERGED_EVIDENCE),
        )
        for one in partitions
        # Every milestone has a leaf.
        if (milestones := one.file(MILESTONES.name)) and (details := one.file(MILESTONE_DETAILS.name))
    ]
    if not tasks:
        return []
    written: list[list[PartFile]] = session.sparkContext.parallelize(tasks, len(tasks)).map(write_typed).collect()
    return [file for files in written for file in files]


def _settle(building: Path, written: list[PartFile], schemas: dict[str, pa.Schema]) -> list[PublishedFile]:
    """Give the accepted files their final names and remove all others; a table without rows gets an empty file."""
    files = []
    for table, schema in schemas.items():
        folder = building / table
        accepted = [file for file in written if file.table == table]
        for number, file in enumerate(accepted):
            (folder / file.name).replace(folder / _name(number))
            files.append(PublishedFile(f"{table}/{_name(number)}", table, file.rows, file.bytes, file.sha256))
        if not accepted:
            files.append(_write_file(building, table, schema.empty_table()))
        kept = {Path(file.path).name for file in files if file.table == table}
        for path in folder.iterdir():
            if path.name not in kept:
                path.unlink()
    shutil.rmtree(building / EVIDENCE.name, ignore_errors=True)
    shutil.rmtree(building / _SCRATCH, ignore_errors=True)
    (building / _MERGED_EVIDENCE).unlink()
    return files


def _write_file(building: Path, table: str, rows: pa.Table) -> PublishedFile:
    """Write a table that is one file."""
    file = ParquetFile(building / table / _name(0), rows.schema)
    for batch in rows.to_batches():
        file.write(batch)
    file.close()
    return describe(file.path, path=f"{table}/{file.path.name}", table=table, rows=file.rows)


def _name(number: int) -> str:
    return f"part-{number:05d}.parquet"
