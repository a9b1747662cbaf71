"""DuckDB connections of the writer: settings, attached files, errors that say what to do.

Files are written in a storage version that DuckDB 1.2 and later read, as the published file is a copy of the warehouse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from pipelines.errors import WarehouseUnusable, is_disk_full
from pipelines.machine import cores
from pipelines.reading.connection import CATALOG, NO_EXTENSIONS
from pipelines.storage.temporary import SPILL
from schemas.sql import literal, quote

STORAGE_VERSION = "v1.2.0"

MEMORY_BYTES = 128 * 1024 * 1024
"""Memory limit of DuckDB in the writer: enough for the working set of a batch. DuckDB spills the rest to disk."""

ZSTD_FROM_LENGTH = 128
"""Columns of at least this average length in bytes are compressed with zstd. Records and details repeat the same few
keys, and shrink to a fifth. DuckDB's default is 4096; ids, titles and tickers keep its compression for short texts."""

MAX_THREADS = 2
"""Each DuckDB thread holds rows while it writes, within MEMORY_BYTES: a rebuild of 240,000 milestones ran out of memory
with 4 threads, a first load with 12. Flattening still uses every core."""

ROWS_PER_GROUP = 40_960
"""DuckDB compresses and reads a row group on one core: its default of 122,880 rows leaves the other cores idle, and a
partly filled group is compressed again when it fills. Must be a multiple of its vector size, 2,048."""

SKIP_ROW_GROUP_MERGE = "SET max_vacuum_tasks = 0"
"""Turns off row-group vacuuming for a DuckDB instance until it is closed.

For loads that delete nothing: merging would rewrite up to four row groups of each table, a second of a first load. It
must stay on where rows are replaced: every small load appends a row group to each table, of at least one block of
256 KiB, and only merging frees the space of replaced rows."""

MILESTONES_OF_MEMORY = 2_000_000
"""Up to so many milestones MEMORY_BYTES is enough. Beyond, the limit grows with them: DuckDB cannot spill every part of
its windows, joins and groups. A first sweep of 5,000,000 ran out of memory when its records were compared."""

BYTES_OF_DELETES = 256 * 1024
"""DuckDB reserves a block for the deletes of each row group until they are committed. It counts as memory and cannot be
spilled: a poll of changes all over 1,700,000 milestones ran out of memory."""

SMALL_GROUPS = 8
"""More row groups than a table has beyond its full ones: each load appends one, until DuckDB merges them."""

_DAMAGE = re.compile("Corrupt database file|Could not read enough bytes")


@contextmanager
def open_reading(path: Path, catalog: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a closed warehouse read-only as `catalog`; more files can be attached. Raises WarehouseUnusable."""
    with instance(path.parent / SPILL) as connection:
        attach(connection, path, catalog, read_only=True)
        _configure(connection, catalog)
        limit_memory(connection)
        yield connection


@contextmanager
def open_writing(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a warehouse to read and write. Raises WarehouseUnusable."""
    with instance(path.parent / SPILL) as connection:
        attach(connection, path, CATALOG)
        _configure(connection, CATALOG)
        limit_memory(connection)
        yield connection


@contextmanager
def second_connection(
    connection: duckdb.DuckDBPyConnection, catalog: str = CATALOG
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A second connection to the same DuckDB instance, for another thread. It has temporary tables of its own."""
    with connection.cursor() as second:
        _configure(second, catalog)
        yield second


def attach(connection: duckdb.DuckDBPyConnection, path: Path, catalog: str, *, read_only: bool = False) -> None:
    """Attach a warehouse file or a copy of one. Raises WarehouseUnusable."""
    options = "READ_ONLY" if read_only else f"STORAGE_VERSION '{STORAGE_VERSION}', ROW_GROUP_SIZE {ROWS_PER_GROUP}"
    try:
        connection.execute(f"ATTACH {literal(str(path))} AS {quote(catalog)} ({options})")
    except duckdb.Error as error:
        raise WarehouseUnusable(f"cannot open {path}: {str(error).splitlines()[0]} ({advice_for(error)})") from error


@contextmanager
def explain_damage(path: Path) -> Iterator[None]:
    """Turn errors of DuckDB about damage in a file into WarehouseUnusable, which says what to do."""
    try:
        yield
    except duckdb.Error as error:
        if not _DAMAGE.search(str(error)):
            raise
        raise WarehouseUnusable(f"cannot read {path}: {str(error).splitlines()[0]} ({advice_for(error)})") from error


@contextmanager
def instance(spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB instance with our settings, to attach files to; it spills to the folder `spill`."""
    connection = duckdb.connect(":memory:", config=dict(NO_EXTENSIONS))
    try:
        _set_limit(connection, MEMORY_BYTES)
        connection.execute(f"SET threads = {min(cores(), MAX_THREADS)}")
        connection.execute(f"SET zstd_min_string_length = {ZSTD_FROM_LENGTH}")
        connection.execute(f"SET temp_directory = {literal(str(spill))}")
        yield connection
    finally:
        connection.close()


def limit_memory(connection: duckdb.DuckDBPyConnection, *, arriving: int = 0, deletes: bool = False) -> None:
    """Set the memory limit of the connection's DuckDB instance from the milestones of the current database.

    `arriving`: records of the sweep that is compared or loaded. `deletes`: rows of every row group may be deleted.
    """
    _set_limit(connection, memory_bytes(connection, arriving=arriving, deletes=deletes))


def memory_bytes(connection: duckdb.DuckDBPyConnection, *, arriving: int = 0, deletes: bool = False) -> int:
    """The limit that `limit_memory` sets, in bytes."""
    stored = 0
    # The table is missing while a file is created, and in a foreign file, which is refused later.
    with suppress(duckdb.CatalogException):
        ((stored,),) = connection.execute("SELECT count(*) FROM milestones").fetchall()
    size = MEMORY_BYTES * max(stored, arriving, MILESTONES_OF_MEMORY) // MILESTONES_OF_MEMORY
    return size + _row_groups(connection) * BYTES_OF_DELETES if deletes else size


def _row_groups(connection: duckdb.DuckDBPyConnection) -> int:
    """The most row groups that the tables of the current database can have. Opens every table, which takes 8 ms."""
    ((groups,),) = connection.execute(
        "SELECT coalesce(sum(estimated_size // $rows + $small), 0) FROM duckdb_tables() "
        "WHERE database_name = current_database()",
        {"rows": ROWS_PER_GROUP, "small": SMALL_GROUPS},
    ).fetchall()
    return int(groups)


def _set_limit(connection: duckdb.DuckDBPyConnection, size: int) -> None:
    connection.execute(f"SET memory_limit = '{size}B'")


def _configure(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    """Apply the settings that hold for one connection only."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"USE {quote(catalog)}")


def advice_for(error: duckdb.Error) -> str:
    """What to do about a file that cannot be opened. An intact one must never be restored over."""
    text = str(error)
    if "lock on file" in text:
        return "stop the program that has it open, then run again"
    if is_disk_full(error):
        return "free disk space, then run again"
    if "Permission denied" in text:
        return "make it readable and writable for the user who runs the pipeline"
    return "restore it from the published files with milestones restore"
