"""Publishes the newest Parquet snapshot to Iceberg tables.

The unit is a published file: a small table, or a range of starts of a large one. A data file of Iceberg carries the
digest of the published file that it holds, so that a publish adds the files that are missing and drops those that are
no longer published, in one commit and one Iceberg snapshot a table. Nothing is compared row by row, and the state needs
no notes: a publish that was killed is completed by the next, and a publish of the same snapshot writes nothing.
Updating rows would cost no less, as pyiceberg rewrites every data file in which a row changes.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog import Catalog
from pyiceberg.io.pyarrow import bin_pack_record_batches, pyarrow_to_schema, write_file
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, Transaction, WriteTask

from pipelines.errors import PublishedDiffers, WrongUse
from pipelines.iceberg.columns import ColumnChanges, new_schema
from pipelines.publish.manifest import Manifest, PublishedFile, is_as_published
from pipelines.staging.files import ROWS_PER_BATCH
from pipelines.storage.home import Home
from pipelines.storage.lock import endpoint_lock
from pipelines.storage.snapshots import check_is_published
from schemas.endpoints import PUBLISHED_TABLES
from schemas.tables import MILESTONE_ID

SNAPSHOT = "milestones.snapshot"
"""The published snapshot: in the summary of every Iceberg snapshot, and in the namespace when all tables have it."""
CREATED_AT = "milestones.created-at"
MADE_BY = "milestones.made-by"
"""A property of every table that was made here; others are never changed."""

BYTES_PER_FILE = 128 * 1024 * 1024
"""Size of the rows of one data file in memory, where they are held while it is written."""

_LOCK = "iceberg"
_DATA_FILE = re.compile(r"00000-\d+-([0-9a-f-]{36})\.parquet", re.ASCII)
_KEYS = {table.name: table.key for table in PUBLISHED_TABLES}
_COMMENTS = {table.name: table.description for table in PUBLISHED_TABLES}


@dataclass(frozen=True)
class TableChange:
    """What a publish did to a table: its rows now, and the rows of the published files written, kept and dropped."""

    table: str
    rows: int
    written: int
    kept: int
    dropped: int

    @property
    def is_new_snapshot(self) -> bool:
        """Whether the table got an Iceberg snapshot."""
        return bool(self.written or self.dropped)


def publish_to_iceberg(
    home: Home, catalogue: Catalog, namespace: str, *, bytes_per_file: int = BYTES_PER_FILE
) -> tuple[str, list[TableChange]]:
    """Publish the newest snapshot of a home into a namespace; its name, and what happened to every table.

    Raises NothingToDo if nothing is published, PublishedDiffers for a damaged file, WarehouseBusy if another process
    publishes this home to Iceberg.
    """
    check_is_published(home)
    with endpoint_lock(home, _LOCK, purpose="milestones publish --iceberg"):
        folder = home.latest_snapshot.resolve()
        manifest = Manifest.read(folder)
        catalogue.create_namespace_if_not_exists(namespace)
        existing = {identifier[-1]: identifier for identifier in catalogue.list_tables(namespace)}
        changes = []
        for name, files in _files_of_tables(manifest).items():
            of_table = _TablePublisher(home, manifest, name, files, bytes_per_file)
            identifier = existing.get(name)
            table = catalogue.load_table(identifier) if identifier else of_table.create(catalogue, namespace)
            changes.append(of_table.publish(table))
        for name in sorted(existing.keys() - {change.table for change in changes}):
            changes += _empty(catalogue.load_table(existing[name]), name, manifest)
        if catalogue.load_namespace_properties(namespace).get(SNAPSHOT) != manifest.snapshot:
            catalogue.update_namespace_properties(namespace, updates={SNAPSHOT: manifest.snapshot})
    return manifest.snapshot, changes


def _files_of_tables(manifest: Manifest) -> dict[str, list[PublishedFile]]:
    files = defaultdict[str, list[PublishedFile]](list)
    for file in manifest.files:
        if file.table:
            files[file.table].append(file)
    return files


@dataclass(frozen=True)
class _TablePublisher:
    """Publishes one table of a snapshot."""

    home: Home
    manifest: Manifest
    table: str
    files: list[PublishedFile]
    bytes_per_file: int

    def create(self, catalogue: Catalog, namespace: str) -> Table:
        """Create the table in a namespace, without rows."""
        return catalogue.create_table(
            f"{namespace}.{self.table}",
            new_schema(self._columns, _KEYS.get(self.table, (MILESTONE_ID.name,))),
            properties=_properties(self.table),
        )

    def publish(self, table: Table) -> TableChange:
        """Give the table the columns and rows of the snapshot, in one commit. Raises WrongUse for a foreign table."""
        if MADE_BY not in table.properties:
            raise WrongUse(
                f"the table {'.'.join(table.name())} exists, and milestones did not make it: give another --namespace"
            )
        columns = ColumnChanges.between(table.schema(), self._columns)
        present = _data_files(table)
        files = [file for file in self.files if file.rows]
        # A stored row has no value in a column that was dropped and added with another type.
        kept = set[str]() if columns.retyped else present.keys() & set(map(_digest, files))
        missing = [file for file in files if _digest(file) not in kept]
        dropped = [file for digest, of_digest in present.items() if digest not in kept for file in of_digest]
        if columns or missing or dropped:
            with table.transaction() as transaction:
                if columns:
                    columns.apply(transaction)
                if missing or dropped:
                    self._replace(table, transaction, missing, dropped)
        rows, written = sum(file.rows for file in files), sum(file.rows for file in missing)
        return TableChange(self.table, rows, written, rows - written, sum(file.record_count for file in dropped))

    def _replace(
        self, table: Table, transaction: Transaction, missing: list[PublishedFile], dropped: list[DataFile]
    ) -> None:
        """Add the rows of published files and drop data files, in one Iceberg snapshot."""
        with transaction.update_snapshot(_summary(self.manifest)).overwrite() as overwrite:
            for data_file in dropped:
                overwrite.delete_data_file(data_file)
            for file in missing:
                for data_file in self._write(transaction, table, file):
                    overwrite.append_data_file(data_file)

    @cached_property
    def _columns(self) -> pa.Schema:
        return pq.read_schema(self._path(self.files[0]))

    def _path(self, file: PublishedFile) -> Path:
        return self.home.published / file.path

    def _write(self, transaction: Transaction, table: Table, file: PublishedFile) -> Iterator[DataFile]:
        """Write the rows of a published file as data files. Raises PublishedDiffers if it is damaged."""
        if not is_as_published(self.home, file):
            raise PublishedDiffers(
                f"{self._path(file)} differs from its manifest: run milestones ingest, which publishes it again"
            )
        metadata = transaction.table_metadata
        with pq.ParquetFile(self._path(file)) as opened:
            columns = _without_metadata(opened.schema_arrow)
            schema = pyarrow_to_schema(columns, name_mapping=metadata.schema().name_mapping)
            batches = (batch.cast(columns) for batch in opened.iter_batches(ROWS_PER_BATCH))
            for number, part in enumerate(bin_pack_record_batches(batches, self.bytes_per_file)):
                task = WriteTask(_name(file, table), number, schema, part)
                yield from write_file(table.io, metadata, iter([task]))


def _without_metadata(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(column.name, column.type, nullable=column.nullable) for column in schema])


def _properties(table: str) -> dict[str, str]:
    """The properties of a new table. Every commit writes its metadata anew, with all snapshots: few are kept."""
    properties = {
        MADE_BY: "kalshi-milestones",
        "write.metadata.delete-after-commit.enabled": "true",
        "write.metadata.previous-versions-max": "20",
    }
    return properties | ({"comment": _COMMENTS[table]} if table in _COMMENTS else {})


def _digest(file: PublishedFile) -> str:
    return file.sha256[:16]


def _name(file: PublishedFile, table: Table) -> UUID:
    """The UUID in the name of a data file: the digest of the published file, and one of the state of the table.

    A name is never used for a second time, as the rows may come back: maintenance removes files by name. A publish that
    was killed leaves files without a snapshot, and the next one overwrites them.
    """
    state = hashlib.sha256(table.metadata_location.encode()).hexdigest()
    return UUID(_digest(file) + state[:16])


def _data_files(table: Table) -> dict[str, list[DataFile]]:
    """The data files of a table by the digest of their published file; compacted files by their path."""
    found = defaultdict[str, list[DataFile]](list)
    for task in table.scan().plan_files():
        match = _DATA_FILE.search(task.file.file_path)
        found[UUID(match[1]).hex[:16] if match else task.file.file_path].append(task.file)
    return found


def _empty(table: Table, name: str, manifest: Manifest) -> list[TableChange]:
    """Drop the rows of a table that is no longer published, such as that of a type that is gone; its history stays."""
    stale = [file for files in _data_files(table).values() for file in files]
    if not stale or MADE_BY not in table.properties:
        return []
    with (
        table.transaction() as transaction,
        transaction.update_snapshot(_summary(manifest)).overwrite() as overwrite,
    ):
        for data_file in stale:
            overwrite.delete_data_file(data_file)
    return [TableChange(name, rows=0, written=0, kept=0, dropped=sum(file.record_count for file in stale))]


def _summary(manifest: Manifest) -> dict[str, str]:
    return {SNAPSHOT: manifest.snapshot, CREATED_AT: manifest.created_at.isoformat()}
