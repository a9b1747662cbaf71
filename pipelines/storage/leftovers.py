"""What killed runs leave under temporary names: removed by the next writer, whatever its mode, before it begins.

Every temporary name is listed in `_leftovers` and `storage.temporary`. A finished file has another name.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
    remove_unpublished,
)

_STAGING = (REBUILD_STAGING, MIGRATION_STAGING, RESTORE_STAGING)

SWEEPS_SEARCHED = 20
"""The newest landed sweeps: a killed run leaves something in the newest only, and the next run removes it."""

HISTORY_SECONDS = 60 * 60
"""Age of a temporary copy of the prompt's history: a prompt holds no lock, and writes one when it ends."""


@contextmanager
def writing(home: Home, *, purpose: str) -> Iterator[None]:
    """Hold the home's lock, with what killed runs left removed. Raises WarehouseBusy, HomeUnusable."""
    with writer_lock(home, purpose=purpose):
        remove_leftovers(home)
        yield


def remove_leftovers(home: Home) -> None:
    """Remove everything under a temporary name; with the writer's lock held and nothing open. Raises HomeUnusable."""
    with removal_faults_named():
        remove_unpublished(home)
        for path in list(_leftovers(home)):
            if path.is_dir() and not path.is_symlink():
                # A worker of a killed run may still be writing, or removing its folder itself.
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


@contextmanager
def removal_faults_named() -> Iterator[None]:
    """An OSError in the block raises HomeUnusable, which names the path."""
    try:
        yield
    except OSError as error:
        raise HomeUnusable(
            f"cannot remove {error.filename} ({error.strerror}): give it to the user who runs the pipeline, "
            "or remove it by hand"
        ) from error


def stale_staging(home: Home) -> list[str]:
    """Names of staging folders that no stage will read: all but that of the newest sweep while it is not loaded."""
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


def _leftovers(home: Home) -> Iterator[Path]:
    temporary = f"*{TEMPORARY_SUFFIX}*"
    # A warehouse on the way, with its log; DuckDB's spilled rows.
    yield from home.warehouse.glob(temporary)
    yield from (home.warehouse / SPILL).glob("*")
    yield from (_staging(home) / name for name in stale_staging(home))
    yield from _staging(home).glob(temporary)
    yield from home.raw.glob(temporary)
    sweeps = sorted((entry for entry in home.raw.glob("*") if is_sweep_id(entry.name)), reverse=True)
    for rank, sweep in enumerate(sweeps[:SWEEPS_SEARCHED]):
        yield from sweep.glob(temporary)
        # Killed before it was a sweep; the newest folder carries the numbers on.
        if rank and not (sweep / SWEEP_FILE).exists() and not any(sweep.glob("*.parquet")):
            yield sweep
    # GNU readline writes the history beside itself first.
    oldest = time.time() - HISTORY_SECONDS
    for copy in home.root.glob(f"{home.sql_history.name}-*{TEMPORARY_SUFFIX}"):
        if copy.stat().st_mtime < oldest:
            yield copy


def _staging(home: Home) -> Path:
    return home.staging(REBUILD_STAGING).parent
