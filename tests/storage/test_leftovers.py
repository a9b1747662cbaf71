"""The next writer removes the temporary files of killed runs, and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pipelines.errors import HomeUnusable, WarehouseBusy
from pipelines.storage.home import Home
from pipelines.storage.landing import Filters, Landing, Mode
from pipelines.storage.leftovers import STALE_SECONDS, remove_leftovers, writer_session
from pipelines.storage.lock import writer_lock
from tests.support import NOON, tree

LEFTOVERS = [
    "warehouse/warehouse.duckdb.tmp",
    "warehouse/warehouse.duckdb.tmp.wal",
    "warehouse/spill/duckdb_temp_storage_DEFAULT-0.tmp",
    "warehouse/staging/rebuild/milestones.parquet",
    "warehouse/staging/migration/milestones.parquet",
    "warehouse/staging/000001-20261123T120000Z/records.parquet",
    "warehouse/staging/000009-20261123T120000Z.pruned.tmp/records.parquet",
    "raw/000001-20261123T120000Z/page-000001.parquet.tmp",
    "raw/000002-20261123T120000Z/sweep.json.tmp",
    "raw/000009-20261123T120000Z.pruned.tmp/page-000001.parquet",
    "published/milestones.duckdb.tmp",
    "published/milestones.duckdb.tmp.wal",
    "published/parquet/000003-20261123T120000Z.tmp/manifest.json",
    "published/parquet/latest.tmp",
]
"""Every temporary name that the project makes below its home."""

KEPT = [
    "warehouse/warehouse.duckdb",
    "warehouse/warehouse.duckdb.wal",
    "warehouse/lock",
    "warehouse/staging/000002-20261123T120000Z/records.parquet",
    "warehouse/staging/notes/file",
    "raw/000001-20261123T120000Z/page-000001.parquet",
    "published/milestones.duckdb",
    "published/parquet/000002-20261123T120000Z/manifest.json",
    "dagster/history/runs.db",
    "sql_history",
]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with two sweeps; the newer one was killed before it was loaded."""
    home = Home(tmp_path)
    for mode in ("full", "retry"):
        begin_sweep(home, mode)
    return home


def begin_sweep(home: Home, mode: Mode) -> Landing:
    return Landing.begin(home.raw, mode=mode, filters=Filters(), ids=[], now=NOON)


def put(home: Home, *names: str) -> None:
    for name in names:
        (home.root / name).parent.mkdir(parents=True, exist_ok=True)
        (home.root / name).write_bytes(b"left")


def test_every_temporary_file_is_removed_and_nothing_else(home: Home) -> None:
    put(home, *KEPT)
    before = tree(home.root)
    put(home, *LEFTOVERS)
    with writer_session(home, purpose="a test"):
        assert {name: content for name, content in tree(home.root).items() if name != "warehouse/lock"} == {
            name: content for name, content in before.items() if name != "warehouse/lock"
        }
        for name in LEFTOVERS:
            assert not (home.root / name).exists()


def test_a_missing_home_is_not_created(tmp_path: Path) -> None:
    remove_leftovers(Home(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_staging_is_removed_once_a_newer_sweep_exists(home: Home) -> None:
    """A killed retry is never resumed: the next run starts a new sweep."""
    put(home, "warehouse/staging/000002-20261123T120000Z/records.parquet")
    remove_leftovers(home)
    assert home.staging("000002-20261123T120000Z").exists()
    begin_sweep(home, "incremental")
    remove_leftovers(home)
    assert not home.staging("000002-20261123T120000Z").exists()


def test_a_folder_without_a_sweep_file_is_removed_once_a_newer_sweep_exists(home: Home) -> None:
    empty = home.raw / "000003-20261123T120000Z"
    empty.mkdir()
    with_pages = home.raw / "000000-20261123T120000Z"
    put(home, f"raw/{with_pages.name}/page-000001.parquet")
    remove_leftovers(home)
    assert empty.exists()
    assert begin_sweep(home, "full").sweep.sweep_id.startswith("000004-")
    remove_leftovers(home)
    assert not empty.exists()
    assert with_pages.exists()


def test_a_stale_copy_of_the_prompts_history_is_removed(home: Home) -> None:
    put(home, "sql_history-00012.tmp", "sql_history-00013.tmp")
    old = time.time() - STALE_SECONDS - 60
    os.utime(home.root / "sql_history-00012.tmp", (old, old))
    remove_leftovers(home)
    assert [path.name for path in home.root.glob("sql_history-*")] == ["sql_history-00013.tmp"]


def test_the_folder_of_a_killed_verification_is_removed(home: Home) -> None:
    put(home, "warehouse/verification-12/warehouse.duckdb", "warehouse/verification-13/warehouse.duckdb")
    old = time.time() - STALE_SECONDS - 60
    os.utime(home.warehouse / "verification-12", (old, old))
    remove_leftovers(home)
    assert [path.name for path in home.warehouse.glob("verification-*")] == ["verification-13"]


def test_a_home_that_is_written_to_is_no_backup(home: Home) -> None:
    put(home, "backup.json")
    with writer_session(home, purpose="a test"):
        assert not home.backup_marker.exists()


def test_nothing_is_removed_while_another_process_holds_the_lock(home: Home) -> None:
    put(home, *LEFTOVERS)
    before = tree(home.raw)
    with (
        writer_lock(home, purpose="the other run"),
        pytest.raises(WarehouseBusy),
        writer_session(home, purpose="a test"),
    ):
        pass
    assert tree(home.raw) == before


def test_links_are_removed_and_not_followed(home: Home, tmp_path: Path) -> None:
    put(home, "elsewhere/file")
    (home.warehouse / "staging").mkdir(parents=True)
    (home.warehouse / "x.tmp").symlink_to(tmp_path / "elsewhere")
    remove_leftovers(home)
    assert (tmp_path / "elsewhere" / "file").exists()
    assert not (home.warehouse / "x.tmp").is_symlink()


def test_the_error_names_the_path_that_cannot_be_removed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    put(home, "raw/000002-20261123T120000Z/sweep.json.tmp")

    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(
        HomeUnusable,
        match=r"cannot remove .*sweep\.json\.tmp \(Permission denied\): change its owner",
    ):
        remove_leftovers(home)
