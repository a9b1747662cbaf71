"""Opening a published file to read it, with nothing else in reach. Light: needs DuckDB and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from pipelines.errors import MilestonesError, WarehouseUnusable
from pipelines.reading.answers import distinct
from pipelines.reading.query_errors import NOT_A_QUERY, QueryFailed, faults_explained
from pipelines.storage.home import Home
from schemas.sql import literal

CATALOG = "milestones"

NO_EXTENSIONS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
"""DuckDB installs extensions from a server of its own unless told not to; nothing here needs one."""

MAX_SWAPS = 20
"""Of the file while it is being opened, which takes a thousandth of the time from one publish to the next."""

_CLOSED = NO_EXTENSIONS | {
    # A query that does not fit into memory fails: it must not spill into the folder where it was asked.
    "temp_directory": "",
    # A name that is no table would be looked up among the variables of this program.
    "python_enable_replacements": "false",
}


class NothingPublished(MilestonesError):
    """There is no published file yet."""


@dataclass(frozen=True)
class QueryResult:
    """Column names and rows of a query, as DuckDB returns them to Python; times are in UTC."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    @property
    def records(self) -> list[dict[str, Any]]:
        """Rows by column name; a name that comes again is numbered: a, a_2."""
        names = distinct(self.columns)
        return [dict(zip(names, row, strict=True)) for row in self.rows]


def query(
    text: str, parameters: Mapping[str, object] | Sequence[object] | None = None, *, path: Path | str | None = None
) -> QueryResult:
    """Run one query on a published file: `path`, or that of the home folder ($MILESTONES_HOME or ./data).

    The file is opened for this call, so that each call reads the newest publish. `parameters` are the values of `$name`
    or `?` in the text. Raises NothingPublished, WarehouseUnusable (the file cannot be opened), QueryFailed.
    """
    file = Path(path) if path is not None else Home.from_environment().published_duckdb
    if not file.exists():
        raise NothingPublished(f"nothing is published at {file}: run milestones ingest first")
    with open_reader(file) as connection, faults_explained(connection):
        cursor = connection.execute(text, parameters)
        # DuckDB answers a text without a statement with None, against its types.
        if not cursor or not cursor.description:
            raise QueryFailed(NOT_A_QUERY)
        return QueryResult([column[0] for column in cursor.description], cursor.fetchall())


@contextmanager
def open_reader(path: Path | str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A published file, read-only and without access to anything else: no other files, no extensions, no settings.

    A publish replaces the file, and this connection keeps the file that it opened: open it again to read the newest.

    Attached to an instance of its own: DuckDB shares one a process for a path, and this one's settings are locked.
    Raises WarehouseUnusable.
    """
    connection = duckdb.connect(":memory:", config=dict(_CLOSED))
    try:
        connection.execute("SET TimeZone = 'UTC'")
        _attach(connection, Path(path))
        connection.execute(f"USE {CATALOG}")
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        yield connection
    finally:
        connection.close()


def _attach(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Attach the file that stands at `path`, whole. Raises WarehouseUnusable.

    DuckDB opens a file by its name twice, for its head and then for the rest. Where another was published between the
    two, it reads the head of one file and the rest of another: then it is done again.
    """
    for _ in range(MAX_SWAPS):
        before = _identity(path)
        fault = None
        try:
            connection.execute(f"ATTACH {literal(str(path))} AS {CATALOG} (READ_ONLY)")
        except duckdb.Error as error:
            fault = error
        if before == _identity(path):
            break
        connection.execute(f"DETACH DATABASE IF EXISTS {CATALOG}")
    if fault is not None:
        raise WarehouseUnusable(
            f"cannot open {path}: {' '.join(str(fault).split())[:200]} (milestones ingest publishes it again)"
        ) from fault


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is that has this name now."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
