"""Finds the published file, identifies the publish, and opens the file for one query.

The file is opened read-only and closed after each query: a publish replaces the file, and an open connection would keep
showing the old one. During one rerun, the rows of a page may therefore come from two publishes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

HOME_VARIABLE = "MILESTONES_HOME"
DEFAULT_HOME = "data"
CATALOG = "milestones"

MAX_REOPENS = 20
"""Attempts to open the file while it is replaced; opening takes a thousandth of the time between two publishes."""

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # By default DuckDB installs extensions from its own server; none is needed here.
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    # A query that does not fit into memory fails; it must not spill into the current folder.
    "temp_directory": "",
    # Otherwise an unknown table name is looked up among the Python variables of this program.
    "python_enable_replacements": "false",
}


class Unavailable(Exception):
    """The published file cannot be read: the problem, what to do, and the command for it."""

    def __init__(self, what: str, *, advice: str, command: str) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice
        self.command = command


@dataclass(frozen=True)
class Identity:
    """Identifies a publish: each one creates a new file."""

    inode: int
    modified_ns: int


def published_file() -> Path:
    """The path of the published file, in `$MILESTONES_HOME` or `./data`."""
    return Path(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME).absolute() / "published" / "milestones.duckdb"


def identity_of(file: Path) -> Identity:
    """The current publish. Raises Unavailable if there is no file."""
    try:
        found = file.stat()
    except OSError as error:
        raise Unavailable(
            f"Nothing is published at {file} yet.",
            advice=f"Fetch the milestones once; {HOME_VARIABLE} names the folder. This page updates by itself.",
            command="milestones ingest",
        ) from error
    return Identity(found.st_ino, found.st_mtime_ns)


@contextmanager
def reading(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published file for one use: read-only, times in UTC, no access to other files.

    It is attached to a separate instance: DuckDB shares one instance per path and process, with the old file in it.
    Raises Unavailable for a file that is missing, damaged, or lacks a view that a query needs.
    """
    identity_of(file)
    connection = duckdb.connect(":memory:", config=dict(_CONFIG))
    try:
        connection.execute("SET TimeZone = 'UTC'")
        _attach(connection, file)
        connection.execute(f"USE {CATALOG}")
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        yield connection
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise Unavailable(
            f"{file} was published by another version: {_first_line(error)}",
            advice="Publish again with the version of this dashboard.",
            command="milestones rebuild",
        ) from error
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException) as error:
        raise Unavailable(
            f"{file} cannot be read: {_first_line(error)}",
            advice="Find the published file that differs from its manifest, then publish again.",
            command="milestones verify; milestones rebuild",
        ) from error
    finally:
        connection.close()


def _attach(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Attach the current file under this name, in a consistent state.

    DuckDB opens a file twice by name, for its header and for the rest. If a publish happens in between, it reads the
    header of one file and the rest of another; then the file is attached again.
    """
    literal = str(file).replace("'", "''")
    for _ in range(MAX_REOPENS):
        before, fault = identity_of(file), None
        try:
            connection.execute(f"ATTACH '{literal}' AS {CATALOG} (READ_ONLY)")
        except duckdb.Error as error:
            fault = error
        if identity_of(file) == before:
            break
        connection.execute(f"DETACH DATABASE IF EXISTS {CATALOG}")
    if fault is not None:
        raise fault


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
