"""Faults that are told apart: what is for want of room, however far down it is said."""

from __future__ import annotations

import errno
from pathlib import Path

import duckdb
import pytest

from pipelines.errors import DiskFull, is_disk_full


def caused_by(cause: BaseException | None, context: BaseException | None = None) -> Exception:
    error = RuntimeError("the step failed")
    error.__cause__, error.__context__ = cause, context
    return error


def ring() -> Exception:
    error = caused_by(None)
    error.__context__ = caused_by(error)
    return error


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FULL, True),
        (OSError(errno.EDQUOT, "quota"), True),
        (OSError(errno.EFBIG, "a limit on files"), True),
        (OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"), True),
        (duckdb.IOException("IO Error: Could not write file: No space left on device"), True),
        (caused_by(FULL), True),
        (caused_by(ValueError("SQLite's"), FULL), True),
        (caused_by(caused_by(None, FULL)), True),
        (OSError(errno.EROFS, "Read-only file system"), False),
        (caused_by(ValueError("no")), False),
        (ring(), False),
    ],
    ids=[
        *("full", "quota", "limit", "in pyarrow's words", "in DuckDB's words", "cause", "context beside a cause"),
        *("deep", "read-only", "something else", "ring"),
    ],
)
def test_want_of_room(error: BaseException, expected: bool) -> None:
    assert is_disk_full(error) is expected


def test_a_full_disk_says_what_to_do() -> None:
    assert str(DiskFull(Path("/home"))) == (
        "no space is left for /home: make room, then run again; what is published is whole"
    )
