"""Disk usage by part of the home."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.storage.disk_usage import bytes_of, files_below, sizes
from pipelines.storage.durable import replace_link
from pipelines.storage.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def put(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def test_the_size_of_each_part(home: Home) -> None:
    assert set(sizes(home).values()) == {0}
    for number, file in enumerate(
        [
            home.raw / "000001-20261123T120000Z" / "page-000001.parquet",
            home.warehouse_file,
            home.staging("000001-20261123T120000Z") / "records.parquet",
            home.published_duckdb,
            home.snapshots / "000001-20261123T120000Z" / "manifest.json",
            home.dagster / "history" / "runs.db",
        ]
    ):
        put(file, b"x" * 10**number)
    replace_link(home.latest_snapshot, "000001-20261123T120000Z")
    assert sizes(home) == {
        "raw": 1,
        "warehouse": 10,
        "staging": 100,
        "published_duckdb": 1000,
        "published_parquet": 10_000,
        "dagster": 100_000,
    }


def test_hard_links_are_counted_once(tmp_path: Path) -> None:
    put(tmp_path / "a", b"x" * 100)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    put(tmp_path / "c", b"x" * 10)
    assert bytes_of(files_below(tmp_path)) == 110


def test_symbolic_links_are_not_followed(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "file", b"x" * 5_000)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "home" / "file").symlink_to(tmp_path / "elsewhere" / "file")
    assert bytes_of(files_below(tmp_path / "home")) < 5_000


def test_an_excluded_folder_is_left_out(tmp_path: Path) -> None:
    put(tmp_path / "kept" / "file", b"x" * 3)
    put(tmp_path / "excluded" / "deep" / "file", b"x" * 50)
    assert bytes_of(files_below(tmp_path, excluded=tmp_path / "excluded")) == 3


def test_a_file_that_is_removed_meanwhile_is_not_counted(tmp_path: Path) -> None:
    for name in ("a", "b"):
        put(tmp_path / name, b"x")
    files = files_below(tmp_path)
    first = next(files)
    # The folder has been listed, and its other file is removed before it is reached.
    (other,) = (path for path in tmp_path.iterdir() if path.stat().st_ino != first.st_ino)
    other.unlink()
    assert list(files) == []
