"""Opening the private DuckDB file: made whole or not at all, its schema version checked, its settings closed.

What replaces most of its rows leaves as much room again in it, which DuckDB keeps: it is written anew then.

Written in a storage version that DuckDB 1.2 and later read, since the published file is a copy of it.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import duckdb

from pipelines.errors import WarehouseLost, WarehouseUnusable, is_disk_full
from pipelines.machine import cores
from pipelines.reading.connection import CATALOG, NO_EXTENSIONS
from pipelines.staging.files import Staging
from pipelines.storage.durable import TEMPORARY_SUFFIX, write_durably
from pipelines.storage.home import Home
from pipelines.storage.temporary import SPILL
from pipelines.warehouse.load import LEAVE_GROUPS
from pipelines.warehouse.migrations import migrate
from schemas.sql import literal, quote
from schemas.tables import PRIVATE_TABLES, PUBLISHED_TABLES, SCHEMA_VERSION

STORAGE_VERSION = "v1.2.0"

MEMORY_LIMIT = "128MiB"
"""Of the writer's DuckDB: enough for the working set of a batch; beyond it DuckDB goes to disk, below the warehouse."""

ZSTD_FROM_LENGTH = 128
"""In bytes, on average: records and details repeat the same few keys, and take a fifth of the room. DuckDB itself
begins at 4096; ids, titles and tickers stay with what it chooses for short texts."""

MAX_THREADS = 2
"""Each of DuckDB's threads holds rows while it writes, for which MEMORY_LIMIT has room: a rebuild of 240,000 milestones
failed for want of it with 4, a first load with 12. Flattening has every core all the same."""

MAX_FREE_BYTES = 64 * 1024 * 1024
MAX_FREE_SHARE = 0.25
"""Of the file, once it is closed: more than both is written anew. The published file is a copy of it, holes included,
which readers fetch and every publish hashes. What polls replace they fill again."""

ROWS_PER_GROUP = 40_960
"""DuckDB compresses, and reads, a group of rows on one core: its own 122,880 leave the other cores idle, and what does
not fill a group is compressed again when it does. A multiple of its vectors of 2,048."""


_BEFORE = "before"
"""As what a warehouse is attached that is written anew."""

_DAMAGE = re.compile("Corrupt database file|Could not read enough bytes")

_LOG = logging.getLogger(__name__)


@contextmanager
def open_warehouse(path: Path, *, max_free_bytes: int = MAX_FREE_BYTES) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, read and write, made first where there is none; closed without a write-ahead log left behind.

    Where a quarter of it is free then, and more than `max_free_bytes`, it is written anew. Raises WarehouseUnusable
    for a file that is not ours, is damaged, or was written by a newer version.
    """
    if not path.exists():
        # Dying in the first writes of a new file leaves one that cannot be opened: never under its final name.
        write_durably(path, create)
    with ExitStack() as stack:
        connection = stack.enter_context(_attached(path))
        version = _version(connection, path)
        if version < SCHEMA_VERSION:
            # Before schema 4 polls merged no row groups: to replace what is in hundreds of them takes more than
            # MEMORY_LIMIT.
            stack.close()
            _compact(path, path.stat().st_size)
            connection = stack.enter_context(_attached(path))
        with damage_named(path):
            if version < SCHEMA_VERSION:
                migrate(connection, Staging(path.parent / "staging" / "migration"), version=version)
            yield connection
            connection.execute("CHECKPOINT")
        total, free = _bytes(connection)
    if free > max(max_free_bytes, MAX_FREE_SHARE * total):
        _compact(path, total - free)


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Damage that is met in the middle of a file says what to do, as that of its first bytes does."""
    try:
        yield
    except duckdb.Error as error:
        if not _DAMAGE.search(str(error)):
            raise
        raise WarehouseUnusable(f"cannot read {path}: {str(error).splitlines()[0]} ({_advice(error)})") from error


def _bytes(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Of the warehouse's file, and how many of them hold nothing."""
    query = "SELECT block_size * total_blocks, block_size * free_blocks FROM pragma_database_size()"
    total, free = connection.execute(f"{query} WHERE database_name = {literal(CATALOG)}").fetchall()[0]
    return total, free


def _compact(path: Path, size: int) -> None:
    """Put a copy without holes, of about so many bytes, in the place of a closed warehouse, where there is room."""
    try:
        # What an attempt left that was killed may be just the room that is lacking.
        discard(path.with_name(path.name + TEMPORARY_SUFFIX))
        if shutil.disk_usage(path.parent).free >= 2 * size:
            write_anew(path)
    except (duckdb.Error, OSError, WarehouseUnusable) as error:
        # What was to be written is committed: only room would have been won.
        _LOG.warning("%s keeps its free room: it could not be written anew (%s)", path, str(error).partition("\n")[0])


def write_anew(path: Path) -> None:
    """Put a copy of all that DuckDB reads from a closed warehouse in its place. Raises WarehouseUnusable for damage."""
    with damage_named(path):
        write_durably(path, lambda fresh: _copy_rows(path, fresh))


def _copy_rows(path: Path, fresh: Path) -> None:
    """Everything in a warehouse as a new file."""
    discard(fresh)
    with _instance(path.parent / SPILL) as connection:
        attach(connection, path, _BEFORE, read_only=True)
        attach(connection, fresh, CATALOG)
        # On every core; the rows of a milestone stay together.
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(LEAVE_GROUPS)
        connection.execute(f"COPY FROM DATABASE {quote(_BEFORE)} TO {quote(CATALOG)}")
        connection.execute(f"CHECKPOINT {quote(CATALOG)}")


def discard(path: Path) -> None:
    """Remove what a killed attempt left under a temporary name, its write-ahead log above all.

    DuckDB would open the file instead of making it, and replay the log over whatever has been put in its place.
    """
    for left in (path, path.with_name(f"{path.name}.wal")):
        left.unlink(missing_ok=True)


def check_not_lost(home: Home) -> None:
    """Raises WarehouseLost where something is published and the warehouse that it was published from is gone."""
    if not home.warehouse_file.exists() and home.published_duckdb.exists():
        raise WarehouseLost(home.warehouse_file, home.published_duckdb)


def make_readable(path: Path) -> None:
    """Open a closed warehouse once where it cannot be read, or copied, as it stands.

    What was committed by a load that was killed is in its log, and not in the file; an older schema is migrated.
    """
    if not path.with_name(f"{path.name}.wal").exists():
        with open_reading(path, CATALOG) as connection:
            if _version(connection, path) >= SCHEMA_VERSION:
                return
    with open_warehouse(path):
        pass


@contextmanager
def open_reading(path: Path, catalog: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A closed warehouse to read as `catalog`; more can be attached beside it. Raises WarehouseUnusable."""
    with _instance(path.parent / SPILL) as connection:
        attach(connection, path, catalog, read_only=True)
        _settle(connection, catalog)
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
def _attached(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with _instance(path.parent / SPILL) as connection:
        attach(connection, path, CATALOG)
        _settle(connection, CATALOG)
        yield connection


@contextmanager
def _instance(spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
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


def create(path: Path) -> None:
    """Make a new, empty warehouse of today's schema."""
    discard(path)
    with _attached(path) as connection:
        connection.execute("BEGIN")
        connection.execute(
            "CREATE TABLE schema_version (version INTEGER NOT NULL, applied_at TIMESTAMPTZ NOT NULL, name VARCHAR)"
        )
        connection.execute("INSERT INTO schema_version VALUES (?, now(), 'made')", [SCHEMA_VERSION])
        for table in (*PUBLISHED_TABLES, *PRIVATE_TABLES):
            table.create(connection.execute)
        connection.execute("COMMIT")
        connection.execute("CHECKPOINT")


def _version(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    try:
        version = connection.execute("SELECT max(version) FROM schema_version").fetchall()[0][0]
    except duckdb.Error:
        version = None
    if not isinstance(version, int):
        raise WarehouseUnusable(f"{path} is not a milestones warehouse: give MILESTONES_HOME another folder")
    if version > SCHEMA_VERSION:
        raise WarehouseUnusable(f"{path} has schema {version}, newer than the {SCHEMA_VERSION} known here: upgrade")
    return version
