"""Atomic writes: a reader sees the old file or the complete new one."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from pipelines.storage.durable import copy_file, exclusive_file_lock, replace_durably, replace_link, sync, write_durably


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_under_a_temporary_name_first(tmp_path: Path) -> None:
    final = tmp_path / "new" / "folders" / "file.json"
    seen: list[Path] = []

    def write(path: Path) -> None:
        seen.append(path)
        path.write_bytes(b"whole")
        assert not final.exists()

    write_durably(final, write)
    assert seen == [final.with_name("file.json.tmp")]
    assert final.read_bytes() == b"whole"
    assert names(final.parent) == ["file.json"]


def test_an_existing_file_is_replaced(tmp_path: Path) -> None:
    final = tmp_path / "file"
    final.write_bytes(b"a longer text than the new one")
    write_durably(final, lambda path: path.write_bytes(b"new"))
    assert final.read_bytes() == b"new"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize(
    "fault", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["disk full", "interrupt"]
)
def test_a_failed_write_keeps_the_old_file_and_removes_the_temporary_one(tmp_path: Path, fault: BaseException) -> None:
    final = tmp_path / "file"
    final.write_bytes(b"old")

    def write(path: Path) -> None:
        path.write_bytes(b"ha")
        raise fault

    with pytest.raises(type(fault)) as caught:
        write_durably(final, write)
    assert caught.value is fault
    assert final.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_callback_that_writes_no_file_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_durably(tmp_path / "file", lambda path: None)
    assert names(tmp_path) == []


def test_a_stale_temporary_file_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "file.tmp").write_bytes(b"incomplete")
    write_durably(tmp_path / "file", lambda path: path.write_bytes(b"whole"))
    assert (tmp_path / "file").read_bytes() == b"whole"
    assert names(tmp_path) == ["file"]


def test_a_folder_is_moved(tmp_path: Path) -> None:
    (tmp_path / "built.tmp").mkdir()
    (tmp_path / "built.tmp" / "file").write_bytes(b"1")
    replace_durably(tmp_path / "built.tmp", tmp_path / "built")
    assert names(tmp_path) == ["built"]
    assert (tmp_path / "built" / "file").read_bytes() == b"1"


def test_a_folder_does_not_replace_a_folder_with_files(tmp_path: Path) -> None:
    for name, text in (("built.tmp", b"new"), ("built", b"old")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(text)
    with pytest.raises(OSError, match="not empty"):
        replace_durably(tmp_path / "built.tmp", tmp_path / "built")
    assert (tmp_path / "built" / "file").read_bytes() == b"old"


def test_a_link_is_replaced(tmp_path: Path) -> None:
    link = tmp_path / "latest"
    for target in ("one", "two"):
        (tmp_path / target).mkdir()
        replace_link(link, target)
        assert link.is_symlink()
        assert str(link.readlink()) == target
    assert names(tmp_path) == ["latest", "one", "two"]


def test_a_stale_temporary_link_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "latest.tmp").symlink_to("nowhere")
    (tmp_path / "one").mkdir()
    replace_link(tmp_path / "latest", "one")
    assert names(tmp_path) == ["latest", "one"]


def test_sync_of_a_missing_file_raises(tmp_path: Path) -> None:
    sync(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "gone")


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 8_192], ids=["empty", "a byte", "two megabytes"])
def test_a_copy_has_the_same_bytes_and_replaces_the_target(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "source").write_bytes(content)
    (tmp_path / "target").write_bytes(b"old")
    copy_file(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == content


def test_the_file_lock_is_held_for_the_block(tmp_path: Path) -> None:
    path = tmp_path / "new" / "start"
    with exclusive_file_lock(path), path.open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
