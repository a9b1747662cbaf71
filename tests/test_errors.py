"""Errors: a full disk is recognised anywhere in an exception chain, and each message says what to do."""

from __future__ import annotations

import errno
from pathlib import Path

import duckdb
import pytest

from pipelines.errors import (
    DiskFull,
    MilestonesError,
    SweepDamaged,
    WarehouseBusy,
    WarehouseLost,
    WrongSetting,
    WrongUse,
    is_disk_full,
)


def caused_by(cause: BaseException | None, context: BaseException | None = None) -> Exception:
    error = RuntimeError("the step failed")
    error.__cause__, error.__context__ = cause, context
    return error


def cyclic_chain() -> Exception:
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
        (cyclic_chain(), False),
    ],
    ids=[
        *("disk", "quota", "file size limit", "pyarrow message", "DuckDB message", "cause", "context next to a cause"),
        *("cause of a cause", "read-only", "another error", "cyclic chain"),
    ],
)
def test_a_full_disk_is_recognised(error: BaseException, expected: bool) -> None:
    assert is_disk_full(error) is expected


def test_the_message_of_a_full_disk() -> None:
    assert str(DiskFull(Path("/home"))) == (
        "no space left for /home: free disk space, then run again (published files are intact)"
    )


def test_the_message_of_a_busy_warehouse() -> None:
    error = WarehouseBusy("/home", "process 7 (milestones rebuild)")
    assert str(error) == "process 7 (milestones rebuild) is writing to /home: wait until it ends, then run again"
    assert error.holder == "process 7 (milestones rebuild)"


def test_the_message_of_a_lost_warehouse() -> None:
    assert str(WarehouseLost(Path("/w.duckdb"), Path("/p.duckdb"))) == (
        "there is no warehouse at /w.duckdb, yet /p.duckdb was published from one: recreate it with "
        "milestones restore, or start without its history with milestones ingest --start-anew"
    )


def test_damage_counts_the_usable_pages() -> None:
    assert SweepDamaged("page 4 is damaged", good_pages=3).good_pages == 3
    assert SweepDamaged("sweep.json is damaged").good_pages == 0


@pytest.mark.parametrize(
    ("error", "exit_status"),
    [
        (MilestonesError("x"), 1),
        (DiskFull(Path("/home")), 1),
        (WarehouseBusy("/home", "x"), 75),
        (WrongSetting("x"), 2),
        (WrongUse("x"), 2),
    ],
    ids=["any", "full disk", "busy", "setting", "use"],
)
def test_the_exit_status(error: MilestonesError, exit_status: int) -> None:
    assert error.exit_status == exit_status
