"""Read-only, sandboxed connections to a published file. Imports DuckDB only, so that it loads fast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from pipelines.errors import MilestonesError, WarehouseUnusable
from pipelines.reading.query_errors import NOT_A_QUERY, QueryFailed, explain_errors
from pipelines.reading.results import unique_names
from pipelines.storage.home import Home
from schemas.sql import literal

CATALOG = "milestones"

Settings = dict[str, str | bool | int | float | list[str]]

NO_EXTENSIONS: Settings = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
"""DuckDB installs extensions from its server by default; no query here needs one."""

MAX_SWAPS = 20
"""How often the file may be replaced while it is opened. Opening is about 1,000 times faster than a publish."""

_CLOSED = NO_EXTENSIONS | {
    # A query that exceeds the memory fails: it must not spill into the current folder.
    "temp_directory": "",
    # DuckDB would look up an unknown table name among the Python variables of the caller.
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
        """Rows by column name; a repeated name gets a number (a, a_2)."""
        names = unique_names(self.columns)
        return [dict(zip(names, row, strict=True)) for row in self.rows]


def query(
    text: str, parameters: Mapping[str, object] | Sequence[object] | None = None, *, path: Path | str | None = None
) -> QueryResult:
    """Run one query on a published file: `path`, or the one in the home folder ($MILESTONES_HOME or ./data).

    The file is opened for this call, so that each call reads the newest publish. `parameters` are the values of `$name`
    or `?` in the text. Raises NothingPublished, WarehouseUnusable (the file cannot be opened), QueryFailed.
    """
    file = Path(path) if path is not None else Home.from_environment().published_duckdb
    if not file.exists():
        raise NothingPublished(f"nothing is published at {file}: run milestones ingest first")
    with open_reader(file) as connection:
        return run_query(connection, text, parameters)


def run_query(
    connection: duckdb.DuckDBPyConnection,
    text: str,
    parameters: Mapping[str, object] | Sequence[object] | None = None,
) -> QueryResult:
    """Run one query. Raises QueryFailed with a hint."""
    with explain_errors(connection):
        cursor = connection.execute(text, parameters)
        # For a text without a statement DuckDB returns None, although its type says otherwise.
        if not cursor or not cursor.description:
            raise QueryFailed(NOT_A_QUERY)
        return QueryResult([column[0] for column in cursor.description], cursor.fetchall())


@contextmanager
def open_reader(path: Path | str, *, limits: Settings | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a published file read-only, without access to other files, extensions or settings. Raises WarehouseUnusable.

    `limits` are DuckDB's settings memory_limit and threads; its defaults are 80 % of the memory and every core.

    The connection keeps the file that it opened, even after a publish replaced it: open again to read the newest one.
    The file is attached to a separate in-memory instance: DuckDB shares one instance per path within a process, and the
    settings of this one are locked.
    """
    connection = duckdb.connect(":memory:", config=(limits or {}) | _CLOSED)
    try:
        # Global, so that it holds for cursors of this connection too: they are sessions of their own.
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        _attach(connection, Path(path))
        connection.execute(f"USE {CATALOG}")
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        yield connection
    finally:
        connection.close()


def _attach(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Attach the file at `path`. Raises WarehouseUnusable.

    DuckDB opens a file twice by name, for its header and for the rest. If a publish replaces the file in between, it
    would mix two files, so the attach is repeated.
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
        text = " ".join(str(fault).split())
        raise WarehouseUnusable(f"cannot open {path}: {text[:200]} ({advice_for(text)})") from fault


def advice_for(fault: str) -> str:
    """What to do about a published file that cannot be opened, from DuckDB's message."""
    if "Permission denied" in fault:
        return "make it readable for this user"
    return "milestones ingest publishes it again"


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file that has this name now; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
