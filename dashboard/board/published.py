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
from pipelines.errors import WarehouseUnusable
from pipelines.reading import open_reader

HOME_VARIABLE = "MILESTONES_HOME"
DEFAULT_HOME = "data"


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

    Raises Unavailable for a file that is missing, damaged, or lacks a view that a query needs.
    """
    identity_of(file)
    try:
        with open_reader(file) as connection:
            yield connection
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise Unavailable(
            f"{file} was published by another version: {_first_line(error)}",
            advice="Publish again with the version of this dashboard.",
            command="milestones rebuild",
        ) from error
    except (
        WarehouseUnusable,
        duckdb.IOException,
        duckdb.InvalidInputException,
        duckdb.SerializationException,
    ) as error:
        raise Unavailable(
            f"{file} cannot be read: {_first_line(error)}",
            advice="Find the published file that differs from its manifest, then publish again.",
            command="milestones verify; milestones rebuild",
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
