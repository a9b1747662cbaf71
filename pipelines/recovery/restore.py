"""Restores a lost or damaged warehouse, from what is left of it elsewhere, and sets damaged landed sweeps aside.

The sources, in this order: the published DuckDB file, the published Parquet snapshots from the newest on, and nothing.
A source is used if it is intact and every version in it has its content hash. Landed sweeps that are newer than the
source are loaded again on top; without a source, all of them. Everything but the version logs, the ledgers and the
quarantines is derived. The absences of the last full sweep are not published: a vanished milestone is detected one full
sweep later.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb

from pipelines.contract import EVOLVE, Contract
from pipelines.errors import NothingToDo, PublishedDiffers, WarehouseUnusable, WrongUse
from pipelines.publish.manifest import Manifest, PublishedFile, is_as_published
from pipelines.recovery.check_pages import damaged_sweeps, set_aside
from pipelines.recovery.check_warehouse import broken_rules, check_warehouse
from pipelines.recovery.faults import RESTORE
from pipelines.recovery.replay import Replayed, replay
from pipelines.staging.files import Staging
from pipelines.storage.durable import TEMPORARY_SUFFIX, copy_file, make_private, replace_durably
from pipelines.storage.home import Home
from pipelines.storage.snapshots import snapshot_folders
from pipelines.storage.temporary import RESTORE_STAGING
from pipelines.warehouse.blocks import read_through
from pipelines.warehouse.compaction import discard
from pipelines.warehouse.connection import open_reading
from pipelines.warehouse.database import open_warehouse
from pipelines.warehouse.rebuild import keep_discarded, rebuild
from pipelines.warehouse.statements import transaction
from pipelines.warehouse.version_logs import log_faults
from schemas.endpoints import ENDPOINT_KEPT_TABLES
from schemas.sql import literal, quote
from schemas.tables import DETAILS_FIELDS, KEPT_TABLES

_SOURCE = "source"

_READ = (*KEPT_TABLES, *ENDPOINT_KEPT_TABLES, DETAILS_FIELDS)


@dataclass(frozen=True)
class Recreated:
    """How a warehouse was recreated.

    `source` is the published file or folder, None if no published version log could be used; `unusable` says why each
    other one could not. `moved_to` is the renamed damaged warehouse, if there was one, `published_copy` a copy of a
    published DuckDB file that could not be used, as the next publish replaces it.
    """

    source: Path | None
    unusable: list[str]
    replayed: Replayed
    moved_to: Path | None
    published_copy: Path | None


@dataclass(frozen=True)
class Restored:
    """`warehouse` is None if it was intact; `set_aside` are the new folders of damaged landed sweeps."""

    warehouse: Recreated | None
    set_aside: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class _Source:
    """A published file or folder, and SQL for the rows of each table in it."""

    path: Path
    tables: Mapping[str, str]


class _Unusable(Exception):
    """A source cannot be used; `str()` says why."""


def restore(home: Home, *, now: datetime, contract: Contract = EVOLVE) -> Restored:
    """Recreate the warehouse if it is lost or damaged, and set damaged landed sweeps aside.

    The caller holds the writer's lock, and publishes afterwards. Raises WrongUse if all is intact; NothingToDo or
    PublishedDiffers if there is nothing to restore from.
    """
    damaged = [sweep for sweep in damaged_sweeps(home, now=now) if sweep.fault.command == RESTORE]
    is_sound = _is_sound(home)
    if is_sound and not damaged:
        raise WrongUse(
            f"{home.warehouse_file} is intact: there is nothing to restore; run milestones ingest, or milestones "
            "rebuild if milestones verify names other damage"
        )
    # First of all: pages that are intact count, also those of a damaged sweep.
    recreated = None if is_sound else _recreate(home, now=now, contract=contract)
    return Restored(recreated, [set_aside(home, sweep, now=now) for sweep in damaged])


def _is_sound(home: Home) -> bool:
    """Whether the warehouse is there and needs no other source. Raises WarehouseUnusable where no source would help."""
    if not home.warehouse_file.exists():
        return False
    faults = check_warehouse(home).faults
    for fault in faults:
        if not fault.command:
            raise WarehouseUnusable(fault.text)
    return all(fault.command != RESTORE for fault in faults)


def _recreate(home: Home, *, now: datetime, contract: Contract) -> Recreated:
    scratch = Home(home.warehouse / f"{RESTORE_STAGING}{TEMPORARY_SUFFIX}")
    shutil.rmtree(scratch.root, ignore_errors=True)
    make_private(scratch.warehouse)
    unusable: list[str] = []
    try:
        source = _fill_from_published(home, scratch, unusable)
        replayed = replay(home, scratch, contract=contract)
        if source is None and not replayed.sweeps:
            raise _nothing_left(home, unusable)
        published_copy = None
        if source is None and home.published_duckdb.exists():
            published_copy = home.warehouse / f"published-damaged-{now:%Y%m%dT%H%M%SZ}.duckdb"
            copy_file(home.published_duckdb, published_copy)
        moved_to = _move_away(home.warehouse_file, now)
        replace_durably(scratch.warehouse_file, home.warehouse_file)
    finally:
        shutil.rmtree(scratch.root, ignore_errors=True)
    return Recreated(source, unusable, replayed, moved_to, published_copy)


def _nothing_left(home: Home, unusable: list[str]) -> Exception:
    if unusable:
        return PublishedDiffers(
            f"no published version log can be used ({'; '.join(unusable)}) and no landed sweep is left: restore a "
            "backup of the home"
        )
    instead = f"move {home.warehouse_file} away and " if home.warehouse_file.exists() else ""
    return NothingToDo(
        f"nothing is published in {home.published} to restore from, and no landed sweep is left in {home.raw}: "
        f"restore a backup of the home, or {instead}run milestones ingest, which begins a new history"
    )


def _fill_from_published(home: Home, scratch: Home, unusable: list[str]) -> Path | None:
    """Make a warehouse from the first published source that can be used; adds to `unusable` why others cannot."""
    for find in _sources(home):
        try:
            source = find()
            _fill(scratch.warehouse_file, source)
        except (_Unusable, PublishedDiffers, WarehouseUnusable, duckdb.Error) as fault:
            unusable.append(str(fault).splitlines()[0])
            discard(scratch.warehouse_file)
        else:
            return source.path
    return None


class _DuckDBSource:
    """Finds the published DuckDB file, if all its blocks are intact."""

    def __init__(self, home: Home) -> None:
        self._file = home.published_duckdb

    def __call__(self) -> _Source:
        if not read_through(self._file)[1]:
            raise _Unusable(f"{self._file} is damaged")
        with open_reading(self._file, _SOURCE) as connection:
            rows = connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal").fetchall()
        names = {name for (name,) in rows}
        return _Source(self._file, {t.name: f"{_SOURCE}.{quote(t.name)}" for t in _READ if t.name in names})


class _ParquetSource:
    """Finds a published snapshot, if its files are intact."""

    def __init__(self, home: Home, folder: Path) -> None:
        self._home = home
        self._folder = folder

    def __call__(self) -> _Source:
        by_table: dict[str, list[PublishedFile]] = {}
        for file in Manifest.read(self._folder).files:
            by_table.setdefault(file.table or "", []).append(file)
        files = {table.name: by_table[table.name] for table in _READ if table.name in by_table}
        for file in (file for of_table in files.values() for file in of_table):
            if not is_as_published(self._home, file):
                raise _Unusable(f"{self._home.published / file.path} differs from its manifest")
        return _Source(
            self._folder,
            {
                name: f"read_parquet([{', '.join(literal(str(self._home.published / f.path)) for f in of_table)}])"
                for name, of_table in files.items()
            },
        )


def _sources(home: Home) -> Iterator[_DuckDBSource | _ParquetSource]:
    if home.published_duckdb.exists():
        yield _DuckDBSource(home)
    for folder in snapshot_folders(home):
        yield _ParquetSource(home, folder)


def _fill(path: Path, source: _Source) -> None:
    """Create a warehouse with the rows that cannot be derived, and derive the others. Raises _Unusable."""
    with open_warehouse(path) as connection:
        is_file = source.path.is_file()
        if is_file:
            connection.execute(f"ATTACH {literal(str(source.path))} AS {_SOURCE} (READ_ONLY)")
        with transaction(connection):
            for table in (*KEPT_TABLES, *ENDPOINT_KEPT_TABLES):
                if table.name in source.tables:
                    _copy(connection, table.name, table.stored_columns, source.tables[table.name])
            if rows := source.tables.get(DETAILS_FIELDS.name):
                keep_discarded(connection, rows)
        if is_file:
            connection.execute(f"DETACH {_SOURCE}")
        if faults := log_faults(connection):
            raise _Unusable(f"{source.path}: {'; '.join(map(str, faults))}")
        rebuild(connection, Staging(path.parent / "staging" / RESTORE_STAGING))
        if broken := list(broken_rules(connection)):
            raise _Unusable(f"{source.path}: {'; '.join(broken)}")


def _copy(connection: duckdb.DuckDBPyConnection, name: str, columns: tuple[str, ...], rows: str) -> None:
    """Copy a table's rows; columns that an earlier version did not publish stay NULL."""
    published = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {rows}").fetchall()}  # noqa: S608
    listed = ", ".join(quote(column) for column in columns if column in published)
    connection.execute(f"INSERT INTO {quote(name)} BY NAME SELECT {listed} FROM {rows}")  # noqa: S608


def _move_away(file: Path, now: datetime) -> Path | None:
    if not file.exists():
        return None
    target = file.with_name(f"{file.stem}-damaged-{now:%Y%m%dT%H%M%SZ}{file.suffix}")
    file.replace(target)
    for log in file.parent.glob(f"{file.name}.wal"):
        log.replace(target.with_name(f"{target.name}.wal"))
    return target
