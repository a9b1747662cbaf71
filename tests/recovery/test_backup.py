"""A backup is a home without damage, also of a home that is being written to, and replaces nothing but a backup."""

from __future__ import annotations

import shutil
import threading
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from pipelines.errors import NothingToDo, WarehouseBusy, WarehouseLost, WarehouseUnusable, WrongUse
from pipelines.recovery.backup import Marker, backup
from pipelines.recovery.verify import verify_home
from pipelines.storage.home import Home
from pipelines.storage.landing import Landing
from pipelines.storage.leftovers import writer_session
from pipelines.storage.lock import writer_lock
from pipelines.warehouse.blocks import BLOCK_BYTES, HEADER_BYTES
from tests.support import (
    NOON,
    Shell,
    Shells,
    contents,
    milestone,
    milestone_id,
    readable_by_others,
    rows_of,
    tree,
    umask,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def shell(shells: Shells, tmp_path: Path) -> Shell:
    """Two sweeps; published twice."""
    shell = shells(tmp_path / "home", map(milestone, range(1, 21)))
    shell.home.preflight()
    shell.sweep()
    shell.stages.publish()
    shell.world.edit_title(milestone_id(3), "Moved to Tuesday")
    shell.sweep()
    shell.stages.publish()
    return shell


def at_noon() -> datetime:
    return NOON


def faults(home: Home) -> list[str]:
    return [str(fault) for checked in verify_home(home, now=NOON) for fault in checked.faults]


def marker(home: Home) -> Marker:
    return msgspec.json.decode(home.backup_marker.read_bytes(), type=Marker)


def test_a_backup_is_a_home(shell: Shell, tmp_path: Path) -> None:
    copy = Home(tmp_path / "backups" / "milestones")
    with umask(0o022):
        done = backup(shell.home, copy.root, now=at_noon)

    newest = shell.home.latest_snapshot.resolve().name
    assert (done.snapshot, done.copied_sweeps, done.left_out) == (newest, 2, [])
    assert marker(copy) == Marker(str(shell.home.root), NOON, newest)
    assert contents(copy.warehouse_file) == contents(shell.home.warehouse_file)
    assert tree(copy.raw) == tree(shell.home.raw)
    assert [folder.name for folder in copy.snapshots.iterdir() if not folder.is_symlink()] == [newest]
    assert tree(copy.latest_snapshot.resolve()) == tree(shell.home.latest_snapshot.resolve())
    assert copy.published_duckdb.read_bytes() == shell.home.published_duckdb.read_bytes()
    assert copy.published_summary.read_bytes() == shell.home.published_summary.read_bytes()
    assert not list(copy.root.rglob("*.tmp"))
    assert faults(copy) == []
    private = {f"{copy.root}/{name}" for name in ("raw", "warehouse")}
    assert not [found for found in readable_by_others(copy.root) if found.split()[0] in private]


def test_a_later_backup_replaces_it(shell: Shell, tmp_path: Path) -> None:
    copy = Home(tmp_path / "backup")
    backup(shell.home, copy.root, now=at_noon)
    shutil.rmtree(next(shell.home.raw.glob("000001-*")))
    shell.world.edit_title(milestone_id(4), "Moved to Wednesday")
    shell.sweep()
    shell.stages.publish()

    done = backup(shell.home, copy.root, now=at_noon)

    assert done.copied_sweeps == 1
    assert contents(copy.warehouse_file) == contents(shell.home.warehouse_file)
    assert tree(copy.raw) == tree(shell.home.raw)
    assert marker(copy).snapshot == done.snapshot == shell.home.latest_snapshot.resolve().name
    assert len(list(copy.snapshots.iterdir())) == 2
    assert faults(copy) == []


def test_damage_in_a_backup_is_replaced(shell: Shell, tmp_path: Path) -> None:
    copy = Home(tmp_path / "backup")
    backup(shell.home, copy.root, now=at_noon)
    for file in (
        next(copy.raw.glob("000001-*/page-*.parquet")),
        next(copy.latest_snapshot.glob("milestones/*.parquet")),
        copy.published_duckdb,
        copy.warehouse_file,
    ):
        file.write_bytes(b"damaged")
    assert len(faults(copy)) == 4

    backup(shell.home, copy.root, now=at_noon)

    assert faults(copy) == []


def test_a_backup_that_fails_leaves_the_earlier_one(shell: Shell, tmp_path: Path) -> None:
    copy = Home(tmp_path / "backup")
    backup(shell.home, copy.root, now=at_noon)
    before = tree(copy.root)
    with shell.home.warehouse_file.open("r+b") as file:
        file.seek(HEADER_BYTES + BLOCK_BYTES)
        file.write(bytes(shell.home.warehouse_file.stat().st_size - HEADER_BYTES - BLOCK_BYTES))

    with pytest.raises(WarehouseUnusable, match="milestones restore"):
        backup(shell.home, copy.root, now=at_noon)

    assert tree(copy.root) == before


def test_a_first_backup_that_failed_can_be_repeated(shell: Shell, tmp_path: Path) -> None:
    copy = Home(tmp_path / "backup")

    def stop() -> datetime:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backup(shell.home, copy.root, now=stop)
    assert marker(copy).finished_at is None
    (fault,) = faults(copy)
    assert fault.startswith(f"{copy.root} is a backup of {shell.home.root} that was not finished: run milestones")
    backup(shell.home, copy.root, now=at_noon)
    assert marker(copy).finished_at == NOON
    assert faults(copy) == []


def test_a_damaged_landed_sweep_is_left_out_and_named(shell: Shell, tmp_path: Path) -> None:
    copy = Home(tmp_path / "backup")
    folder = next(shell.home.raw.glob("000001-*"))
    (folder / "page-000001.parquet").unlink()
    done = backup(shell.home, copy.root, now=at_noon)
    assert (done.left_out, done.copied_sweeps) == ([folder], 1)
    assert faults(copy) == []


def test_sweeps_and_publishes_that_run_at_the_same_time(shell: Shell, tmp_path: Path) -> None:
    copy = Home(tmp_path / "backup")
    is_done = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        number = 0
        try:
            while not is_done.is_set():
                number += 1
                shell.world.edit_title(milestone_id(5), f"Title {number}")
                with writer_lock(shell.home, purpose="a sweep"):
                    shell.sweep()
                    shell.stages.publish()
        except BaseException as error:
            failures.append(error)
            raise

    worker = threading.Thread(target=work)
    worker.start()
    try:
        found = []
        for _ in range(3):
            backup(shell.home, copy.root, now=at_noon)
            ahead = rows_of(copy.warehouse_file, "SELECT count(*) FROM sweeps")[0][0]
            behind = rows_of(copy.published_duckdb, "SELECT count(*) FROM sweeps")[0][0]
            found.append((faults(copy), ahead >= behind))
    finally:
        is_done.set()
        worker.join()
    assert found == [([], True)] * 3
    assert not failures


def test_a_home_that_contains_the_folder_or_is_in_it(shell: Shell) -> None:
    for folder in (shell.home.root, shell.home.root / "backup", shell.home.root.parent):
        with pytest.raises(WrongUse, match="contains the other"):
            backup(shell.home, folder, now=at_noon)


def test_a_folder_with_other_things(shell: Shell, tmp_path: Path) -> None:
    (folder := tmp_path / "mine").mkdir()
    (folder / "letters.txt").write_text("dear")
    with pytest.raises(WrongUse, match="is not empty and no backup"):
        backup(shell.home, folder, now=at_noon)
    assert [path.name for path in folder.iterdir()] == ["letters.txt"]
    with pytest.raises(WrongUse, match="is not a folder"):
        backup(shell.home, folder / "letters.txt", now=at_noon)


def test_a_backup_that_was_used_as_a_home_is_not_replaced(shell: Shell, tmp_path: Path) -> None:
    copy = Home(tmp_path / "backup")
    backup(shell.home, copy.root, now=at_noon)
    with writer_lock(copy, purpose="another backup"), pytest.raises(WarehouseBusy, match="another backup"):
        backup(shell.home, copy.root, now=at_noon)
    with writer_session(copy, purpose="a run"):
        pass
    with pytest.raises(WrongUse, match="used as a home is none any more"):
        backup(shell.home, copy.root, now=at_noon)


def test_nothing_to_back_up(shell: Shell, tmp_path: Path) -> None:
    with pytest.raises(NothingToDo, match="run milestones ingest first"):
        backup(Home(tmp_path / "none"), tmp_path / "backup", now=at_noon)
    shell.home.warehouse_file.unlink()
    with pytest.raises(WarehouseLost, match="milestones restore"):
        backup(shell.home, tmp_path / "backup", now=at_noon)
    assert not (tmp_path / "backup").exists()


def test_a_sweep_that_is_landing_resumes_in_the_backup(shell: Shell, tmp_path: Path) -> None:
    landing = Landing.newest(shell.home.raw)
    assert landing is not None
    landing.sweep.state, landing.sweep.landed_at = "landing", None
    landing.save()
    copy = Home(tmp_path / "backup")
    backup(shell.home, copy.root, now=at_noon)
    copied = Landing.newest(copy.raw)
    assert copied is not None
    assert copied.sweep.is_interrupted
    assert copied.landed_pages == landing.landed_pages
