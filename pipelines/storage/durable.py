"""Files that are there whole or not at all: temporary path, fsync, rename, fsync of the folder.

Neither pyarrow nor DuckDB syncs what it writes; killed in mid-write in place, every file would be unreadable.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TEMPORARY_SUFFIX = ".tmp"

_CLONE_FILE = 0x40049409
"""Linux's FICLONE, which the standard library does not name; other systems refuse it."""


def sync(path: Path) -> None:
    """Flush a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_durably(temporary: Path, final: Path) -> None:
    """Move a finished file or folder into place in one step, what stands there is replaced."""
    if not temporary.is_dir():
        sync(temporary)
    temporary.replace(final)
    sync(final.parent)


def write_durably(final: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file under a temporary name beside `final`, then move it into place."""
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(final.name + TEMPORARY_SUFFIX)
    try:
        write(temporary)
        replace_durably(temporary, final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def copy_file(source: Path, target: Path) -> None:
    """Copy a file by the cheapest means that the file system has: shared blocks, a copy in the kernel, or its bytes."""
    with source.open("rb") as reading, target.open("wb") as writing:
        with suppress(OSError):
            fcntl.ioctl(writing, _CLONE_FILE, reading.fileno())
            return
        if hasattr(os, "copy_file_range"):
            with suppress(OSError):
                while os.copy_file_range(reading.fileno(), writing.fileno(), 1 << 30):
                    continue
                return
    shutil.copyfile(source, target)


@contextmanager
def one_at_a_time(guard: Path) -> Iterator[None]:
    """Wait for whoever holds the file `guard`, then hold it: for what is written without the writer's lock.

    Temporary names are fixed, so two processes that write the same file at once would take it from each other.
    """
    guard.parent.mkdir(parents=True, exist_ok=True)
    with guard.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def point_durably(link: Path, target: str) -> None:
    """Make `link` a symbolic link to `target`, replacing what it pointed to in one step."""
    temporary = link.with_name(link.name + TEMPORARY_SUFFIX)
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)
    sync(link.parent)
