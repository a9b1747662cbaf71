"""Publishing to Iceberg: the rows of every publish, one snapshot each, history, columns that change, interruptions."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

pytest.importorskip("pyiceberg", reason="needs the extra iceberg")

from pyiceberg.exceptions import CommitFailedException, ValidationException

from pipelines.errors import NothingToDo, PublishedDiffers, WarehouseBusy, WrongUse
from pipelines.iceberg.publish import SNAPSHOT, publish_to_iceberg
from pipelines.storage.home import Home
from pipelines.storage.lock import endpoint_lock
from tests.iceberg.conftest import ROWS, sweep_and_publish
from tests.iceberg.lake import NAMESPACE, KilledCatalogue, KilledError, Lake, StaleCatalogue, differences, load
from tests.support import NOON, Shell, Shells, milestone, milestone_id

pytestmark = pytest.mark.slow


def edit(shell: Shell) -> None:
    shell.world.edit_title(milestone_id(3), "another title")


def edit_again(shell: Shell) -> None:
    shell.world.edit_title(milestone_id(3), "the last title")


def move_far(shell: Shell) -> None:
    shell.world.reschedule(milestone_id(4), NOON + timedelta(days=35))


def vanish(shell: Shell) -> None:
    shell.world.remove(milestone_id(6))


def insert(shell: Shell) -> None:
    shell.world.insert(milestone(50, start_date=f"{NOON + timedelta(days=20):%Y-%m-%dT%H:%M:%SZ}"))


def new_field_and_kind(shell: Shell) -> None:
    shell.world.set_details(milestone_id(7), {"venue": "indoors", "tags": ["a", "b"], "season": {"week": "one"}})


def list_becomes_text(shell: Shell) -> None:
    shell.world.set_details(milestone_id(7), {"tags": {"a": 1}})


def test_every_publish_is_the_rows_of_its_snapshot_and_one_iceberg_snapshot_a_changed_table(
    shell: Shell, lake: Lake
) -> None:
    snapshot = sweep_and_publish(shell)
    first = lake.publish(shell.home)
    assert first["milestones"].written == first["milestones"].rows == 41
    assert set(lake.snapshots().values()) == {0, 1}
    # A milestone is gone when two full sweeps in a row do not list it.
    for changes in ([edit, move_far, insert, vanish], [new_field_and_kind], [list_becomes_text, edit_again]):
        for change in changes:
            change(shell)
        counts, before, snapshot = lake.snapshots(), snapshot, sweep_and_publish(shell)
        published = lake.publish(shell.home)
        changed = {table for table in published if before.data_version(table) != snapshot.data_version(table)}
        assert {change.table for change in published.values() if change.is_new_snapshot} == changed
        assert lake.snapshots() == {table: counts.get(table, 0) + (table in changed) for table in published}
    assert lake.rows("milestones", "SELECT count(vanished_at) FROM rows") == [(1,)]
    assert published["sweeps"].is_new_snapshot
    assert not published["details_chess_match"].is_new_snapshot


def test_the_same_snapshot_adds_nothing(published: Shell, published_lake: Lake) -> None:
    shell, lake = published, published_lake
    before = lake.metadata()
    changes = lake.publish(shell.home)
    assert not any(change.is_new_snapshot for change in changes.values())
    assert lake.metadata() == before


def test_files_of_untouched_ranges_are_kept(shell: Shell, lake: Lake) -> None:
    lake.publish(shell.home)
    edit(shell)
    sweep_and_publish(shell)
    change = lake.publish(shell.home)["milestones"]
    assert (change.written + change.kept, change.written, change.dropped) == (41, 10, 10)


def test_large_files_are_written_in_parts(published: Shell, lake: Lake) -> None:
    with lake.opened() as catalogue:
        # A batch of this table has all rows: one byte makes a file of each batch.
        publish_to_iceberg(published.home, catalogue, NAMESPACE, bytes_per_file=1)
        assert differences(published.home, catalogue) == {}
        publish_to_iceberg(published.home, catalogue, NAMESPACE, bytes_per_file=1)
        assert len(load(catalogue, "milestones").snapshots()) == 1


def test_an_old_snapshot_has_its_rows_and_its_columns(shell: Shell, lake: Lake) -> None:
    old = shell.home.latest_snapshot.readlink().name
    lake.publish(shell.home)
    edit(shell)
    new_field_and_kind(shell)
    sweep_and_publish(shell)
    lake.publish(shell.home)
    with lake.opened() as catalogue:
        then = {
            name: snapshot.snapshot_id
            for name in ("milestones", "details_football_game")
            for snapshot in load(catalogue, name).snapshots()
            if snapshot.summary is not None and snapshot.summary.additional_properties[SNAPSHOT] == old
        }
    title = f"SELECT title FROM rows WHERE milestone_id = '{milestone_id(3)}'"
    assert lake.rows("milestones", title) == [("another title",)]
    assert lake.rows("milestones", title, snapshot_id=then["milestones"]) == [("Game 3",)]
    week = f"SELECT season_week FROM rows WHERE milestone_id = '{milestone_id(7)}'"
    assert lake.rows("details_football_game", week) == [("one",)]
    assert lake.rows("details_football_game", week, snapshot_id=then["details_football_game"]) == [(0,)]
    columns = "SELECT list(column_name) FROM (DESCRIBE rows)"
    assert "venue" in lake.rows("details_football_game", columns)[0][0]
    assert "venue" not in lake.rows("details_football_game", columns, snapshot_id=then["details_football_game"])[0][0]


def test_tables_describe_themselves(published_lake: Lake) -> None:
    with published_lake.opened() as catalogue:
        events = load(catalogue, "milestone_events")
        typed = load(catalogue, "details_football_game")
    assert events.schema().identifier_field_names() == {"milestone_id", "event_ticker"}
    assert typed.schema().identifier_field_names() == {"milestone_id"}
    assert "ticker arrays" in events.properties["comment"]
    assert events.schema().find_field("event_ticker").doc == "Ticker of the event; opaque, never to be parsed."
    assert events.schema().find_field("event_ticker").required
    assert not events.schema().find_field("related_position").required


@pytest.mark.parametrize(
    ("commit", "after"), [(0, False), (4, True)], ids=["before the first commit", "after the fifth"]
)
def test_a_killed_publish_is_completed_by_the_next(shell: Shell, lake: Lake, commit: int, *, after: bool) -> None:
    lake.publish(shell.home)
    before = lake.snapshots()
    edit(shell)
    new_field_and_kind(shell)
    sweep_and_publish(shell)
    killed = KilledCatalogue(lake, commit, after=after)
    with pytest.raises(KilledError):
        publish_to_iceberg(shell.home, killed, NAMESPACE)
    killed.close()
    with lake.opened() as catalogue:
        assert differences(shell.home, catalogue)
    lake.publish(shell.home)
    assert {name: count - before[name] for name, count in lake.snapshots().items()}.items() >= {
        "milestones": 1,
        "details_football_game": 1,
        "sweeps": 1,
        "details_chess_match": 0,
    }.items()
    newest = shell.home.latest_snapshot.readlink().name
    with lake.opened() as catalogue:
        assert catalogue.load_namespace_properties(NAMESPACE)[SNAPSHOT] == newest


def test_another_process_that_publishes_at_the_same_time_is_detected(shell: Shell, lake: Lake) -> None:
    lake.publish(shell.home)
    edit(shell)
    sweep_and_publish(shell)

    def other() -> None:
        # As another machine would, which does not see the lock of this one.
        (shell.home.endpoint_lock_file("iceberg")).unlink()
        lake.publish(shell.home)

    catalogue = StaleCatalogue(lake, other)
    with pytest.raises((CommitFailedException, ValidationException)):
        publish_to_iceberg(shell.home, catalogue, NAMESPACE)
    catalogue.close()
    with lake.opened() as catalogue_after:
        assert differences(shell.home, catalogue_after) == {}


def test_two_processes_of_one_machine_exclude_each_other(published: Shell, lake: Lake) -> None:
    with (
        lake.opened() as catalogue,
        endpoint_lock(published.home, "iceberg", purpose="milestones publish --iceberg"),
        pytest.raises(WarehouseBusy, match="milestones publish --iceberg"),
    ):
        publish_to_iceberg(published.home, catalogue, NAMESPACE)


def test_rows_of_a_type_that_is_gone_are_dropped_and_other_tables_are_left_alone(
    shell: Shell, shells: Shells, lake: Lake, tmp_path: Path
) -> None:
    lake.publish(shell.home)
    with lake.opened() as catalogue:
        notes = pa.table({"note": ["ours"]})
        catalogue.create_table(f"{NAMESPACE}.notes", notes.schema).append(notes)
    other = shells(tmp_path / "other", ROWS)
    other.sweep()
    sweep_and_publish(other)
    change = lake.publish(other.home)["details_chess_match"]
    assert (change.rows, change.dropped, change.is_new_snapshot) == (0, 1, True)
    assert lake.rows("details_chess_match", "SELECT count(*) FROM rows") == [(0,)]
    assert lake.rows("notes", "SELECT count(*) FROM rows") == [(1,)]
    assert lake.snapshots()["details_chess_match"] == 2
    assert "details_chess_match" not in lake.publish(other.home)


def test_a_table_of_somebody_else_is_not_touched(published: Shell, lake: Lake) -> None:
    with lake.opened() as catalogue:
        catalogue.create_namespace(NAMESPACE)
        catalogue.create_table(f"{NAMESPACE}.milestones", pa.schema({"note": pa.string()}))
        with pytest.raises(WrongUse, match=r"milestones\.milestones exists, and milestones did not make it"):
            publish_to_iceberg(published.home, catalogue, NAMESPACE)
        assert load(catalogue, "milestones").schema().column_names == ["note"]


def one_byte_flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    # The file may have other links, of other snapshots.
    file.unlink()
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [one_byte_flipped, os.unlink], ids=["a flipped bit", "a missing file"])
def test_damage_is_not_published(shell: Shell, lake: Lake, damage: Callable[[Path], None]) -> None:
    damage(next(shell.home.latest_snapshot.glob("milestones/*/*.parquet")))
    with lake.opened() as catalogue, pytest.raises(PublishedDiffers, match="differs from its manifest"):
        publish_to_iceberg(shell.home, catalogue, NAMESPACE)


def test_a_home_without_a_publish(lake: Lake, tmp_path: Path) -> None:
    with lake.opened() as catalogue, pytest.raises(NothingToDo, match="run milestones ingest first"):
        publish_to_iceberg(Home(tmp_path / "nothing"), catalogue, NAMESPACE)
