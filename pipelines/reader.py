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
        try:
            connection.execute(f"ATTACH {literal(str(path))} AS {CATALOG} (READ_ONLY)")
        except duckdb.Error as error:
            raise WarehouseUnusable(
                f"cannot open {path}: {' '.join(str(error).split())[:200]} (milestones ingest publishes it again)"
            ) from error
        connection.execute(f"USE {CATALOG}")
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        yield connection
    finally:
        connection.close()
