"""Removal of the temporary files that killed runs leave: each writer does it before it starts.

`leftovers` and `storage.temporary` list every temporary name. Finished files never have one.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipelines.errors import HomeUnusable
from pipelines.storage.durable import TEMPORARY_SUFFIX
from pipelines.storage.home import Home
from pipelines.storage.landing import SWEEP_FILE, Landing, is_sweep_id
from pipelines.storage.lock import writer_lock
from pipelines.storage.temporary import (
    MIGRATION_STAGING,
    REBUILD_STAGING,
    RESTORE_STAGING,
    SPILL,
    VERIFICATION,
    remove_unpublished,
)

_STAGING = (REBUILD_STAGING, MIGRATION_STAGING, RESTORE_STAGING)

SWEEPS_SEARCHED = 20
"""How many of the newest landed sweeps are searched: a killed run leaves files in the newest one only."""

STALE_SECONDS = 60 * 60
"""Age at which the temporary files of a prompt or a verification are stale: neither holds the lock."""


@contextmanager
def writer_session(home: Home, *, purpose: str, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the writer's lock and remove the leftovers of killed runs. Raises WarehouseBusy, HomeUnusable."""
    with writer_lock(home, purpose=purpose, wait_seconds=wait_seconds):
        # From now on it has what its source does not have: the next backup must not replace it.
        home.backup_marker.unlink(missing_ok=True)
        remove_leftovers(home)
        yield


def remove_leftovers(home: Home) -> None:
    """Remove every temporary file. The caller holds the writer's lock and has no file open. Raises HomeUnusable."""
    with explain_removal_errors():
        remove_unpublished(home)
        for path in list(leftovers(home)):
            if path.is_dir() and not path.is_symlink():
                # A worker of a killed run may still write to the folder, or remove it itself.
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


@contextmanager
def explain_removal_errors() -> Iterator[None]:
    """Turn an OSError of the block into HomeUnusable, which names the path."""
    try:
        yield
    except OSError as error:
        raise HomeUnusable(
            f"cannot remove {error.filename} ({error.strerror}): change its owner to the user who runs the "
            "pipeline, or remove it by hand"
        ) from error


def stale_staging(home: Home) -> list[str]:
    """Names of the staging folders that no stage will read: all but that of the newest sweep if it is not loaded."""
    staging = _staging(home)
    newest = Landing.newest(home.raw) if staging.exists() else None
    kept = newest.sweep.sweep_id if newest is not None and newest.sweep.state != "loaded" else None
    return [
        entry.name
        for entry in (staging.iterdir() if staging.exists() else ())
        if entry.name != kept
        and (is_sweep_id(entry.name) or entry.name in _STAGING)
        and entry.is_dir()
        and not entry.is_symlink()
    ]


def leftovers(home: Home) -> Iterator[Path]:
    """Every temporary file, if no run is working."""
    temporary = f"*{TEMPORARY_SUFFIX}*"
    # An incomplete warehouse with its WAL, and rows that DuckDB spilled to disk.
    yield from home.warehouse.glob(temporary)
    yield from (home.warehouse / SPILL).glob("*")
    yield from (_staging(home) / name for name in stale_staging(home))
    yield from _staging(home).glob(temporary)
    yield from home.raw.glob(temporary)
    sweeps = sorted((entry for entry in home.raw.glob("*") if is_sweep_id(entry.name)), reverse=True)
    for rank, sweep in enumerate(sweeps[:SWEEPS_SEARCHED]):
        yield from sweep.glob(temporary)
        # Killed before `sweep.json` was written. The newest folder stays: the next sweep takes its number from it.
        if rank and not (sweep / SWEEP_FILE).exists() and not any(sweep.glob("*.parquet")):
            yield sweep
    # GNU readline writes the history to a temporary file first.
    yield from _stale(home.root.glob(f"{home.sql_history.name}-*{TEMPORARY_SUFFIX}"))
    yield from _stale(home.warehouse.glob(f"{VERIFICATION}*"))


def _stale(paths: Iterable[Path]) -> Iterator[Path]:
    oldest = time.time() - STALE_SECONDS
    for path in paths:
        # Its process may remove it at any moment.
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                yield path


def _staging(home: Home) -> Path:
    return home.staging(REBUILD_STAGING).parent
