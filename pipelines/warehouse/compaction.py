"""Compaction: rewrites a closed warehouse that has much free space.

The decision when to compact is in `database`; how DuckDB opens a file is in `connection`.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import duckdb

from pipelines.errors import WarehouseUnusable
from pipelines.reading.connection import CATALOG
from pipelines.storage.durable import TEMPORARY_SUFFIX, write_durably
from pipelines.storage.temporary import SPILL
from pipelines.warehouse.connection import SKIP_ROW_GROUP_MERGE, attach, explain_damage, instance
from schemas.sql import literal, quote

MAX_FREE_BYTES = 64 * 1024 * 1024

MAX_FREE_SHARE = 0.25
"""A warehouse is rewritten if its free space exceeds both limits when it is closed. The published file is a copy of it,
free space included, which readers download and every publish hashes. Polls reuse the space of the rows they replace."""

_BEFORE = "before"
"""The name under which the old file is attached while it is rewritten."""

_LOG = logging.getLogger(__name__)


def sizes(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """The bytes of the warehouse file, and how many of them are free."""
    query = "SELECT block_size * total_blocks, block_size * free_blocks FROM pragma_database_size()"
    total, free = connection.execute(f"{query} WHERE database_name = {literal(CATALOG)}").fetchall()[0]
    return total, free


def compact(path: Path, size: int) -> None:
    """Replace a closed warehouse by a copy without free space, of about `size` bytes, if the disk has space for it."""
    try:
        # The leftovers of a killed attempt may take the space that is needed.
        discard(path.with_name(path.name + TEMPORARY_SUFFIX))
        if shutil.disk_usage(path.parent).free >= 2 * size:
            rewrite(path)
    except (duckdb.Error, OSError, WarehouseUnusable) as error:
        # All data are committed; compaction would only have saved space.
        _LOG.warning("%s keeps its free space: it could not be rewritten (%s)", path, str(error).partition("\n")[0])


def rewrite(path: Path) -> None:
    """Replace a closed warehouse by a copy of all its rows. Raises WarehouseUnusable if DuckDB finds damage."""
    with explain_damage(path):
        write_durably(path, lambda fresh: _copy_rows(path, fresh))


def _copy_rows(path: Path, fresh: Path) -> None:
    """Copy everything in a warehouse into a new file."""
    discard(fresh)
    with instance(path.parent / SPILL) as connection:
        attach(connection, path, _BEFORE, read_only=True)
        attach(connection, fresh, CATALOG)
        # Copies on every core; the rows of a milestone still stay together.
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(SKIP_ROW_GROUP_MERGE)
        connection.execute(f"COPY FROM DATABASE {quote(_BEFORE)} TO {quote(CATALOG)}")
        connection.execute(f"CHECKPOINT {quote(CATALOG)}")


def discard(path: Path) -> None:
    """Remove the temporary file of a killed attempt, and its write-ahead log.

    DuckDB would open an existing file instead of creating it, and replay the log over the new contents.
    """
    for leftover in (path, path.with_name(f"{path.name}.wal")):
        leftover.unlink(missing_ok=True)
