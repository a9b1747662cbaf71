"""Files that are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.storage.durable import point_durably, replace_durably, sync, write_durably


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


def test_what_stood_there_is_replaced(tmp_path: Path) -> None:
    final = tmp_path / "file"
    final.write_bytes(b"a longer text than the new one")
    write_durably(final, lambda path: path.write_bytes(b"new"))
    assert final.read_bytes() == b"new"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize(
    "fault", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["disk full", "interrupt"]
)
def test_a_write_that_dies_leaves_the_old_file_and_nothing_else(tmp_path: Path, fault: BaseException) -> None:
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


def test_a_write_that_wrote_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_durably(tmp_path / "file", lambda path: None)
    assert names(tmp_path) == []


def test_a_leftover_under_the_temporary_name_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "file.tmp").write_bytes(b"half of an earlier attempt")
    write_durably(tmp_path / "file", lambda path: path.write_bytes(b"whole"))
    assert (tmp_path / "file").read_bytes() == b"whole"
    assert names(tmp_path) == ["file"]


def test_a_folder_moves_into_place(tmp_path: Path) -> None:
    (tmp_path / "built.tmp").mkdir()
    (tmp_path / "built.tmp" / "file").write_bytes(b"1")
    replace_durably(tmp_path / "built.tmp", tmp_path / "built")
    assert names(tmp_path) == ["built"]
    assert (tmp_path / "built" / "file").read_bytes() == b"1"


def test_a_folder_never_replaces_one_that_holds_something(tmp_path: Path) -> None:
    for name, text in (("built.tmp", b"new"), ("built", b"old")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(text)
    with pytest.raises(OSError, match="not empty"):
        replace_durably(tmp_path / "built.tmp", tmp_path / "built")
    assert (tmp_path / "built" / "file").read_bytes() == b"old"


def test_a_link_is_swapped(tmp_path: Path) -> None:
    link = tmp_path / "latest"
    for target in ("one", "two"):
        (tmp_path / target).mkdir()
        point_durably(link, target)
        assert link.is_symlink()
        assert str(link.readlink()) == target
    assert names(tmp_path) == ["latest", "one", "two"]


def test_a_link_left_by_a_killed_swap_does_not_stand_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "latest.tmp").symlink_to("nowhere")
    (tmp_path / "one").mkdir()
    point_durably(tmp_path / "latest", "one")
    assert names(tmp_path) == ["latest", "one"]


def test_syncing_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    sync(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "gone")
