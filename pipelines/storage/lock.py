"""One writer: a kernel lock on a file of our own. It dies with its holder, so there is never a stale one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.errors import WarehouseBusy
from pipelines.storage.home import Home


def holder(home: Home) -> str | None:
    """Who holds the home now; None when nobody does. A snapshot: only `writer_lock` keeps others out."""
    try:
        with writer_lock(home, purpose="a look at the lock"):
            return None
    except WarehouseBusy as busy:
        return busy.holder


@contextmanager
def writer_lock(home: Home, *, purpose: str) -> Iterator[None]:
    """Hold the home against every other writer. Raises WarehouseBusy, naming the holder."""
    home.lock_file.parent.mkdir(parents=True, exist_ok=True)
    # Kept open for as long as the lock is held: closing the descriptor lets go of it.
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
