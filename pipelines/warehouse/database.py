"""The warehouse file: made whole or not at all, its schema version checked, older ones migrated.

Nothing but the writer opens it, and one run opens it for writing once: to load.
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
from pipelines.storage.temporary import MIGRATION_STAGING
from pipelines.warehouse import compaction
from pipelines.warehouse.connection import damage_named, open_reading, open_writing
from pipelines.warehouse.migrations import migrate
from schemas.tables import PRIVATE_TABLES, PUBLISHED_TABLES, SCHEMA_VERSION


class Warehouse:
    """The warehouse of a home: prepared (made, migrated) before it is first read or written."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.path = home.warehouse_file
        self._is_current = False

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The warehouse to read; temporary tables can be made beside it. Raises WarehouseUnusable."""
        self.prepare()
        with damage_named(self.path), open_reading(self.path, CATALOG) as connection:
            yield connection

    def writing(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """The warehouse to read and write. Raises WarehouseUnusable."""
        return open_warehouse(self.path)

    def prepare(self) -> None:
        """Make the warehouse where there is none, and open it once for writing where it cannot be read as it is.

        What a killed load committed is in the write-ahead log and not in the file; an older schema is migrated.
        """
        if self.path.exists() and not self.path.with_name(f"{self.path.name}.wal").exists():
            if self._is_current:
                return
            with damage_named(self.path), open_reading(self.path, CATALOG) as connection:
                self._is_current = _version(connection, self.path) >= SCHEMA_VERSION
            if self._is_current:
                return
        with open_warehouse(self.path):
            self._is_current = True

    def check_not_lost(self) -> None:
        """Raises WarehouseLost where something is published and the warehouse that it was published from is gone."""
        if not self.path.exists() and self._home.published_duckdb.exists():
            raise WarehouseLost(self.path, self._home.published_duckdb)


@contextmanager
def open_warehouse(
    path: Path, *, max_free_bytes: int = compaction.MAX_FREE_BYTES
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, read and write, made first where there is none; closed without a write-ahead log left behind.

    Where a quarter of it is free then, and more than `max_free_bytes`, it is written anew. Raises WarehouseUnusable
    for a file that is not ours, is damaged, or was written by a newer version.
    """
    if not path.exists():
        # Dying in the first writes of a new file leaves one that cannot be opened: never under its final name.
        write_durably(path, create)
    with ExitStack() as stack:
        connection = stack.enter_context(open_writing(path))
        version = _version(connection, path)
        if version < SCHEMA_VERSION:
            # Before schema 4 polls merged no row groups: to replace what is in hundreds of them takes more than
            # MEMORY_LIMIT.
            stack.close()
            compaction.compact(path, path.stat().st_size)
            connection = stack.enter_context(open_writing(path))
        with damage_named(path):
            if version < SCHEMA_VERSION:
                migrate(connection, Staging(path.parent / "staging" / MIGRATION_STAGING), version=version)
            yield connection
            connection.execute("CHECKPOINT")
        total, free = compaction.sizes(connection)
    if free > max(max_free_bytes, compaction.MAX_FREE_SHARE * total):
        compaction.compact(path, total - free)


def create(path: Path) -> None:
    """Make a new, empty warehouse of today's schema."""
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


def _version(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    try:
        version = connection.execute("SELECT max(version) FROM schema_version").fetchall()[0][0]
    except duckdb.CatalogException:
        version = None
    if not isinstance(version, int):
        raise WarehouseUnusable(f"{path} is not a milestones warehouse: give MILESTONES_HOME another folder")
    if version > SCHEMA_VERSION:
        raise WarehouseUnusable(f"{path} has schema {version}, newer than the {SCHEMA_VERSION} known here: upgrade")
    return version
