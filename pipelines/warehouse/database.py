"""The warehouse file: created atomically, its schema version checked, older schemas migrated.

Only the writer opens it, and a run opens it for writing once, to load.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import duckdb

from pipelines.errors import WarehouseLost, WarehouseUnusable
from pipelines.reading.connection import CATALOG
from pipelines.staging.files import Staging
from pipelines.storage.durable import write_durably
from pipelines.storage.home import Home
from pipelines.storage.landing import has_loaded_sweep
from pipelines.storage.snapshots import snapshot_folders
from pipelines.storage.temporary import MIGRATION_STAGING
from pipelines.warehouse import compaction
from pipelines.warehouse.connection import explain_damage, open_reading, open_writing
from pipelines.warehouse.migrations import migrate
from schemas.endpoints import PUBLISHED_TABLES
from schemas.tables import PRIVATE_TABLES, SCHEMA_VERSION


class Warehouse:
    """The warehouse of a home folder. It is created or migrated before it is first read or written."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.path = home.warehouse_file

    @contextmanager
    def reading(self, catalog: str = CATALOG) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the warehouse as `catalog` to read; temporary tables can be created. Raises WarehouseUnusable.

        A missing warehouse is created, a write-ahead log replayed, an older schema migrated. All three open it for
        writing. A killed load leaves its commit in the write-ahead log, not in the file.
        """
        if not self.path.exists() or self.path.with_name(f"{self.path.name}.wal").exists():
            self._write_nothing()
        with explain_damage(self.path), ExitStack() as stack:
            connection = stack.enter_context(open_reading(self.path, catalog))
            if version_of(connection, self.path) < SCHEMA_VERSION:
                stack.close()
                self._write_nothing()
                connection = stack.enter_context(open_reading(self.path, catalog))
            yield connection

    def writing(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Open the warehouse to read and write. Raises WarehouseUnusable."""
        return open_warehouse(self.path)

    def _write_nothing(self) -> None:
        with open_warehouse(self.path):
            pass

    def check_not_lost(self) -> None:
        """Raise WarehouseLost if the warehouse is missing, but what was published from it or loaded into it is not."""
        if self.path.exists():
            return
        if self._home.published_duckdb.exists():
            raise WarehouseLost(self.path, self._home.published_duckdb)
        if snapshot_folders(self._home):
            raise WarehouseLost(self.path, self._home.snapshots, was="has snapshots that were published from one")
        if has_loaded_sweep(self._home.raw):
            raise WarehouseLost(self.path, self._home.raw, was="has sweeps that were loaded into one")


@contextmanager
def open_warehouse(
    path: Path, *, max_free_bytes: int = compaction.MAX_FREE_BYTES
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse to read and write; creates a missing one. Closing it leaves no write-ahead log.

    It is compacted on closing if more than `max_free_bytes` and more than a quarter of it are free. Raises
    WarehouseUnusable for a file that is foreign, damaged, or written by a newer version.
    """
    if not path.exists():
        # A process killed during the first writes leaves a file that cannot be opened: use a temporary name until then.
        write_durably(path, create)
    with explain_damage(path), ExitStack() as stack:
        connection = stack.enter_context(open_writing(path))
        version = version_of(connection, path)
        if version < SCHEMA_VERSION:
            # Before schema 4, polls merged no row groups: replacing the rows in hundreds of groups takes more than
            # MEMORY_BYTES.
            stack.close()
            compaction.compact(path, path.stat().st_size)
            connection = stack.enter_context(open_writing(path))
        if version < SCHEMA_VERSION:
            migrate(connection, Staging(path.parent / "staging" / MIGRATION_STAGING), version=version)
        yield connection
        connection.execute("CHECKPOINT")
        total, free = compaction.sizes(connection)
    if free > max(max_free_bytes, compaction.MAX_FREE_SHARE * total):
        compaction.compact(path, total - free)


def create(path: Path) -> None:
    """Create an empty warehouse with the current schema."""
    compaction.discard(path)
    with open_writing(path) as connection:
        connection.execute("BEGIN")
        connection.execute(
            "CREATE TABLE schema_version (version INTEGER NOT NULL, applied_at TIMESTAMPTZ NOT NULL, name VARCHAR)"
        )
        connection.execute("INSERT INTO schema_version VALUES (?, now(), 'made')", [SCHEMA_VERSION])
        for table in (*PUBLISHED_TABLES, *PRIVATE_TABLES):
            table.create(connection.execute)
        connection.execute("COMMIT")
        connection.execute("CHECKPOINT")


def version_of(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """The schema version of a warehouse. Raises WarehouseUnusable for a foreign file and for a newer version."""
    try:
        version = connection.execute("SELECT max(version) FROM schema_version").fetchall()[0][0]
    except (duckdb.CatalogException, duckdb.BinderException):
        version = None
    if not isinstance(version, int):
        raise WarehouseUnusable(f"{path} is not a milestones warehouse: set MILESTONES_HOME to another folder")
    if version > SCHEMA_VERSION:
        raise WarehouseUnusable(
            f"{path} has schema version {version}, and this program supports up to {SCHEMA_VERSION}: "
            "upgrade the program"
        )
    return version
