"""Writes the tables of a snapshot as Parquet files, and links unchanged files from the previous snapshot.

A small table is one file. A large one has a file for each range of start dates (see `partitions`), so that only the
ranges with touched milestones are rewritten. Which files can be reused is known to `previous_snapshot`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.publish.manifest import PublishedFile, describe
from pipelines.publish.parquet_file import ParquetFile
from pipelines.publish.partitions import FILE_NAME, Ranges
from pipelines.publish.previous_snapshot import WAREHOUSE, PreviousSnapshot
from pipelines.staging.files import ROWS_PER_BATCH
from pipelines.storage.durable import copy_file, sync
from pipelines.warehouse.connection import second_connection
from pipelines.warehouse.row_ranges import rows_near
from schemas.sql import quote

RANGES_OF_ONE_PASS = 8
"""Ranges written in one pass over a table: their milestone ids and open row groups are held in memory."""
_RANGE = "#range"
_PLACED = "memory.placed"
"""The table of milestones with their range during a pass, in the in-memory database that all connections share."""


@dataclass(frozen=True)
class Source:
    """A table to write. `schema` is None for a typed table, which keeps the schema that it has in DuckDB.

    `version` tells when the file of a table without milestones can be linked: as long as it is the same. None never.
    """

    name: str
    schema: pa.Schema | None
    is_of_milestones: bool
    version: str | None = None


@dataclass
class SnapshotWriter:
    """Writes the tables of one snapshot into the folder `building`, which is published later at `path`.

    A table of at most `rows_of_one_file` rows is one file. Tables are written in parallel, on the threads of `pool`.
    """

    connection: duckdb.DuckDBPyConnection
    building: Path
    path: str
    ranges: Ranges
    before: PreviousSnapshot | None
    rows_of_one_file: int
    pool: Executor

    def write(self, tables: Iterable[Source]) -> list[PublishedFile]:
        """Write all tables; their files, ordered by table and path. Raises for NULL in a required column."""
        files: list[PublishedFile] = []
        whole: list[Source] = []
        stale: dict[Source, set[int]] = {}
        order: dict[str | None, int] = {}
        for table in tables:
            order[table.name] = len(order)
            (self.building / table.name).mkdir()
            rows: int = self.connection.execute(f"SELECT count(*) FROM {quote(table.name)}").fetchall()[0][0]  # noqa: S608
            if table.version is not None:
                file = self._of_same_version(table, table.version)
                files += [self._link(table, file, FILE_NAME)] if file else []
                whole += [] if file else [table]
                continue
            known = self._known(table)
            is_same = bool(known) and not self._is_touched(table, known, rows)
            if not table.is_of_milestones or rows <= self.rows_of_one_file:
                if is_same and FILE_NAME in known:
                    files.append(self._link(table, known[FILE_NAME], FILE_NAME))
                else:
                    whole.append(table)
            else:
                kept = self._kept_ranges(known)
                clean = kept if is_same else kept - self._touched_ranges
                names = {self._name(number) for number in clean}
                files += [self._link(table, file, name) for name, file in known.items() if name in names]
                stale[table] = set(range(len(self.ranges))) - clean
        files += self.pool.map(self._write_whole, whole)
        files += self._write_ranges(stale)
        return sorted(files, key=lambda file: (order[file.table], file.path))

    @cached_property
    def _touched_ranges(self) -> set[int]:
        """The ranges of the old and new starts of touched milestones."""
        return set(map(self.ranges.number_of, self.before.touched.starts)) if self.before else set()

    def _known(self, table: Source) -> dict[str, PublishedFile]:
        """The files of a table in the previous snapshot; none if the table cannot reuse any."""
        if self.before is None or not table.is_of_milestones or table.name in self.before.touched.tables:
            return {}
        return self.before.files(table.name)

    def _of_same_version(self, table: Source, version: str) -> PublishedFile | None:
        """The file of the previous snapshot if the table has not changed since."""
        if self.before is None or (self.before.manifest.versions or {}).get(table.name) != version:
            return None
        return self.before.files(table.name).get(FILE_NAME)

    def _is_touched(self, table: Source, known: dict[str, PublishedFile], rows: int) -> bool:
        """Whether a table has, or had, rows of a touched milestone."""
        assert self.before is not None  # noqa: S101 - for the type checker; it has files
        # A milestone that left a typed table changes its row count, unless another one came, which is touched.
        if sum(file.rows for file in known.values()) != rows:
            return True
        if table.schema is None:
            return table.name in self.before.touched_typed_tables
        return self.before.touched.milestones > 0

    def _kept_ranges(self, known: Mapping[str, PublishedFile]) -> set[int]:
        """The ranges whose files can be reused unless they have touched milestones."""
        if self.before is None or not known or FILE_NAME in known:
            return set()
        return self.ranges.kept_from(self.before.ranges)

    def _name(self, number: int) -> str:
        """The path of the file of a range, below the folder of its table."""
        return f"{self.ranges.folder(number)}/{FILE_NAME}"

    def _link(self, table: Source, file: PublishedFile, name: str) -> PublishedFile:
        """Hard-link a file of the previous snapshot into this one."""
        assert self.before is not None  # noqa: S101 - for the type checker; the file is one of its own
        source, target = self.before.folder / table.name / name, self.building / table.name / name
        target.parent.mkdir(exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            # The file system has no hard links.
            copy_file(source, target)
            sync(target)
        return PublishedFile(f"{self.path}/{table.name}/{name}", table.name, file.rows, file.bytes, file.sha256)

    def _write_whole(self, table: Source) -> PublishedFile:
        with second_connection(self.connection, WAREHOUSE) as connection:
            reader = connection.sql(f"SELECT * FROM {quote(table.name)}").to_arrow_reader(ROWS_PER_BATCH)  # noqa: S608
            out = ParquetFile(self.building / table.name / FILE_NAME, table.schema or reader.schema)
            for batch in reader:
                out.write(batch)
        return self._described(table, FILE_NAME, out)

    def _write_ranges(self, stale: Mapping[Source, set[int]]) -> Iterator[PublishedFile]:
        """Write the stale ranges of tables, a few in each pass over a table; a range without rows has no file."""
        numbers = sorted(set().union(*stale.values()))
        for first in range(0, len(numbers), RANGES_OF_ONE_PASS):
            of_pass = set(numbers[first : first + RANGES_OF_ONE_PASS])
            self.connection.execute(f"CREATE OR REPLACE TABLE {_PLACED} AS {self._places(of_pass)}")
            jobs = [(table, own & of_pass) for table, own in stale.items() if own & of_pass]
            for files in self.pool.map(self._write_table_ranges, *zip(*jobs, strict=True)):
                yield from files

    def _places(self, numbers: set[int]) -> str:
        """A query for the milestones of these ranges, each with the number of its range."""
        return (
            f"SELECT milestone_id, {self.ranges.number_of_sql(numbers)} AS {quote(_RANGE)} "  # noqa: S608
            f"FROM milestones WHERE {self.ranges.holds_sql(numbers)}"
        )

    def _write_table_ranges(self, table: Source, numbers: set[int]) -> list[PublishedFile]:
        """Write these ranges of a table in one pass."""
        files: dict[int, ParquetFile] = {}
        with second_connection(self.connection, WAREHOUSE) as connection:
            schema = table.schema or _arrow_schema(connection, table.name)
            # If every range is written in this pass, all rows are read.
            is_part = len(numbers) < len(self.ranges)
            own = rows_near(connection, quote(table.name), _PLACED) if is_part else f"FROM {quote(table.name)}"
            reader = connection.sql(_with_range(own, _PLACED, numbers)).to_arrow_reader(ROWS_PER_BATCH)
            for number, rows in _by_range(reader):
                files.setdefault(number, self._file(table, number, schema)).write(rows)
        return [self._described(table, self._name(number), out) for number, out in files.items() if out.rows]

    def _file(self, table: Source, number: int, schema: pa.Schema) -> ParquetFile:
        return ParquetFile(self.building / table.name / self._name(number), schema)

    def _described(self, table: Source, name: str, out: ParquetFile) -> PublishedFile:
        out.close()
        return describe(out.path, path=f"{self.path}/{table.name}/{name}", table=table.name, rows=out.rows)


def _arrow_schema(connection: duckdb.DuckDBPyConnection, table: str) -> pa.Schema:
    return connection.sql(f"SELECT * FROM {quote(table)} LIMIT 0").to_arrow_table().schema  # noqa: S608


def _with_range(rows: str, places: str, numbers: set[int]) -> str:
    """A query for the rows in these ranges, with the number of the range as the last column."""
    listed = ", ".join(map(str, sorted(numbers)))
    return (
        f"SELECT own.*, {quote(_RANGE)} FROM ({rows}) AS own "  # noqa: S608
        f"JOIN {places} AS places USING (milestone_id) WHERE {quote(_RANGE)} IN ({listed})"
    )


def _by_range(reader: pa.RecordBatchReader) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Split batches by the number of the range, which is their last column."""
    for batch in reader:
        numbers = batch.column(batch.num_columns - 1)
        rows = batch.select(batch.schema.names[:-1])
        distinct = numbers.unique().to_pylist()
        for number in distinct:
            yield number, rows if len(distinct) == 1 else rows.filter(pc.equal(numbers, number))
