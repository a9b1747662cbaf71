"""An incremental publish gives the same snapshot as a full one, and links the files that did not change."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from pipelines.publish import snapshot
from pipelines.publish.manifest import Manifest, verify
from pipelines.publish.parquet import RANGES_OF_ONE_PASS
from pipelines.publish.partitions import FOLDER_PREFIX, HIVE_KEY
from pipelines.publish.snapshot import Snapshot
from pipelines.storage.home import Home
from schemas.tables import MILESTONES
from tests.support import NOON, Shell, Shells, contents, copied, milestone, milestone_id

pytestmark = pytest.mark.slow

ROWS = [milestone(number, start_date=f"{NOON + timedelta(days=number):%Y-%m-%dT%H:%M:%SZ}") for number in range(1, 41)]
REFLECTED = "milestones"


def publish(home: Home) -> Snapshot:
    """Publish in ranges of ten milestones, so that there are several ranges."""
    return snapshot.publish(home, now=NOON, per_range=10)


def publish_a_title(shell: Shell, number: int, title: str) -> None:
    """An hour later: change the title of a milestone, sweep incrementally, publish."""
    shell.clock.forward(hours=1)
    shell.world.edit_title(milestone_id(number), title)
    shell.sweep(mode="incremental")
    publish(shell.home)


@pytest.fixture
def shell(shells: Shells, tmp_path: Path) -> Shell:
    """Forty milestones on forty days."""
    made = shells(tmp_path / "home", ROWS)
    made.sweep()
    publish(made.home)
    return made


def published_tables(home: Home) -> dict[str, str]:
    return contents(home.published_duckdb)


def from_parquet(home: Home) -> dict[str, list[tuple[object, ...]]]:
    """Rows of every table of the newest snapshot, as its files hold them."""
    manifest = Manifest.read(home.latest_snapshot)
    found: dict[str, list[tuple[object, ...]]] = {}
    for file in manifest.files:
        if file.table:
            rows = pq.ParquetFile(home.published / file.path).read().to_pylist()
            found.setdefault(file.table, []).extend(tuple(row.values()) for row in rows)
    return {table: sorted(rows, key=repr) for table, rows in found.items()}


def summary(home: Home) -> dict[str, Any]:
    """The figures, which say nothing of the snapshot they are of."""
    figures: dict[str, Any] = json.loads(home.published_summary.read_bytes())
    return {name: figure for name, figure in figures.items() if name not in ("snapshot", "published_at")}


def test_more_ranges_than_fit_in_one_pass_are_all_written(shells: Shells, tmp_path: Path) -> None:
    starts = [f"{NOON + timedelta(days=number):%Y-%m-%dT%H:%M:%SZ}" for number in range(1, 121)]
    many = shells(tmp_path / "many", [milestone(number, start_date=start) for number, start in enumerate(starts, 1)])
    many.sweep()
    in_ranges, whole = publish(many.home), from_parquet(many.home)
    assert len(in_ranges.manifest.ranges) > RANGES_OF_ONE_PASS
    # Without a snapshot before it, one is split as it likes.
    shutil.rmtree(many.home.published)
    in_one = snapshot.publish(many.home, now=NOON)
    assert len(in_one.manifest.ranges) == 1
    assert from_parquet(many.home) == whole


def inodes(published: Snapshot) -> dict[str, int]:
    return {str(file.relative_to(published.folder)): file.stat().st_ino for file in published.folder.rglob("*.parquet")}


def everything_anew(shell: Shell, folder: Path) -> Home:
    """The same warehouse published where nothing was published before."""
    other = copied(shell.home, folder)
    publish(other)
    return other


def edit(shell: Shell) -> None:
    shell.world.edit_title(milestone_id(3), "another title")


def move_far(shell: Shell) -> None:
    shell.world.reschedule(milestone_id(3), NOON + timedelta(days=35))


def new_field(shell: Shell) -> None:
    shell.world.set_details(milestone_id(7), {"venue": "indoors", "season": {"week": "one"}})


def another_type(shell: Shell) -> None:
    shell.world.remove(milestone_id(5))
    shell.world.insert(milestone(5, type="chess_match"))


def vanish(shell: Shell) -> None:
    shell.world.remove(milestone_id(6))


def simulate(shell: Shell) -> None:
    shell.world.set_details(milestone_id(8), {"session_id": "x"})


def events_of_others_too(shell: Shell) -> None:
    shell.world.add_ticker(milestone_id(10), "KXGAME-11")
    shell.world.add_ticker(milestone_id(10), "KXNEW-1")
    shell.world.add_ticker(milestone_id(30), "KXNEW-1")
    shell.world.remove_ticker(milestone_id(12), "KXSPREAD-12")
    shell.world.remove_ticker(milestone_id(11), "KXGAME-11")


def insert(shell: Shell) -> None:
    start = f"{NOON + timedelta(days=20):%Y-%m-%dT%H:%M:%SZ}"
    shell.world.insert(milestone(50, start_date=start, related_event_tickers=["KXGAME-20", "KXGAME-50"]))


def touch(shell: Shell) -> None:
    shell.world.touch([milestone_id(9)])


def nothing(_: Shell) -> None:
    pass


CHANGES: dict[str, Callable[[Shell], None]] = {
    "a title": edit,
    "a start moved into another range": move_far,
    "a new field and a new kind": new_field,
    "another type": another_type,
    "a new milestone": insert,
    "one that vanishes": vanish,
    "one that is simulated": simulate,
    "events that came, went and are shared": events_of_others_too,
    "only touched": touch,
    "nothing": nothing,
}


ONCE = (move_far, new_field, another_type, vanish, events_of_others_too, insert)
"""What cannot be done to a world a second time."""


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_incremental_publish_equals_a_full_one(
    shell: Shell, change: Callable[[Shell], None], tmp_path: Path
) -> None:
    # Two full sweeps make sure of what is gone.
    for round_number, mode in enumerate(("incremental", "full", "full")):
        shell.clock.forward(hours=1)
        edit(shell) if round_number == 1 or (round_number and change in ONCE) else change(shell)
        shell.sweep(mode=mode)
        publish(shell.home)
        other = everything_anew(shell, tmp_path / f"anew {round_number}")
        assert published_tables(shell.home) == published_tables(other)
        assert from_parquet(shell.home) == from_parquet(other)
        assert summary(shell.home) == summary(other)
        assert verify(shell.home).differences == []


def columns_of(folder: Path) -> dict[str, list[str]]:
    """A published table's columns, as readers see them that detect hive partitions."""
    glob = f"{folder}/**/*.parquet"
    return {
        "duckdb": [column[0] for column in duckdb.execute(f"SELECT * FROM '{glob}' LIMIT 0").description],
        "pyarrow.dataset": pyarrow.dataset.dataset(folder, partitioning="hive").schema.names,
        "pyarrow.parquet, as pandas calls it": pq.read_table(folder).column_names,
    }


def test_the_columns_of_a_table_do_not_depend_on_its_size(shell: Shell) -> None:
    large = publish(shell.home)
    assert len(list((large.folder / "milestones").glob("**/*.parquet"))) > 1
    found = columns_of(large.folder / "milestones")
    declared = [column.name for column in MILESTONES.columns]
    assert found == dict.fromkeys(found, declared)
    small = snapshot.publish(shell.home, now=NOON, per_range=1_000)
    assert len(list((small.folder / "milestones").glob("**/*.parquet"))) == 1
    assert columns_of(small.folder / "milestones") == found


def as_an_earlier_version_left_it(published: Snapshot) -> None:
    """Give the folders of ranges the names that they had before."""
    for folder in list(published.folder.glob(f"*/{FOLDER_PREFIX}*")):
        folder.rename(folder.with_name(folder.name.replace(FOLDER_PREFIX, HIVE_KEY)))
    files = [
        replace(file, path=file.path.replace(f"/{FOLDER_PREFIX}", f"/{HIVE_KEY}")) for file in published.manifest.files
    ]
    replace(published.manifest, files=files).write(published.folder)


def test_a_snapshot_with_hive_folders_is_not_reused(shell: Shell) -> None:
    before = publish(shell.home)
    as_an_earlier_version_left_it(before)
    assert verify(shell.home).differences == []
    old = inodes(before)
    assert any(HIVE_KEY in name for name in old)
    after = publish(shell.home)
    assert not any("=" in name for name in inodes(after))
    # Nothing was touched, and yet no file is linked, whole tables included.
    assert not set(old.values()) & set(inodes(after).values())
    assert verify(shell.home).differences == []


def test_files_of_untouched_ranges_are_linked(shell: Shell) -> None:
    edit(shell)
    shell.clock.forward(hours=1)
    before = publish(shell.home)
    shell.sweep(mode="incremental")
    after = publish(shell.home)
    of_milestones = [name for name in inodes(after) if name.startswith(f"{REFLECTED}/")]
    linked = [name for name in of_milestones if inodes(before).get(name) == inodes(after)[name]]
    assert len(of_milestones) >= 3
    assert len(linked) == len(of_milestones) - 1


def test_a_range_that_grows_too_large_is_split(shell: Shell, tmp_path: Path) -> None:
    before = publish(shell.home).manifest.ranges
    # A few at a time: where a fifth of all is touched, everything is published anew.
    for first in (41, 46, 51):
        for number in range(first, first + 5):
            start = f"{NOON + timedelta(days=number):%Y-%m-%dT%H:%M:%SZ}"
            shell.world.insert(milestone(number, start_date=start))
        shell.clock.forward(hours=1)
        shell.sweep(mode="incremental")
        after = publish(shell.home)
    assert after.rows["milestones"] == 55
    assert set(before) < set(after.manifest.ranges)
    assert from_parquet(shell.home) == from_parquet(everything_anew(shell, tmp_path / "anew"))


def test_a_range_whose_milestones_get_many_versions_is_split(shell: Shell, tmp_path: Path) -> None:
    """A poll writes all versions of a touched range: it would take longer with every change of a milestone."""
    before = Manifest.read(shell.home.latest_snapshot).ranges
    for number in range(12):
        publish_a_title(shell, 3, f"title {number}")
    after = Manifest.read(shell.home.latest_snapshot)
    versions = [file.rows for file in after.files if file.table == "milestone_versions"]
    assert sum(versions) == 40 + 12
    assert max(versions) <= 2 * 10
    assert set(before) < set(after.ranges)
    assert from_parquet(shell.home) == from_parquet(everything_anew(shell, tmp_path / "anew"))


def test_typed_tables_without_a_touched_milestone_are_linked(shells: Shells, tmp_path: Path) -> None:
    others = [milestone(number, type="chess_match") for number in range(41, 46)]
    made = shells(tmp_path / "types", [*ROWS, *others])
    made.sweep()
    before = publish(made.home)
    edit(made)
    made.clock.forward(hours=1)
    made.sweep(mode="incremental")
    after = publish(made.home)
    typed = {name for name in inodes(after) if name.startswith("details_") and not name.startswith("details_fields/")}
    linked = {name for name in typed if inodes(before).get(name) == inodes(after)[name]}
    assert linked >= {name for name in typed if name.startswith("details_chess_match/")} > set()
    assert {name.partition("/")[0] for name in typed - linked} == {"details_football_game"}


def test_an_open_file_stays_readable_through_many_publishes(shell: Shell) -> None:
    with duckdb.connect(str(shell.home.published_duckdb), read_only=True) as reader:
        titles = reader.execute("SELECT title FROM milestones ORDER BY 1").fetchall()
        bytes_before = shell.home.published_duckdb.read_bytes()
        with shell.home.published_duckdb.open("rb") as opened:
            for number in range(3):
                publish_a_title(shell, 2, f"title {number}")
            assert opened.read() == bytes_before
        assert reader.execute("SELECT title FROM milestones ORDER BY 1").fetchall() == titles


def test_everything_is_rewritten_after_a_rebuild(shell: Shell) -> None:
    before = inodes(publish(shell.home))
    shell.stages.rebuild()
    after = inodes(publish(shell.home))
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())


def test_a_hard_linked_copy_of_the_published_file_is_not_written(shell: Shell, tmp_path: Path) -> None:
    publish(shell.home)
    kept = tmp_path / "kept.duckdb"
    kept.hardlink_to(shell.home.published_duckdb)
    before = kept.read_bytes()
    for number in range(2):
        publish_a_title(shell, 2, f"title {number}")
    assert kept.read_bytes() == before


@pytest.mark.parametrize("spoil", [Path.unlink, lambda file: os.truncate(file, 10)], ids=["missing", "truncated"])
def test_a_damaged_snapshot_is_not_reused(shell: Shell, spoil: Callable[[Path], None]) -> None:
    publish(shell.home)
    spoil(next(shell.home.latest_snapshot.glob("milestones/*/*.parquet")))
    publish(shell.home)
    assert verify(shell.home).differences == []


def test_an_empty_range_has_no_file(shell: Shell) -> None:
    (*_, day) = publish(shell.home).manifest.ranges
    (last,) = shell.home.latest_snapshot.glob(f"{REFLECTED}/from-{day}/*.parquet")
    ids = pq.ParquetFile(last).read()["milestone_id"].to_pylist()
    # A few at a time: where a fifth of all is touched, everything is published anew.
    for first in range(0, len(ids), 5):
        for moved in ids[first : first + 5]:
            shell.world.reschedule(moved, NOON)
        shell.clock.forward(hours=1)
        shell.sweep(mode="incremental")
        after = publish(shell.home)
    assert day in after.manifest.ranges
    assert after.rows[REFLECTED] == len(ROWS)
    assert [file.path for file in after.manifest.files if f"/from-{day}/" in file.path] == []


def file_of(wanted: str, published: Snapshot) -> Path:
    """In which a milestone stands."""
    files = published.folder.glob(f"{REFLECTED}/*/*.parquet")
    return next(file for file in files if wanted in pq.ParquetFile(file).read()["milestone_id"].to_pylist())


def cut_short(file: Path) -> None:
    whole = file.read_bytes()
    file.unlink()
    file.write_bytes(whole[: len(whole) // 2])


def one_byte_flipped(file: Path) -> None:
    """Where rows stand: behind the leading magic, long before the footer."""
    changed = bytearray(file.read_bytes())
    changed[200] ^= 0xFF
    file.unlink()
    file.write_bytes(changed)


@pytest.mark.parametrize("damage", [Path.unlink, cut_short, one_byte_flipped])
def test_damage_in_the_previous_snapshot_is_not_copied(
    shell: Shell, damage: Callable[[Path], None], tmp_path: Path
) -> None:
    before = publish(shell.home)
    edit(shell)
    shell.clock.forward(hours=1)
    shell.sweep(mode="incremental")
    damage(file_of(milestone_id(3), before))
    publish(shell.home)
    anew = everything_anew(shell, tmp_path / "anew")
    assert from_parquet(shell.home) == from_parquet(anew)
    assert summary(shell.home) == summary(anew)
