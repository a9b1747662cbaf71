"""Opening a published file to read it, with nothing else in reach. Light: needs DuckDB and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pipelines.errors import WarehouseUnusable
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


@contextmanager
def open_reader(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A published file, read-only and with nothing else in reach: no other files, no extensions, no settings.

    Attached to an instance of its own: DuckDB shares one a process for a path, and this one's settings are locked.
    Raises WarehouseUnusable.
    """
    connection = duckdb.connect(":memory:", config=dict(_CLOSED))
    try:
        connection.execute("SET TimeZone = 'UTC'")
        _attach(connection, path)
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
