"""The tables of a snapshot as Parquet files: what changed is written, what did not is linked from the one before.

A small table is one file. A large one has a file for each range of starts (see `partitions`), so that writing costs
what changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.durable import copy_file, sync
from pipelines.publish.manifest import Manifest, PublishedFile, describe
from pipelines.publish.partitions import Ranges
from pipelines.staging import ROWS_PER_BATCH
from pipelines.warehouse.touched import Touched
from schemas.sql import quote

BYTES_PER_GROUP = 16 * 1024 * 1024
"""Of rows in memory; a reader of one column passes over what is in between, a writer holds one for each open range."""
RANGES_OF_ONE_PASS = 8
"""Whose milestones are looked up while a table is read, and whose rows wait for their groups, all in memory."""
FILE_NAME = "part-000.parquet"
_RANGE = "#range"


@dataclass(frozen=True)
class Before:
    """The snapshot before: its folder, its manifest, and what was touched since, as far as that is known."""

    folder: Path
    manifest: Manifest
    touched: Touched

    @property
    def ranges(self) -> Ranges:
        """Its ranges."""
        return Ranges(self.manifest.ranges)

    def files(self, table: str) -> dict[str, PublishedFile]:
        """Its files of a table, by their path below the table's folder."""
        prefix = f"{self.folder.parent.name}/{self.folder.name}/{table}/"
        return {file.path.removeprefix(prefix): file for file in self.manifest.files if file.table == table}


@dataclass
class SnapshotWriter:
    """Writes the tables of one snapshot into `building`, which will stand at `path` below the published folder.

    A table of at most `rows_of_one_file` is one file. `pool` finishes several files of a table at once.
    """

    connection: duckdb.DuckDBPyConnection
    building: Path
    path: str
    ranges: Ranges
    before: Before | None
    rows_of_one_file: int
    pool: Executor

    def write(self, table: str, schema: pa.Schema | None, *, is_of_milestones: bool) -> list[PublishedFile]:
        """A table's files. `schema` is None for a typed table, whose schema is what the catalogue made of it.

        NULL in a required column stops it here.
        """
        (self.building / table).mkdir()
        rows: int = self.connection.execute(f"SELECT count(*) FROM {quote(table)}").fetchall()[0][0]  # noqa: S608
        if not is_of_milestones:
            return [self._write_whole(table, schema)]
        if rows <= self.rows_of_one_file:
            kept = self._unchanged_whole(table, rows)
            return [self._link(table, kept, FILE_NAME)] if kept else [self._write_whole(table, schema)]
        clean = self._unchanged_ranges(table)
        known = self.before.files(table) if self.before else {}
        files = [
            self._link(table, known[name], name)
            for name in (f"{self.ranges.folder(number)}/{FILE_NAME}" for number in sorted(clean))
            if name in known
        ]
        return files + self._write_ranges(table, schema, set(range(len(self.ranges))) - clean)

    def _unchanged_whole(self, table: str, rows: int) -> PublishedFile | None:
        """The file of a small table that nothing touched."""
        if self.before is None or table in self.before.touched.tables:
            return None
        file = self.before.files(table).get(FILE_NAME)
        # A milestone that left the table is not in it any more: then its rows are fewer, or others came.
        if file is None or file.rows != rows:
            return None
        touched = f"SELECT 1 FROM {quote(table)} WHERE milestone_id IN (SELECT milestone_id FROM touched) LIMIT 1"  # noqa: S608
        return None if self.connection.execute(touched).fetchall() else file

    def _unchanged_ranges(self, table: str) -> set[int]:
        if self.before is None or table in self.before.touched.tables:
            return set()
        files = self.before.files(table)
        if not files or FILE_NAME in files:
            return set()
        return self.ranges.kept_from(self.before.ranges) - set(map(self.ranges.number_of, self.before.touched.starts))

    def _link(self, table: str, file: PublishedFile, name: str) -> PublishedFile:
        """Give a file of the snapshot before a name in this one."""
        assert self.before is not None  # noqa: S101 - what it has is linked
        source, target = self.before.folder / table / name, self.building / table / name
        target.parent.mkdir(exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            # A file system without links.
            copy_file(source, target)
            sync(target)
        return PublishedFile(f"{self.path}/{table}/{name}", table, file.rows, file.bytes, file.sha256)

    def _write_whole(self, table: str, schema: pa.Schema | None) -> PublishedFile:
        reader = self.connection.sql(f"SELECT * FROM {quote(table)}").to_arrow_reader(ROWS_PER_BATCH)  # noqa: S608
        out = _File(self.building / table / FILE_NAME, schema or reader.schema)
        for batch in reader:
            out.write(batch)
        return self._described(table, FILE_NAME, out)

    def _write_ranges(self, table: str, schema: pa.Schema | None, numbers: set[int]) -> list[PublishedFile]:
        """The files of some ranges; none for a range without rows. One pass over the table brings a few ranges."""
        ordered = sorted(numbers)
        return [
            file
            for first in range(0, len(ordered), RANGES_OF_ONE_PASS)
            for file in self._write_some(table, schema, ordered[first : first + RANGES_OF_ONE_PASS])
        ]

    def _write_some(self, table: str, schema: pa.Schema | None, numbers: list[int]) -> list[PublishedFile]:
        listed = ", ".join(map(str, numbers))
        chosen = f"{self.ranges.expression} AS {quote(_RANGE)} FROM milestones WHERE {quote(_RANGE)} IN ({listed})"
        query = f"SELECT *, {chosen}"
        if table != "milestones":
            query = (
                f"WITH placed AS (SELECT milestone_id, {chosen}) "  # noqa: S608
                f"SELECT own.*, {quote(_RANGE)} FROM {quote(table)} AS own JOIN placed USING (milestone_id)"
            )
        reader = self.connection.sql(query).to_arrow_reader(ROWS_PER_BATCH)
        schema = schema or reader.schema.remove(len(reader.schema) - 1)
        files: dict[int, _File] = {}
        for number, rows in _by_range(reader):
            if number not in files:
                file = self.building / table / self.ranges.folder(number) / FILE_NAME
                file.parent.mkdir()
                files[number] = _File(file, schema)
            files[number].write(rows)
        names = (f"{self.ranges.folder(number)}/{FILE_NAME}" for number in sorted(files))
        written = (files[number] for number in sorted(files))
        return list(self.pool.map(partial(self._described, table), names, written))

    def _described(self, table: str, name: str, out: _File) -> PublishedFile:
        out.close()
        return describe(out.path, path=f"{self.path}/{table}/{name}", table=table, rows=out.rows)


def _by_range(reader: pa.RecordBatchReader) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Rows with the number of their range, which was the last column."""
    for batch in reader:
        numbers = batch.column(batch.num_columns - 1)
        rows = batch.select(batch.schema.names[:-1])
        distinct = numbers.unique().to_pylist()
        for number in distinct:
            yield number, rows if len(distinct) == 1 else rows.filter(pc.equal(numbers, number))


class _File:
    """One Parquet file of the declared schema, its rows gathered into groups that are worth reading."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.rows = 0
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True)
        self._waiting: list[pa.RecordBatch] = []
        self.waiting_bytes = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows."""
        self.rows += batch.num_rows
        self._waiting.append(batch.cast(self._schema))
        self.waiting_bytes += batch.nbytes
        if self.waiting_bytes >= BYTES_PER_GROUP:
            self.flush()

    def close(self) -> None:
        """Write what is left, and sync."""
        self.flush()
        self._writer.close()
        sync(self.path)

    def flush(self) -> None:
        """Write the rows that wait, as a group."""
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema))
        self._waiting, self.waiting_bytes = [], 0
