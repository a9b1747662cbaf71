"""DuckDB connections of the writer: settings, attached files, errors that say what to do.

Files are written in a storage version that DuckDB 1.2 and later read: the published file is a copy of the warehouse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pipelines.errors import WarehouseUnusable, is_disk_full
from pipelines.machine import cores
from pipelines.reading.connection import CATALOG, NO_EXTENSIONS
from pipelines.storage.temporary import SPILL
from schemas.sql import literal, quote

STORAGE_VERSION = "v1.2.0"

MEMORY_LIMIT = "128MiB"
"""Of the writer's DuckDB: enough for the working set of a batch; beyond it DuckDB goes to disk, below the warehouse."""

ZSTD_FROM_LENGTH = 128
"""In bytes, on average: records and details repeat the same few keys, and take a fifth of the room. DuckDB itself
begins at 4096; ids, titles and tickers stay with what it chooses for short texts."""

MAX_THREADS = 2
"""Each of DuckDB's threads holds rows while it writes, for which MEMORY_LIMIT has room: a rebuild of 240,000 milestones
failed for want of it with 4, a first load with 12. Flattening has every core all the same."""

ROWS_PER_GROUP = 40_960
"""DuckDB compresses, and reads, a group of rows on one core: its own 122,880 leave the other cores idle, and what does
not fill a group is compressed again when it does. A multiple of its vectors of 2,048."""

SKIP_ROW_GROUP_MERGE = "SET max_vacuum_tasks = 0"
"""Until it is closed, DuckDB's checkpoints drop and merge no groups of rows.

For connections that delete nothing: merging would write up to four groups of each table once more, a second of a first
load. Wherever rows are replaced it stays on: every small load appends a group to each table, of at least a block of
256 KiB, and only merging takes the room of replaced ones back."""

_DAMAGE = re.compile("Corrupt database file|Could not read enough bytes")


@contextmanager
def open_reading(path: Path, catalog: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A closed warehouse to read as `catalog`; more can be attached beside it. Raises WarehouseUnusable."""
    with instance(path.parent / SPILL) as connection:
        attach(connection, path, catalog, read_only=True)
        _settle(connection, catalog)
        yield connection


@contextmanager
def open_writing(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse to read and write. Raises WarehouseUnusable."""
    with instance(path.parent / SPILL) as connection:
        attach(connection, path, CATALOG)
        _settle(connection, CATALOG)
        yield connection


@contextmanager
def beside(connection: duckdb.DuckDBPyConnection, catalog: str = CATALOG) -> Iterator[duckdb.DuckDBPyConnection]:
    """A second connection to what one has open, for another thread; the temporary tables of each are its own."""
    with connection.cursor() as other:
        _settle(other, catalog)
        yield other


def attach(connection: duckdb.DuckDBPyConnection, path: Path, catalog: str, *, read_only: bool = False) -> None:
    """Attach a file that is a warehouse, or a copy of one. Raises WarehouseUnusable."""
    how = "READ_ONLY" if read_only else f"STORAGE_VERSION '{STORAGE_VERSION}', ROW_GROUP_SIZE {ROWS_PER_GROUP}"
    try:
        connection.execute(f"ATTACH {literal(str(path))} AS {quote(catalog)} ({how})")
    except duckdb.Error as error:
        raise WarehouseUnusable(f"cannot open {path}: {str(error).splitlines()[0]} ({_advice(error)})") from error


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Damage that is met in the middle of a file says what to do, as that of its first bytes does."""
    try:
        yield
    except duckdb.Error as error:
        if not _DAMAGE.search(str(error)):
            raise
        raise WarehouseUnusable(f"cannot read {path}: {str(error).splitlines()[0]} ({_advice(error)})") from error


@contextmanager
def instance(spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of our own settings with a database in memory, to attach files to; what does not fit goes to `spill`."""
    connection = duckdb.connect(":memory:", config=dict(NO_EXTENSIONS))
    try:
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        connection.execute(f"SET threads = {min(cores(), MAX_THREADS)}")
        connection.execute(f"SET zstd_min_string_length = {ZSTD_FROM_LENGTH}")
        connection.execute(f"SET temp_directory = {literal(str(spill))}")
        yield connection
    finally:
        connection.close()


def _settle(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    """What holds for one connection, not for all that has the file open."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"USE {quote(catalog)}")


def _advice(error: duckdb.Error) -> str:
    """What to do about a file that cannot be opened: one that is whole must not be thrown away."""
    text = str(error)
    if "lock on file" in text:
        return "end the program that has it open, then run again"
    if is_disk_full(error):
        return "make room, then run again"
    if "Permission denied" in text:
        return "give it to the user who runs the pipeline"
    return "make it again from what is published with milestones restore"
