"""A lake for the tests: an SQL catalogue, compared with what a home published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.update import TableRequirement, TableUpdate

from pipelines.iceberg.catalogue import open_catalogue
from pipelines.iceberg.publish import TableChange, publish_to_iceberg
from pipelines.storage.home import Home

NAMESPACE = "milestones"


class Lake:
    """Files in a folder, and a catalogue: at `url`, or an SQLite file beside them."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.url = url or f"sqlite:///{folder}/catalog.db"
        self._warehouse = str(folder) if url else None

    @contextmanager
    def opened(self) -> Iterator[Catalog]:
        with open_catalogue(self.url, self._warehouse) as catalogue:
            yield catalogue

    def publish(self, home: Home) -> dict[str, TableChange]:
        """Publish, and check that every table has the published rows."""
        with self.opened() as catalogue:
            _, changes = publish_to_iceberg(home, catalogue, NAMESPACE)
            assert differences(home, catalogue) == {}
        return {change.table: change for change in changes}

    def rows(self, table: str, query: str, **scan: Any) -> list[tuple[Any, ...]]:
        """The result of a query of `rows`, the rows of a table."""
        with self.opened() as catalogue, duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.register("rows", load(catalogue, table).scan(**scan).to_arrow())
            return connection.execute(query).fetchall()

    def snapshots(self) -> dict[str, int]:
        """How many Iceberg snapshots every table has."""
        with self.opened() as catalogue:
            return {name: len(load(catalogue, name).snapshots()) for _, name in catalogue.list_tables(NAMESPACE)}

    def metadata(self) -> dict[str, str]:
        """The metadata file of every table, which each commit replaces."""
        with self.opened() as catalogue:
            return {name: load(catalogue, name).metadata_location for _, name in catalogue.list_tables(NAMESPACE)}


def load(catalogue: Catalog, table: str) -> Table:
    return catalogue.load_table(f"{NAMESPACE}.{table}")


def differences(home: Home, catalogue: Catalog) -> dict[str, tuple[int, int]]:
    """Tables that differ from the published file: rows that only the one has, and that only the other has."""
    found = {}
    with duckdb.connect(str(home.published_duckdb), read_only=True) as connection:
        for name in (folder.name for folder in home.latest_snapshot.iterdir() if folder.is_dir()):
            rows = load(catalogue, name).scan().to_arrow()
            connection.register("lake", rows)
            columns = ", ".join(f'"{column}"' for column in rows.column_names)
            published = f'SELECT {columns} FROM "{name}"'
            more, fewer = (
                connection.execute(f"SELECT count(*) FROM ({one} EXCEPT ALL {other})").fetchall()[0][0]
                for one, other in (("FROM lake", published), (published, "FROM lake"))
            )
            if more or fewer or len(rows.column_names) != len(connection.table(name).columns):
                found[name] = (more, fewer)
    return found


class KilledError(BaseException):
    """Stands for the end of the process."""


class KilledCatalogue(SqlCatalog):
    """A catalogue whose process ends around its commit number `at`, from 0: before it, or after it."""

    def __init__(self, lake: Lake, at: int, *, after: bool) -> None:
        super().__init__(NAMESPACE, uri=lake.url, warehouse=str(Path(lake.url.removeprefix("sqlite:///")).parent))
        self._left = at
        self._after = after

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        self._left -= 1
        if self._left >= 0:
            return super().commit_table(table, requirements, updates)
        if self._after:
            super().commit_table(table, requirements, updates)
        raise KilledError


class StaleCatalogue(SqlCatalog):
    """A catalogue in which another process publishes between the load of a table and its commit."""

    def __init__(self, lake: Lake, other: Callable[[], object]) -> None:
        super().__init__(NAMESPACE, uri=lake.url, warehouse=str(Path(lake.url.removeprefix("sqlite:///")).parent))
        self._other: Callable[[], object] | None = other

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        if self._other is not None:
            other, self._other = self._other, None
            other()
        return super().commit_table(table, requirements, updates)
