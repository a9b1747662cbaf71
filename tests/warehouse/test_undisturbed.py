"""A warehouse is copied as it is at one instant, with its write-ahead log, and without a lock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from pipelines.storage.durable import copy_file
from pipelines.warehouse.undisturbed import SETTLED_SECONDS, WarehouseDisturbed, copy_undisturbed


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that was last written long ago."""
    file = tmp_path / "warehouse.duckdb"
    file.write_bytes(b"old")
    return settled(file)


def settled(file: Path) -> Path:
    os.utime(file, (1_700_000_000, 1_700_000_000))
    return file


def disturbed_once(disturb: Callable[[], object]) -> Callable[[Path, Path], None]:
    """Copies; the first time, something happens to the source before the copy ends."""
    pending = [disturb]

    def copy(source: Path, target: Path) -> None:
        copy_file(source, target)
        if pending:
            pending.pop()()

    return copy


def test_a_file_at_rest(file: Path, tmp_path: Path) -> None:
    copy_undisturbed(file, tmp_path / "copy", wait_seconds=0)
    assert (tmp_path / "copy").read_bytes() == b"old"
    assert not (tmp_path / "copy.wal").exists()


def test_the_log_of_a_killed_load_is_copied_too(tmp_path: Path) -> None:
    file, copy = tmp_path / "warehouse.duckdb", tmp_path / "copy.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS a; CHECKPOINT; INSERT INTO t VALUES (2)")
        settled(file)
        settled(file.with_name(f"{file.name}.wal"))
        copy_undisturbed(file, copy, wait_seconds=0)
    with duckdb.connect(str(copy)) as connection:
        assert connection.execute("SELECT a FROM t ORDER BY a").fetchall() == [(1,), (2,)]


@pytest.mark.parametrize("how", ["written", "replaced", "logged"])
def test_a_copy_that_was_disturbed_is_repeated(file: Path, tmp_path: Path, how: str) -> None:
    new = tmp_path / "new"
    new.write_bytes(b"new")

    def disturb() -> None:
        if how == "written":
            file.write_bytes(b"new")
        elif how == "replaced":
            settled(new).replace(file)
        else:
            file.write_bytes(b"new")
            settled(file).with_name(f"{file.name}.wal").write_bytes(b"log")

    copy_undisturbed(file, tmp_path / "copy", copy=disturbed_once(disturb))
    assert (tmp_path / "copy").read_bytes() == b"new"
    assert (tmp_path / "copy.wal").exists() == (how == "logged")


def test_a_write_of_this_moment_is_waited_for(file: Path, tmp_path: Path) -> None:
    """The next write could have the same time."""
    file.write_bytes(b"new")
    written = time.time()
    copy_undisturbed(file, tmp_path / "copy")
    assert time.time() - written >= SETTLED_SECONDS


def test_a_warehouse_that_never_rests(file: Path, tmp_path: Path) -> None:
    def copy(source: Path, target: Path) -> None:
        copy_file(source, target)
        source.write_bytes(source.read_bytes() + b".")

    with pytest.raises(WarehouseDisturbed, match="is written to all the time: run again") as caught:
        copy_undisturbed(file, tmp_path / "copy", copy=copy, wait_seconds=0)
    assert caught.value.exit_status == 75
    assert not (tmp_path / "copy").exists()


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        copy_undisturbed(tmp_path / "none", tmp_path / "copy", wait_seconds=0)
