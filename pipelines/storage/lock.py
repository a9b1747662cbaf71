"""The writer's lock: a kernel lock on a file. The kernel releases it when the process ends, so it is never stale."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.errors import WarehouseBusy
from pipelines.storage.home import Home


def holder(home: Home) -> str | None:
    """The process that holds the lock now, or None. It may change at any time: only `writer_lock` excludes others."""
    try:
        with writer_lock(home, purpose="lock check"):
            return None
    except WarehouseBusy as busy:
        return busy.holder


@contextmanager
def writer_lock(home: Home, *, purpose: str) -> Iterator[None]:
    """Hold the lock. Raises WarehouseBusy, which names the holder, if another process has it."""
    home.lock_file.parent.mkdir(parents=True, exist_ok=True)
    # The file stays open while the lock is held: closing its descriptor releases the lock.
    with home.lock_file.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise WarehouseBusy(str(home.root), file.read(200).strip() or "an unknown process") from None
        file.truncate(0)
        file.write(f"process {os.getpid()} ({purpose})")
        file.flush()
        yield
