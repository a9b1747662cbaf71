"""The previous snapshot: when the next publish can reuse its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.publish.previous_snapshot import WAREHOUSE, PreviousSnapshot, latest_manifest
from pipelines.warehouse.connection import open_reading
from tests.support import Shell, Shells, milestone, milestone_id

pytestmark = pytest.mark.slow


@pytest.fixture
def shell(shells: Shells, tmp_path: Path) -> Shell:
    shell = shells(tmp_path / "home", [milestone(number) for number in range(1, 8)])
    shell.sweep(mode="full")
    shell.stages.publish()
    return shell


def find(shell: Shell) -> PreviousSnapshot | None:
    with open_reading(shell.home.warehouse_file, WAREHOUSE) as connection:
        return PreviousSnapshot.find(shell.home, latest_manifest(shell.home), connection)


def test_nothing_is_touched_right_after_a_publish(shell: Shell) -> None:
    previous = find(shell)
    assert previous is not None
    assert previous.folder == shell.home.latest_snapshot.resolve()
    assert (previous.touched.milestones, previous.touched_typed_tables) == (0, frozenset())
    assert [file.rows for file in previous.files("milestones").values()] == [7]
    assert previous.may_outgrow(6)
    assert not previous.may_outgrow(7)


def test_a_changed_milestone_and_its_typed_table_are_touched(shell: Shell) -> None:
    shell.clock.forward(minutes=5)
    shell.world.edit_title(milestone_id(3), "Renamed")
    shell.sweep(mode="incremental")
    previous = find(shell)
    assert previous is not None
    assert previous.touched.milestones == 1
    assert previous.touched_typed_tables == {"details_football_game"}
    # Seven versions, and the touched milestone has a new one or came from another range.
    assert previous.may_outgrow(7)
    assert not previous.may_outgrow(8)


def test_a_rebuilt_warehouse_reuses_nothing(shell: Shell) -> None:
    shell.stages.rebuild()
    assert find(shell) is None


@pytest.mark.parametrize("damage", ["manifest", "table", "no snapshot"])
def test_a_damaged_snapshot_is_not_reused(shell: Shell, damage: str) -> None:
    assert latest_manifest(shell.home) is not None
    folder = shell.home.latest_snapshot.resolve()
    if damage == "no snapshot":
        shell.home.latest_snapshot.unlink()
    else:
        file = folder / "manifest.json" if damage == "manifest" else next((folder / "milestones").rglob("*.parquet"))
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.unlink()
        file.write_bytes(content)
    assert latest_manifest(shell.home) is None
    assert find(shell) is None
