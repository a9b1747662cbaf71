"""Temporary files of a publish are removed, links among them are not followed."""

from __future__ import annotations

from pathlib import Path

from pipelines.storage.home import Home
from pipelines.storage.temporary import remove_unpublished
from tests.support import tree


def put(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x")


def test_only_temporary_files_of_a_publish_are_removed(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    put(home.published_duckdb)
    put(home.snapshots / "000001-20261123T120000Z" / "manifest.json")
    put(home.raw / "000001-20261123T120000Z" / "page-000001.parquet.tmp")
    put(home.warehouse / "warehouse.duckdb.tmp")
    before = tree(home.root)
    put(home.published / "milestones.duckdb.tmp")
    put(home.published / "milestones.duckdb.tmp.wal")
    put(home.snapshots / "000002-20261123T120000Z.tmp" / "milestones" / "part-000.parquet")
    remove_unpublished(home)
    assert tree(home.root) == before


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    put(tmp_path / "elsewhere" / "file")
    home.snapshots.mkdir(parents=True)
    (home.snapshots / "latest.tmp").symlink_to(tmp_path / "elsewhere")
    remove_unpublished(home)
    assert list(home.snapshots.iterdir()) == []
    assert (tmp_path / "elsewhere" / "file").exists()


def test_nothing_is_published(tmp_path: Path) -> None:
    remove_unpublished(Home(tmp_path / "home"))
    assert list(tmp_path.iterdir()) == []
