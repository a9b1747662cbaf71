"""Atomic, durable writes: write to a temporary path, fsync, rename, fsync the folder.

Neither pyarrow nor DuckDB syncs its files, and a kill during a write in place leaves an unreadable file.
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
"""Linux's FICLONE ioctl, which the standard library does not name; other systems reject it."""


def make_private(folder: Path) -> None:
    """Create a folder that only its owner can enter, or take the rights of others on it away, whatever the umask.

    Files in it need no mode of their own: DuckDB, SQLite and Dagster create theirs by the umask.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        # Only the owner may change the mode; another user who may write here can still run.
        with suppress(PermissionError):
            folder.chmod(0o700)


def sync(path: Path) -> None:
    """Flush a file, or the entries of a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_durably(temporary: Path, final: Path) -> None:
    """Move a finished file or folder to its final path atomically; an existing file or empty folder is replaced."""
    if not temporary.is_dir():
        sync(temporary)
    temporary.replace(final)
    sync(final.parent)


def write_durably(final: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary path next to `final`, then move the file to `final`. Removes it on failure."""
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(final.name + TEMPORARY_SUFFIX)
    try:
        write(temporary)
        replace_durably(temporary, final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def copy_file(source: Path, target: Path) -> None:
    """Copy a file as cheaply as the file system can: shared blocks, in the kernel, or read and write."""
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
def exclusive_file_lock(lock_file: Path) -> Iterator[None]:
    """Wait for the lock on a file, then hold it: for small writes that do not need the writer's lock.

    Temporary names are fixed, so two processes that write the same file at once would rename each other's.
    """
    make_private(lock_file.parent)
    with lock_file.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def replace_link(link: Path, target: str) -> None:
    """Point the symbolic link `link` to `target` atomically."""
    temporary = link.with_name(link.name + TEMPORARY_SUFFIX)
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)
    sync(link.parent)
