"""What runs on the executors: one task derives the tables of its milestones, into one Parquet file a table.

A file's name has the number of the attempt, so that a repeated or speculative task never writes the file of another
one. Spark accepts the result of one attempt of each task: the files that it names count, `rebuild` removes all others.
"""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark import TaskContext

from pipelines.flatten.tables import disappearances
from pipelines.flatten.versions import flatten_latest, flatten_older
from pipelines.publish.manifest import sha256_of
from pipelines.publish.parquet_file import ParquetFile
from pipelines.staging.files import ROWS_PER_BATCH
from pipelines.warehouse.connection import instance
from pipelines.warehouse.typed_tables import known_types, refresh
from schemas.sql import quote
from schemas.tables import DETAILS_FIELDS, EVIDENCE, FLAT_TABLES, LATEST, MILESTONE_CHANGES, MILESTONES

IS_LATEST = "is_latest"
"""The column beside those of `schemas.tables.LATEST`: whether a version is the latest of its milestone."""

WRITTEN = (
    "partition int, versions bigint, "
    "files array<struct<table: string, name: string, rows: bigint, bytes: bigint, sha256: string>>"
)
"""The row that a task returns, in Spark's words."""

_FILES = pa.list_(
    pa.struct(
        [
            ("table", pa.string()),
            ("name", pa.string()),
            ("rows", pa.int64()),
            ("bytes", pa.int64()),
            ("sha256", pa.string()),
        ]
    )
)
_WRITTEN = pa.schema([("partition", pa.int32()), ("versions", pa.int64()), ("files", _FILES)])

_SCHEMAS = {table.name: table.arrow_schema for table in (*FLAT_TABLES, MILESTONE_CHANGES, EVIDENCE)}


@dataclass(frozen=True)
class PartFile:
    """A finished file: its name in the folder of its table."""

    table: str
    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class TypedTask:
    """The input of `write_typed`: files that the first pass wrote for a partition, and the merged evidence of all."""

    partition: int
    folder: str
    milestones: str
    details: str
    evidence: str


class _Files:
    """The files of one attempt of a task."""

    def __init__(self, folder: Path, partition: int) -> None:
        self._folder = folder
        self._name = f"part-{partition:05d}-{_attempt()}.parquet"
        self._open: dict[str, ParquetFile] = {}

    def write(self, table: str, schema: pa.Schema, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        if table not in self._open:
            self._open[table] = ParquetFile(self._folder / table / self._name, schema)
        for batch in rows.to_batches():
            self._open[table].write(batch)

    def close(self) -> list[PartFile]:
        for file in self._open.values():
            file.close()
        return [
            PartFile(table, self._name, file.rows, file.path.stat().st_size, sha256_of(file.path))
            for table, file in self._open.items()
        ]


def _attempt() -> int:
    """A number that no other attempt of a task of this application has."""
    context = TaskContext.get()
    assert context is not None  # noqa: S101 - for the type checker: only tasks run this
    return int(context.taskAttemptId())


def flatten_partition(
    folder: str, batches: Iterator[pa.RecordBatch], *, with_disappearances: bool
) -> Iterator[pa.RecordBatch]:
    """Flatten the versions of a partition into the folders of the tables; yields one row of `WRITTEN`.

    A batch has the columns of `schemas.tables.LATEST` and `is_latest`. All versions of a milestone are in one
    partition. `with_disappearances` adds these to milestone_changes.
    """
    context = TaskContext.get()
    assert context is not None  # noqa: S101 - for the type checker: only tasks run this
    partition, versions = context.partitionId(), 0
    files = _Files(Path(folder), partition)
    # Flattening makes millions of rows without cycles. This process runs nothing else.
    gc.disable()
    for batch in batches:
        versions += batch.num_rows
        for name, rows in _flatten(pa.table(batch), with_disappearances=with_disappearances):
            files.write(name, _SCHEMAS[name], rows)
    row: dict[str, Any] = {"partition": partition, "versions": versions, "files": list(map(asdict, files.close()))}
    yield pa.RecordBatch.from_pylist([row], schema=_WRITTEN)


def _flatten(batch: pa.Table, *, with_disappearances: bool) -> Iterator[tuple[str, pa.Table]]:
    """The tables of a batch by name; a name may come several times."""
    is_latest = batch[IS_LATEST]
    versions = batch.select(LATEST.arrow_schema.names)
    latest, older = versions.filter(is_latest), versions.filter(pc.invert(is_latest))
    for tables in (flatten_latest(latest), flatten_older(older)):
        yield from ((name, rows) for name, rows in tables.items() if name in _SCHEMAS)
    if with_disappearances:
        yield MILESTONE_CHANGES.name, disappearances(versions, is_latest)


def write_typed(task: TypedTask) -> list[PartFile]:
    """Write the rows of the typed tables of a partition, by the SQL that fills them in the warehouse."""
    files = _Files(Path(task.folder), task.partition)
    with ExitStack() as stack:
        spill = stack.enter_context(
            tempfile.TemporaryDirectory(dir=os.environ.get("SPARK_LOCAL_DIRS", "").split(",")[0] or None)
        )
        connection = stack.enter_context(instance(Path(spill)))
        connection.execute("SET TimeZone = 'UTC'")
        for name, columns, file in (
            (MILESTONES.name, "milestone_id, type, details", task.milestones),
            ("milestone_details", "milestone_id, path, field, kind, value", task.details),
            (EVIDENCE.name, "*", task.evidence),
        ):
            connection.execute(f"CREATE TABLE {name} AS SELECT {columns} FROM read_parquet($file)", {"file": file})  # noqa: S608
        DETAILS_FIELDS.create(connection.execute)
        for name in refresh(connection, known_types(connection), None):
            reader = connection.sql(f"SELECT * FROM {quote(name)}").to_arrow_reader(ROWS_PER_BATCH)  # noqa: S608
            for batch in reader:
                files.write(name, reader.schema, pa.table(batch))
    return files.close()
