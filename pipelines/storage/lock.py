"""The writer's lock: a kernel lock on a file. The kernel releases it when the process ends, so it is never stale."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipelines.errors import WarehouseBusy
from pipelines.storage.home import Home

REFRESH = "refresh of"
"""Begins the purpose of a process that loads an endpoint beside milestones."""

REFRESH_SECONDS = 60.0
"""How long to wait for such a process, which fetches without the lock and then only loads and publishes."""

RETRY_SECONDS = 0.1

MOMENT_SECONDS = 1.0
"""How long to wait for any process: it may only look whether the lock is free, or not yet have said what it does."""


def holder(home: Home) -> str | None:
    """The process that holds the lock now, or None, also while it is only a refresh of another endpoint.

    It may change at any time: only `writer_lock` excludes others.
    """
    with _try_lock(home.lock_file, "lock check") as other:
        return None if other is None or REFRESH in other else other


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock, and when it took it."""

    description: str
    since: datetime


@contextmanager
def inspecting(lock_file: Path) -> Iterator[Holder | None]:
    """The process that holds a lock, None if it is free; nobody takes it during the block. Writes nothing.

    A process that wants the lock meanwhile waits for MOMENT_SECONDS, so the block must be short.
    """
    try:
        file = lock_file.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            description = file.read(200).decode("utf-8", "replace").strip() or "an unknown process"
            yield Holder(description, datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC))
        else:
            yield None


@contextmanager
def writer_lock(home: Home, *, purpose: str, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the writer's lock. Raises WarehouseBusy, which names the holder, if another process has it.

    A refresh of another endpoint holds it for seconds: it is waited for. `wait_seconds` is how long to wait for others.
    """
    begun = time.monotonic()
    while True:
        with _try_lock(home.lock_file, purpose) as other:
            if other is None:
                yield
                return
        limit = REFRESH_SECONDS if REFRESH in other else max(wait_seconds, MOMENT_SECONDS)
        if time.monotonic() - begun >= limit:
            raise WarehouseBusy(str(home.root), other)
        time.sleep(RETRY_SECONDS)


@contextmanager
def endpoint_lock(home: Home, endpoint: str, *, purpose: str) -> Iterator[None]:
    """Hold the lock of an endpoint. Raises WarehouseBusy if another process fetches it."""
    with _try_lock(home.endpoint_lock_file(endpoint), purpose) as other:
        if other is not None:
            raise WarehouseBusy(str(home.root), other)
        yield


@contextmanager
def _try_lock(path: Path, purpose: str) -> Iterator[str | None]:
    """Hold a lock for the block, which gets None; or the description of the process that has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The file stays open while the lock is held: closing its descriptor releases the lock.
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            other = file.read(200).strip() or "an unknown process"
        else:
            file.truncate(0)
            file.write(f"process {os.getpid()} ({purpose})")
            file.flush()
            yield None
            return
    yield other
