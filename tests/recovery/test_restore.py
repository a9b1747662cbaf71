"""A lost or damaged warehouse is restored from published files or landed pages, and never replaced silently."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.contract import Contract
from pipelines.errors import NothingToDo, PublishedDiffers, WarehouseLost, WarehouseUnusable, WrongUse
from pipelines.recovery.restore import Recreated, restore
from pipelines.storage.home import Home
from pipelines.storage.landing import is_sweep_id
from pipelines.storage.snapshots import snapshot_folders
from pipelines.sweep.stages import Stages
from pipelines.warehouse.blocks import BLOCK_BYTES, HEADER_BYTES
from pipelines.warehouse.version_logs import LogFault, log_faults
from schemas.tables import ABSENCES, TOUCHED
from tests.support import NOON, Shell, Shells, contents, milestone, milestone_id

pytestmark = pytest.mark.slow

STARTS = [f"{NOON + timedelta(hours=number):%Y-%m-%dT%H:%M:%SZ}" for number in range(1, 121)]
ROWS = [milestone(number, start_date=start) for number, start in enumerate(STARTS, 1)]
CONTRACT = Contract.parse("football_game=discard")
NOT_RESTORED = {ABSENCES.name, TOUCHED.name, "schema_version"}
"""What only the warehouse knows."""


@pytest.fixture
def shell(shells: Shells, tmp_path: Path) -> Shell:
    """Three sweeps with a reschedule, a vanished milestone and a refused record; published."""
    made = shells(tmp_path / "home", [*ROWS, milestone(999, title=7)])
    made.stages = Stages(made.home, now=made.clock, contract=CONTRACT)
    made.sweep()
    made.world.reschedule(milestone_id(3), NOON + timedelta(days=40))
    made.world.set_details(milestone_id(4), {"venue": "indoors", "home_team_id": None})
    made.world.remove(milestone_id(5))
    made.clock.forward(hours=1)
    made.sweep(mode="full")
    made.clock.forward(hours=1)
    made.sweep(mode="full")
    made.stages.publish()
    return made


def tables(shell: Shell) -> dict[str, str]:
    return {name: rows for name, rows in contents(shell.home.warehouse_file).items() if name not in NOT_RESTORED}


def recreate(home: Home) -> Recreated:
    restored = restore(home, now=NOON, contract=CONTRACT)
    assert restored.warehouse is not None
    return restored.warehouse


def lose(file: Path) -> None:
    file.unlink()


def cut_off(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def overwrite(file: Path) -> None:
    """All blocks but the first: some of them hold rows."""
    with file.open("r+b") as opened:
        opened.seek(HEADER_BYTES + BLOCK_BYTES)
        opened.write(bytes(file.stat().st_size - HEADER_BYTES - BLOCK_BYTES))


def flip(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        (byte,) = opened.read(1)
        opened.seek(-1, os.SEEK_CUR)
        opened.write(bytes([byte ^ 1]))


def test_the_fixture_has_history_quarantine_and_discarded_fields(shell: Shell) -> None:
    assert shell.value("SELECT count(*) FROM milestones WHERE vanished_at IS NOT NULL") == 1
    assert shell.value("SELECT count(*) FROM quarantine") > 0
    assert shell.value("SELECT count(*) FROM details_fields WHERE is_discarded AND column_name IS NULL") > 0
    assert shell.value("SELECT count(*) FROM milestone_versions") > len(ROWS)


@pytest.mark.parametrize("damage", [lose, cut_off, overwrite])
def test_a_restored_warehouse_equals_the_lost_one(shell: Shell, damage: Callable[[Path], None]) -> None:
    before = tables(shell)
    damage(shell.home.warehouse_file)
    restored = recreate(shell.home)
    assert restored.source == shell.home.published_duckdb
    assert tables(shell) == before
    kept = list(shell.home.warehouse.glob("warehouse-damaged-*"))
    assert kept == ([] if damage is lose else [restored.moved_to])


def test_parquet_is_used_if_the_published_file_is_damaged(shell: Shell) -> None:
    before = tables(shell)
    lose(shell.home.warehouse_file)
    flip(shell.home.published_duckdb)
    restored = recreate(shell.home)
    assert restored.source == shell.home.latest_snapshot.resolve()
    assert restored.unusable == [f"{shell.home.published_duckdb} is damaged"]
    assert tables(shell) == before


def test_sweeps_and_publishing_work_after_a_restore(shell: Shell) -> None:
    lose(shell.home.warehouse_file)
    restore(shell.home, now=NOON)
    shell.world.edit_title(milestone_id(7), "another title")
    shell.clock.forward(hours=1)
    ledger = shell.sweep()
    assert (ledger.mode, ledger.changed) == ("incremental", 1)
    shell.stages.publish()
    assert contents(shell.home.published_duckdb)["milestones"] == contents(shell.home.warehouse_file)["milestones"]


def test_an_older_snapshot_and_the_sweeps_after_it(shell: Shell) -> None:
    shell.world.edit_title(milestone_id(7), "another title")
    shell.sweep()
    shell.stages.publish()
    before = tables(shell)
    lose(shell.home.warehouse_file)
    flip(shell.home.published_duckdb)
    lose(next(shell.home.latest_snapshot.glob("sweeps/*.parquet")))

    restored = recreate(shell.home)

    assert restored.source == snapshot_folders(shell.home)[1]
    assert (restored.replayed.sweeps, restored.replayed.damaged_pages) == (1, [])
    # When the sweep was loaded first is not known any more.
    after = tables(shell)
    assert {name for name in before if after[name] != before[name]} == {"sweeps"}
    assert shell.value("SELECT count(*) FROM sweeps WHERE watermark IS NULL") == 0


def test_landed_pages_are_used_if_both_published_forms_are_damaged(shell: Shell) -> None:
    before = tables(shell)
    lose(shell.home.warehouse_file)
    flip(shell.home.published_duckdb)
    damaged = shell.home.published_duckdb.read_bytes()
    flip(next(shell.home.latest_snapshot.glob("milestone_versions/*.parquet")))

    restored = recreate(shell.home)

    assert restored.source is None
    assert len(restored.unusable) == 2
    assert (restored.replayed.sweeps, restored.replayed.has_full) == (3, True)
    after = tables(shell)
    assert {name for name in before if after[name] != before[name]} == {"sweeps"}
    assert restored.published_copy is not None
    assert restored.published_copy.read_bytes() == damaged
    shell.stages.publish()
    shell.clock.forward(hours=1)
    assert (ledger := shell.sweep()).mode == "incremental"
    assert (ledger.new, ledger.changed) == (0, 0)


def without_published(shell: Shell) -> Home:
    lose(shell.home.warehouse_file)
    shutil.rmtree(shell.home.published)
    return shell.home


def folders(home: Home) -> list[Path]:
    return sorted(path for path in home.raw.iterdir() if is_sweep_id(path.name))


def test_a_sweep_reports_a_lost_warehouse_of_which_only_pages_are_left(shell: Shell) -> None:
    home = without_published(shell)
    with pytest.raises(
        WarehouseLost, match=r"raw has sweeps that were loaded into one: recreate it with milestones restore"
    ):
        shell.land()
    assert not home.warehouse_file.exists()


def test_pages_that_are_left_give_what_they_saw(shell: Shell) -> None:
    """The first sweep was removed by the retention: the history begins with the second, a full sweep."""
    home = without_published(shell)
    shutil.rmtree(folders(home)[0])
    restored = recreate(home)
    assert (restored.replayed.sweeps, restored.replayed.has_full) == (2, True)
    assert restored.replayed.since == shell.value("SELECT min(started_at) FROM sweeps")
    assert shell.value("SELECT count(*) FROM milestone_versions WHERE version > 1") == 0
    assert shell.value("SELECT count(*) FROM milestones") == len(ROWS) - 1
    assert shell.value("SELECT count(*) FROM sweeps WHERE watermark IS NOT NULL") == 2


@pytest.mark.parametrize("lost", ["a page", "a sweep", "a state"])
def test_what_may_be_missing_is_fetched_again(shell: Shell, lost: str) -> None:
    """A poll after a lost page must not count as if everything before it were there."""
    shell.world.edit_title(milestone_id(7), "another title")
    shell.sweep()
    shell.world.edit_title(milestone_id(8), "a third title")
    shell.sweep()
    home = without_published(shell)
    shutil.rmtree(folders(home)[0])
    shutil.rmtree(folders(home)[1])
    poll = folders(home)[1]
    if lost == "a page":
        cut_off(poll / "page-000001.parquet")
    elif lost == "a state":
        flip(poll / "sweep.json")
    else:
        shutil.rmtree(poll)

    restored = recreate(home)

    assert restored.replayed.sweeps == (3 if lost == "a page" else 2)
    assert len(restored.replayed.damaged_pages) == (lost == "a page")
    modes = [mode for (mode,) in shell.rows("SELECT mode FROM sweeps ORDER BY sweep_id")]
    assert modes == (["full", "partial", "partial"] if lost == "a page" else ["full", "partial"])
    shell.clock.forward(hours=1)
    assert shell.sweep().mode == "incremental"
    assert shell.value(f"SELECT title FROM milestones WHERE milestone_id = '{milestone_id(7)}'") == "another title"


def test_without_a_full_sweep_the_next_one_is_full(shell: Shell) -> None:
    shell.world.edit_title(milestone_id(7), "another title")
    shell.sweep()
    home = without_published(shell)
    for folder in folders(home)[:-1]:
        shutil.rmtree(folder)
    restored = recreate(home)
    assert (restored.replayed.sweeps, restored.replayed.has_full) == (1, False)
    shell.clock.forward(hours=1)
    assert shell.sweep().mode == "full"
    assert shell.value("SELECT count(*) FROM milestones") == len(ROWS) - 1


def test_a_version_that_differs_from_its_hash_is_not_restored(shell: Shell) -> None:
    """The damage came before the publish, so that every checksum of the published files is right."""
    with shell.stages.warehouse.writing() as connection:
        connection.execute("UPDATE milestone_versions SET record = replace(record, 'Game 9\"', 'Game 8\"')")
    shell.stages.publish()
    restored = recreate(shell.home)
    assert restored.source is not None
    # The Parquet file with that version was written before the damage, and linked since.
    assert restored.source == shell.home.latest_snapshot.resolve()
    assert ["with a record that differs" in reason for reason in restored.unusable] == [True]
    assert not log_faults_of(shell)


def log_faults_of(shell: Shell) -> list[LogFault]:
    with shell.stages.warehouse.reading() as connection:
        return log_faults(connection)


def test_damage_in_both_published_forms_without_pages_raises(shell: Shell) -> None:
    lose(shell.home.warehouse_file)
    flip(shell.home.published_duckdb)
    flip(next(shell.home.latest_snapshot.glob("milestone_versions/*.parquet")))
    shutil.rmtree(shell.home.raw)
    with pytest.raises(PublishedDiffers, match="restore a backup of the home"):
        restore(shell.home, now=NOON)
    assert not shell.home.warehouse_file.exists()
    assert not list(shell.home.warehouse.glob("restore*"))


def test_an_intact_warehouse_is_not_replaced(shell: Shell) -> None:
    before = shell.home.warehouse_file.read_bytes()
    with pytest.raises(WrongUse, match="nothing to restore"):
        restore(shell.home, now=NOON)
    assert shell.home.warehouse_file.read_bytes() == before


def test_restoring_without_a_snapshot_raises(shells: Shells, tmp_path: Path) -> None:
    with pytest.raises(NothingToDo, match="restore a backup of the home, or run milestones ingest"):
        restore(shells(tmp_path / "empty").home, now=NOON)


def test_a_sweep_reports_a_lost_warehouse(shell: Shell) -> None:
    published = shell.home.published_duckdb.read_bytes()
    lose(shell.home.warehouse_file)
    with pytest.raises(WarehouseLost, match=r"milestones restore, or start without its history .* --start-anew"):
        shell.land()
    assert not shell.home.warehouse_file.exists()
    assert shell.home.published_duckdb.read_bytes() == published


def test_a_sweep_reports_a_lost_warehouse_of_which_only_snapshots_are_left(shell: Shell) -> None:
    """Retention may have removed the landed sweeps: a new warehouse would publish a history that begins today."""
    lose(shell.home.warehouse_file)
    shell.home.published_duckdb.unlink()
    shutil.rmtree(shell.home.raw)
    with pytest.raises(WarehouseLost, match=r"parquet has snapshots .*: recreate it with milestones restore"):
        shell.land()
    assert not shell.home.warehouse_file.exists()


def test_a_new_warehouse_can_be_started(shell: Shell) -> None:
    lose(shell.home.warehouse_file)
    shell.land(start_anew=True)
    shell.stage()
    assert shell.stages.load().new == len(ROWS) - 1


def test_the_error_of_a_damaged_warehouse_names_restore(shell: Shell) -> None:
    overwrite(shell.home.warehouse_file)
    with pytest.raises(WarehouseUnusable, match="milestones restore"):
        shell.stages.publish()
