"""The tables of a snapshot as Parquet files: what changed is written, what did not is linked from the one before.

A small table is one file. A large one has a file for each range of starts (see `partitions`), so that writing costs
what changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.durable import copy_file, sync
from pipelines.publish.manifest import Manifest, PublishedFile, describe
from pipelines.publish.partitions import Ranges
from pipelines.staging import ROWS_PER_BATCH
from pipelines.warehouse.database import beside
from pipelines.warehouse.rows import rows_of
from pipelines.warehouse.touched import Touched
from schemas.sql import quote
from schemas.tables import MILESTONES

BYTES_PER_GROUP = 8 * 1024 * 1024
"""Of rows in memory; a reader of one column passes over what is in between, a writer holds one for each open range."""
RANGES_OF_ONE_PASS = 8
"""Whose milestones are looked up while a table is read, and whose rows wait for their groups, all in memory."""
FILE_NAME = "part-000.parquet"
_RANGE = "#range"
_PLACED = "memory.placed"
"""The ranges of milestones while some ranges are written: in the database in memory, which all cursors share."""


@dataclass(frozen=True)
class Before:
    """The snapshot before: its folder, its manifest, and what was touched since, as far as that is known.

    `typed` are the typed tables in which touched milestones stand.
    """

    folder: Path
    manifest: Manifest
    touched: Touched
    typed: frozenset[str]

    @property
    def ranges(self) -> Ranges:
        """Its ranges."""
        return Ranges(self.manifest.ranges)

    def may_outgrow(self, rows: int) -> bool:
        """Whether a range may hold more milestones than so many by now."""
        held = max((file.rows for file in self.files(MILESTONES.name).values()), default=0)
        return held + self.touched.milestones > rows

    def files(self, table: str) -> dict[str, PublishedFile]:
        """Its files of a table, by their path below the table's folder."""
        prefix = f"{self.folder.parent.name}/{self.folder.name}/{table}/"
        return {file.path.removeprefix(prefix): file for file in self.manifest.files if file.table == table}


@dataclass(frozen=True)
class Source:
    """A table to write. `schema` is None for a typed table, whose schema is what the catalogue made of it."""

    name: str
    schema: pa.Schema | None
    is_of_milestones: bool


@dataclass
class SnapshotWriter:
    """Writes the tables of one snapshot into `building`, which will stand at `path` below the published folder.

    A table of at most `rows_of_one_file` is one file. Tables are written beside each other, on the threads of `pool`.
    """

    connection: duckdb.DuckDBPyConnection
    building: Path
    path: str
    ranges: Ranges
    before: Before | None
    rows_of_one_file: int
    pool: Executor

    def write(self, tables: Iterable[Source]) -> list[PublishedFile]:
        """The files of all tables, in their order and by path. NULL in a required column stops it here."""
        files: list[PublishedFile] = []
        whole: list[Source] = []
        stale: dict[Source, set[int]] = {}
        order: dict[str | None, int] = {}
        for table in tables:
            order[table.name] = len(order)
            (self.building / table.name).mkdir()
            rows: int = self.connection.execute(f"SELECT count(*) FROM {quote(table.name)}").fetchall()[0][0]  # noqa: S608
            known = self._known(table)
            is_same = bool(known) and not self._is_touched(table, known, rows)
            if not table.is_of_milestones or rows <= self.rows_of_one_file:
                if is_same and FILE_NAME in known:
                    files.append(self._link(table, known[FILE_NAME], FILE_NAME))
                else:
                    whole.append(table)
            else:
                clean = self._clean_ranges(known, is_same=is_same)
                names = {self._name(number) for number in clean}
                files += [self._link(table, file, name) for name, file in known.items() if name in names]
                stale[table] = set(range(len(self.ranges))) - clean
        files += self.pool.map(self._write_whole, whole)
        files += self._write_ranges(stale)
        return sorted(files, key=lambda file: (order[file.table], file.path))

    def _known(self, table: Source) -> dict[str, PublishedFile]:
        """The files of a table in the snapshot before, where any of them may be what it would be again."""
        if self.before is None or not table.is_of_milestones or table.name in self.before.touched.tables:
            return {}
        return self.before.files(table.name)

    def _is_touched(self, table: Source, known: dict[str, PublishedFile], rows: int) -> bool:
        """Whether a table holds a touched milestone, or held one."""
        assert self.before is not None  # noqa: S101 - what it has is known
        # A milestone that left the table is not in it any more: then its rows are fewer, or others came.
        if sum(file.rows for file in known.values()) != rows:
            return True
        if table.schema is None:
            return table.name in self.before.typed
        return self.before.touched.milestones > 0

    def _clean_ranges(self, known: dict[str, PublishedFile], *, is_same: bool) -> set[int]:
        """The ranges whose files are what they would be again, or that have none because they have no rows."""
        if self.before is None or not known or FILE_NAME in known:
            return set()
        kept = self.ranges.kept_from(self.before.ranges)
        return kept if is_same else kept - set(map(self.ranges.number_of, self.before.touched.starts))

    def _name(self, number: int) -> str:
        """The file of a range, below its table's folder."""
        return f"{self.ranges.folder(number)}/{FILE_NAME}"

    def _link(self, table: Source, file: PublishedFile, name: str) -> PublishedFile:
        """Give a file of the snapshot before a name in this one."""
        assert self.before is not None  # noqa: S101 - what it has is linked
        source, target = self.before.folder / table.name / name, self.building / table.name / name
        target.parent.mkdir(exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            # A file system without links.
            copy_file(source, target)
            sync(target)
        return PublishedFile(f"{self.path}/{table.name}/{name}", table.name, file.rows, file.bytes, file.sha256)

    def _write_whole(self, table: Source) -> PublishedFile:
        with beside(self.connection) as connection:
            reader = connection.sql(f"SELECT * FROM {quote(table.name)}").to_arrow_reader(ROWS_PER_BATCH)  # noqa: S608
            out = _File(self.building / table.name / FILE_NAME, table.schema or reader.schema)
            for batch in reader:
                out.write(batch)
        return self._described(table, FILE_NAME, out)

    def _write_ranges(self, stale: Mapping[Source, set[int]]) -> Iterator[PublishedFile]:
        """The files of ranges of tables; none for a range without rows. One pass over a table brings a few ranges."""
        numbers = sorted(set().union(*stale.values()))
        for first in range(0, len(numbers), RANGES_OF_ONE_PASS):
            placed = set(numbers[first : first + RANGES_OF_ONE_PASS])
            self.connection.execute(
                f"CREATE OR REPLACE TABLE {_PLACED} AS "  # noqa: S608
                f"SELECT milestone_id, {self.ranges.number_of_sql(placed)} AS {quote(_RANGE)} "
                f"FROM milestones WHERE {self.ranges.holds_sql(placed)}"
            )
            of_tables = {table: placed & own for table, own in stale.items() if placed & own}
            for files in self.pool.map(self._write_some, of_tables.keys(), of_tables.values()):
                yield from files

    def _write_some(self, table: Source, numbers: set[int]) -> list[PublishedFile]:
        listed = ", ".join(map(str, sorted(numbers)))
        files: dict[int, _File] = {}
        with beside(self.connection) as connection:
            # Where every range is written there is nothing to pass over.
            rows = rows_of(connection, quote(table.name), _PLACED) if self.before else f"FROM {quote(table.name)}"
            reader = connection.sql(
                f"SELECT own.*, {quote(_RANGE)} FROM ({rows}) AS own "  # noqa: S608
                f"JOIN {_PLACED} USING (milestone_id) WHERE {quote(_RANGE)} IN ({listed})"
            ).to_arrow_reader(ROWS_PER_BATCH)
            schema = table.schema or reader.schema.remove(len(reader.schema) - 1)
            for number, rows in _by_range(reader):
                if number not in files:
                    file = self.building / table.name / self._name(number)
                    file.parent.mkdir()
                    files[number] = _File(file, schema)
                files[number].write(rows)
        return [self._described(table, self._name(number), out) for number, out in files.items()]

    def _described(self, table: Source, name: str, out: _File) -> PublishedFile:
        out.close()
        return describe(out.path, path=f"{self.path}/{table.name}/{name}", table=table.name, rows=out.rows)


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
