"""The writer's lock: a kernel lock on a file. The kernel releases it when the process ends, so it is never stale."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipelines.errors import WarehouseBusy
from pipelines.storage.durable import make_private
from pipelines.storage.home import Home

REFRESH = "refresh of"
"""Begins the purpose of a process that loads an endpoint beside milestones."""

REFRESH_SECONDS = 60.0
"""How long to wait for such a process, which fetches without the lock and then only loads and publishes."""

RETRY_SECONDS = 0.1

MOMENT_SECONDS = 1.0
"""How long to wait for any process: it may only look whether the lock is free, or not yet have said what it does."""


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


def holder(home: Home) -> str | None:
    """The process that holds the lock now, or None, also while it is only a refresh of another endpoint.

    It may change at any time: only `writer_lock` excludes others.
    """
    with inspecting(home.lock_file) as other:
        return None if other is None or REFRESH in other.description else other.description


@contextmanager
def writer_lock(home: Home, *, purpose: str, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the writer's lock. Raises WarehouseBusy, which names the holder, if another process has it.

    A refresh of another endpoint holds it for seconds: it is waited for. `wait_seconds` is how long to wait for others.
    """

    def limit(other: str) -> float:
        return REFRESH_SECONDS if REFRESH in other else max(wait_seconds, MOMENT_SECONDS)

    with _wait_for(home, home.lock_file, purpose, limit):
        yield


@contextmanager
def endpoint_lock(home: Home, endpoint: str, *, purpose: str) -> Iterator[None]:
    """Hold the lock of an endpoint. Raises WarehouseBusy if another process fetches it."""
    with _wait_for(home, home.endpoint_lock_file(endpoint), purpose, lambda _: MOMENT_SECONDS):
        yield


@contextmanager
def _wait_for(home: Home, path: Path, purpose: str, limit: Callable[[str], float]) -> Iterator[None]:
    """Hold a lock for the block. `limit` is how many seconds to wait for a process, by its description."""
    begun = time.monotonic()
    while True:
        with _try_lock(path, purpose) as other:
            if other is None:
                yield
                return
        if time.monotonic() - begun >= limit(other):
            raise WarehouseBusy(str(home.root), other)
        time.sleep(RETRY_SECONDS)


@contextmanager
def _try_lock(path: Path, purpose: str) -> Iterator[str | None]:
    """Hold a lock for the block, which gets None; or the description of the process that has it."""
    make_private(path.parent)
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
