"""Compaction: a closed warehouse that is mostly free space is written again without it."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import duckdb

from pipelines.errors import WarehouseUnusable
from pipelines.reading.connection import CATALOG
from pipelines.storage.durable import TEMPORARY_SUFFIX, write_durably
from pipelines.storage.temporary import SPILL
from pipelines.warehouse.connection import SKIP_ROW_GROUP_MERGE, attach, damage_named, instance
from schemas.sql import literal, quote

MAX_FREE_BYTES = 64 * 1024 * 1024

MAX_FREE_SHARE = 0.25
"""Of the file, once it is closed: more than both is written anew. The published file is a copy of it, holes included,
which readers fetch and every publish hashes. What polls replace they fill again."""

_BEFORE = "before"
"""As what a warehouse is attached that is written anew."""

_LOG = logging.getLogger(__name__)


def sizes(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Of the warehouse's file, and how many of them hold nothing."""
    query = "SELECT block_size * total_blocks, block_size * free_blocks FROM pragma_database_size()"
    total, free = connection.execute(f"{query} WHERE database_name = {literal(CATALOG)}").fetchall()[0]
    return total, free


def compact(path: Path, size: int) -> None:
    """Put a copy without holes, of about so many bytes, in the place of a closed warehouse, where there is room."""
    try:
        # What an attempt left that was killed may be just the room that is lacking.
        discard(path.with_name(path.name + TEMPORARY_SUFFIX))
        if shutil.disk_usage(path.parent).free >= 2 * size:
            rewrite(path)
    except (duckdb.Error, OSError, WarehouseUnusable) as error:
        # What was to be written is committed: only room would have been won.
        _LOG.warning("%s keeps its free room: it could not be written anew (%s)", path, str(error).partition("\n")[0])


def rewrite(path: Path) -> None:
    """Put a copy of all that DuckDB reads from a closed warehouse in its place. Raises WarehouseUnusable for damage."""
    with damage_named(path):
        write_durably(path, lambda fresh: _copy_rows(path, fresh))


def _copy_rows(path: Path, fresh: Path) -> None:
    """Everything in a warehouse as a new file."""
    discard(fresh)
    with instance(path.parent / SPILL) as connection:
        attach(connection, path, _BEFORE, read_only=True)
        attach(connection, fresh, CATALOG)
        # On every core; the rows of a milestone stay together.
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(SKIP_ROW_GROUP_MERGE)
        connection.execute(f"COPY FROM DATABASE {quote(_BEFORE)} TO {quote(CATALOG)}")
        connection.execute(f"CHECKPOINT {quote(CATALOG)}")


def discard(path: Path) -> None:
    """Remove what a killed attempt left under a temporary name, its write-ahead log above all.

    DuckDB would open the file instead of making it, and replay the log over whatever has been put in its place.
    """
    for left in (path, path.with_name(f"{path.name}.wal")):
        left.unlink(missing_ok=True)
