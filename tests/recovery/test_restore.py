"""A lost or damaged warehouse is restored from the published files, and a lost one is never silently replaced."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.contract import Contract
from pipelines.errors import NothingToDo, PublishedDiffers, WarehouseLost, WarehouseUnusable, WrongUse
from pipelines.recovery.restore import restore
from pipelines.sweep.stages import Stages
from pipelines.warehouse.blocks import BLOCK_BYTES, HEADER_BYTES
from schemas.tables import ABSENCES, TOUCHED
from tests.support import NOON, Shell, Shells, contents, milestone, milestone_id

pytestmark = pytest.mark.slow

STARTS = [f"{NOON + timedelta(hours=number):%Y-%m-%dT%H:%M:%SZ}" for number in range(1, 121)]
ROWS = [milestone(number, start_date=start) for number, start in enumerate(STARTS, 1)]
NOT_RESTORED = {ABSENCES.name, TOUCHED.name, "schema_version"}
"""What only the warehouse knows."""


@pytest.fixture
def shell(shells: Shells, tmp_path: Path) -> Shell:
    """Three sweeps with a reschedule, a vanished milestone and a refused record; published."""
    made = shells(tmp_path / "home", [*ROWS, milestone(999, title=7)])
    made.stages = Stages(made.home, now=made.clock, contract=Contract.parse("football_game=discard"))
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
    restored = restore(shell.home, now=NOON)
    assert restored.source == shell.home.published_duckdb
    assert tables(shell) == before
    kept = list(shell.home.warehouse.glob("warehouse-damaged-*"))
    assert kept == ([] if damage is lose else [restored.moved_to])


def test_parquet_is_used_if_the_published_file_is_damaged(shell: Shell) -> None:
    before = tables(shell)
    lose(shell.home.warehouse_file)
    flip(shell.home.published_duckdb)
    assert restore(shell.home, now=NOON).source == shell.home.latest_snapshot.resolve()
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


def test_damage_in_both_published_forms_raises(shell: Shell) -> None:
    lose(shell.home.warehouse_file)
    flip(shell.home.published_duckdb)
    flip(next(shell.home.latest_snapshot.glob("milestone_versions/*.parquet")))
    with pytest.raises(PublishedDiffers, match="milestones restore again"):
        restore(shell.home, now=NOON)
    assert not shell.home.warehouse_file.exists()


def test_an_intact_warehouse_is_not_replaced(shell: Shell) -> None:
    before = shell.home.warehouse_file.read_bytes()
    with pytest.raises(WrongUse, match="nothing to restore"):
        restore(shell.home, now=NOON)
    assert shell.home.warehouse_file.read_bytes() == before


def test_restoring_without_a_snapshot_raises(shells: Shells, tmp_path: Path) -> None:
    with pytest.raises(NothingToDo, match="restore a backup of"):
        restore(shells(tmp_path / "empty").home, now=NOON)


def test_a_sweep_reports_a_lost_warehouse(shell: Shell) -> None:
    published = shell.home.published_duckdb.read_bytes()
    lose(shell.home.warehouse_file)
    with pytest.raises(WarehouseLost, match=r"milestones restore, or start without its history .* --start-anew"):
        shell.land()
    assert not shell.home.warehouse_file.exists()
    assert shell.home.published_duckdb.read_bytes() == published


def test_a_new_warehouse_can_be_started(shell: Shell) -> None:
    lose(shell.home.warehouse_file)
    shell.land(start_anew=True)
    shell.stage()
    assert shell.stages.load().new == len(ROWS) - 1


def test_the_error_of_a_damaged_warehouse_names_restore(shell: Shell) -> None:
    overwrite(shell.home.warehouse_file)
    with pytest.raises(WarehouseUnusable, match="milestones restore"):
        shell.stages.publish()
