"""The published file: where it is, which one it is, and opening it for one query.

It is opened read-only and closed again at once: a publish replaces the file, and what is held open would go on
showing the old one. The rows of a page may therefore come from two publishes for as long as a rerun takes.
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
"""Of the file while it is being opened, which takes a thousandth of the time from one publish to the next."""

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # DuckDB installs extensions from a server of its own unless told not to; nothing here needs one.
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    # A query that does not fit into memory fails: it must not spill into the folder where it was asked.
    "temp_directory": "",
    # A name that is no table would be looked up among the variables of this program.
    "python_enable_replacements": "false",
}


class Unavailable(Exception):
    """The published file cannot be asked: what is wrong, what to do, and the command that does it."""

    def __init__(self, what: str, *, advice: str, command: str) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice
        self.command = command


@dataclass(frozen=True)
class Identity:
    """Which publish a file is: every publish makes a new file."""

    inode: int
    modified_ns: int


def published_file() -> Path:
    """Below `$MILESTONES_HOME`, or `./data`."""
    return Path(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME).absolute() / "published" / "milestones.duckdb"


def identity_of(file: Path) -> Identity:
    """Which publish the file is now. Raises Unavailable where there is none."""
    try:
        found = file.stat()
    except OSError as error:
        raise Unavailable(
            f"Nothing is published at {file} yet.",
            advice=f"Fetch the milestones once; {HOME_VARIABLE} names the folder. This page goes on by itself.",
            command="milestones ingest",
        ) from error
    return Identity(found.st_ino, found.st_mtime_ns)


@contextmanager
def reading(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file for one use: read-only, times in UTC, nothing else in reach.

    Attached to an instance of its own: DuckDB shares one a process for a path, and would go on with the old file.
    Raises Unavailable for a file that is missing, damaged, or lacks a view that is asked for.
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
            advice="Publish it again with the version that this dashboard belongs to.",
            command="milestones rebuild",
        ) from error
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException) as error:
        raise Unavailable(
            f"{file} cannot be read: {_first_line(error)}",
            advice="See which published file differs from its manifest, then publish again.",
            command="milestones verify; milestones rebuild",
        ) from error
    finally:
        connection.close()


def _attach(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Attach the file that has this name, whole.

    DuckDB opens it by its name twice, for its head and then for the rest. Where another one was published between the
    two, it reads the head of one and the rest of the other: then it is done again.
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
