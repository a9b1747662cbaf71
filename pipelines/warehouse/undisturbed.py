"""Copies a DuckDB file as it is at one instant, without a lock: a copy neither waits for a sweep nor delays one.

Such a copy is what a kill at that instant would have left on the disk, from which DuckDB recovers. It is one instant if
neither the file nor its write-ahead log was written to from before the copy until after it; otherwise it is repeated.
A run opens the warehouse for writing for seconds only, to load.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pipelines.errors import MilestonesError
from pipelines.storage.durable import copy_file
from pipelines.warehouse.compaction import discard

SETTLED_SECONDS = 0.1
"""Age of the last write from which on the next one has another time: file systems round times to some milliseconds."""

WAIT_SECONDS = 120.0
"""How long to repeat a disturbed copy: longer than the largest measured load writes."""

RETRY_SECONDS = 0.1

State = tuple[tuple[str, int, int, int, int], ...]


class WarehouseDisturbed(MilestonesError):
    """The warehouse was written to all the time, so it could not be copied."""

    exit_status = 75

    def __init__(self, file: Path) -> None:
        super().__init__(f"{file} is written to all the time: run again when the load has ended")


def copy_undisturbed(
    source: Path,
    target: Path,
    *,
    copy: Callable[[Path, Path], None] = copy_file,
    wait_seconds: float = WAIT_SECONDS,
) -> None:
    """Copy a DuckDB file, with its write-ahead log if there is one. Raises FileNotFoundError, WarehouseDisturbed."""
    begun = time.monotonic()
    while True:
        before = _state(source)
        if _is_settled(before):
            _copy(source, target, copy)
            if _state(source) == before:
                return
        if time.monotonic() - begun >= wait_seconds:
            discard(target)
            raise WarehouseDisturbed(source)
        time.sleep(RETRY_SECONDS)


def _copy(source: Path, target: Path, copy: Callable[[Path, Path], None]) -> None:
    discard(target)
    for file, into in ((source, target), (_log_of(source), _log_of(target))):
        try:
            copy(file, into)
        except FileNotFoundError:
            # Replaced or removed meanwhile, which the states tell, or a warehouse without a log.
            into.unlink(missing_ok=True)


def _log_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.wal")


def _state(source: Path) -> State:
    """What a write changes, of the file and its log. Raises FileNotFoundError without a file."""
    source.stat()
    found = []
    for path in sorted(source.parent.glob(f"{source.name}*")):
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue
        found.append((path.name, stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(found)


def _is_settled(state: State) -> bool:
    now = time.time()
    return all(not 0 <= now - modified / 1e9 < SETTLED_SECONDS for *_, modified in state)
