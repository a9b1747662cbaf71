"""Retention: what is kept, what is removed, and that a killed prune leaves nothing incomplete."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from pipelines.errors import HomeUnusable
from pipelines.storage.disk_usage import sizes
from pipelines.storage.durable import replace_link
from pipelines.storage.home import Home
from pipelines.storage.lake import Lake, LakeAddress
from pipelines.storage.landing import MAX_AGE_TO_RESUME, SWEEP_FILE, Filters, Landing
from pipelines.storage.retention import Pruned, Retention, prune, prune_lake
from tests.support import NOON, milestone, serving_shells, tree

State = Literal["landing", "landed", "loaded", "failed"]
HOUR_APART = timedelta(hours=1)
COUNTS_ONLY = Retention(3, timedelta(0), 3, timedelta(0))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def name_of(number: int, at: datetime = NOON) -> str:
    return f"{number:06d}-{at:%Y%m%dT%H%M%SZ}"


def publish(home: Home, count: int, *, apart: timedelta = HOUR_APART, last: datetime = NOON) -> list[str]:
    """Snapshots with one file of 10 bytes each; `latest` points to the newest, made at `last`."""
    names = [name_of(number, last - apart * (count - number)) for number in range(1, count + 1)]
    for name in names:
        put(home.snapshots / name / "milestones" / "part-000.parquet", b"0123456789")
    replace_link(home.latest_snapshot, names[-1])
    return names


def land(home: Home, state: State, at: datetime = NOON, *, landed: bool = True, staged: bool = False) -> str:
    landing = Landing.begin(home.raw, mode="full", filters=Filters(), ids=[], now=at)
    landing.sweep.state = state
    landing.sweep.landed_at = at if landed else None
    landing.save()
    if staged:
        put(home.staging(landing.sweep.sweep_id) / "records.parquet", b"staged")
    return landing.sweep.sweep_id


def put(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.is_symlink())


def test_nothing_to_prune(home: Home) -> None:
    assert prune(home, Retention(), now=NOON) == Pruned([], [], [], 0)
    home.preflight()
    assert prune(home, Retention(), now=NOON) == Pruned()


def test_snapshots_beyond_the_newest_are_removed(home: Home) -> None:
    names = publish(home, 6)
    pruned = prune(home, COUNTS_ONLY, now=NOON)
    assert pruned == Pruned(snapshots=names[:3], bytes=30)
    assert names_in(home.snapshots) == names[3:]
    assert home.latest_snapshot.readlink() == Path(names[-1])
    assert prune(home, COUNTS_ONLY, now=NOON) == Pruned()


def test_the_age_of_a_snapshot_counts_from_its_replacement(home: Home) -> None:
    names = publish(home, 4, apart=timedelta(days=1))
    one = Retention(snapshots=1, snapshot_age=timedelta(hours=1))
    # The third is a day old, and was what readers were given until a moment ago.
    assert prune(home, one, now=NOON + timedelta(minutes=59)).snapshots == names[:2]
    assert prune(home, one, now=NOON + timedelta(minutes=60)).snapshots == [names[2]]
    assert names_in(home.snapshots) == [names[3]]


def test_all_snapshots_younger_than_the_age_are_kept(home: Home) -> None:
    names = publish(home, 20, apart=timedelta(minutes=5))
    assert prune(home, Retention(), now=NOON).snapshots == names[:7]


def test_the_latest_snapshot_and_newer_ones_are_kept(home: Home) -> None:
    names = publish(home, 6)
    replace_link(home.latest_snapshot, names[1])
    assert prune(home, Retention(0, timedelta(0)), now=NOON + timedelta(days=99)).snapshots == names[:1]
    assert names_in(home.snapshots) == names[1:]


@pytest.mark.parametrize(
    "target", [None, "000009-20261123T120000Z", "../../elsewhere/000006-20261123T120000Z", "latest"]
)
def test_no_snapshot_is_removed_if_latest_is_broken(home: Home, target: str | None) -> None:
    names = publish(home, 6)
    home.latest_snapshot.unlink()
    if target is not None:
        home.latest_snapshot.symlink_to(target)
    assert prune(home, COUNTS_ONLY, now=NOON) == Pruned()
    assert names_in(home.snapshots) == names


def test_foreign_files_are_kept(home: Home, tmp_path: Path) -> None:
    publish(home, 4)
    elsewhere = tmp_path / "elsewhere"
    put(elsewhere / "file", b"kept")
    for folder in (home.snapshots, home.raw, home.staging("")):
        for name in ("notes", name_of(0) + ".tmp", "000000-20261399T990000Z", "latest.pruned.tmp.d"):
            put(folder / name / "file", b"kept")
        for name in (name_of(0), "x.pruned.tmp"):
            (folder / name).symlink_to(elsewhere)
    before = tree(home.root)
    pruned = prune(home, COUNTS_ONLY, now=NOON)
    removed = set(before) - set(tree(home.root))
    assert pruned == Pruned(snapshots=[name_of(1, NOON - timedelta(hours=3))], bytes=10)
    assert [Path(file).parts[2] for file in removed] == pruned.snapshots


def test_an_open_file_of_a_removed_snapshot_stays_readable(home: Home) -> None:
    names = publish(home, 4)
    with (home.snapshots / names[0] / "milestones" / "part-000.parquet").open("rb") as file:
        assert prune(home, COUNTS_ONLY, now=NOON).snapshots == names[:1]
        assert file.read() == b"0123456789"


def test_bytes_shared_with_a_kept_snapshot_are_not_counted_as_freed(home: Home) -> None:
    names = publish(home, 4)
    removed, kept = (home.snapshots / name for name in (names[0], names[3]))
    put(removed / "shared", b"x" * 1000)
    (kept / "shared").hardlink_to(removed / "shared")
    put(removed / "twice", b"y" * 200)
    (removed / "again").hardlink_to(removed / "twice")
    assert sizes(home)["published_parquet"] == 4 * 10 + 1000 + 200
    assert prune(home, COUNTS_ONLY, now=NOON) == Pruned(snapshots=names[:1], bytes=10 + 200)
    assert (kept / "shared").read_bytes() == b"x" * 1000
    assert sizes(home)["published_parquet"] == 3 * 10 + 1000


def test_the_next_prune_finishes_a_killed_one(home: Home) -> None:
    names = publish(home, 4)
    old = [land(home, "loaded", NOON - timedelta(days=30), staged=True) for _ in range(5)]
    for folder, name in ((home.snapshots, names[0]), (home.raw, old[0]), (home.staging(""), old[0])):
        (folder / name).rename(folder / f"{name}.pruned.tmp")
    # Killed during the deletion.
    (home.raw / f"{old[0]}.pruned.tmp" / SWEEP_FILE).unlink()
    pruned = prune(home, COUNTS_ONLY, now=NOON)
    assert (pruned.snapshots, pruned.sweeps, pruned.staging) == (names[:1], old[:2], old)
    assert (names_in(home.snapshots), names_in(home.raw), names_in(home.staging(""))) == (names[1:], old[2:], [])


def test_sweeps_are_removed_if_they_are_old_and_beyond_the_newest(home: Home) -> None:
    ids = [land(home, "loaded", NOON - timedelta(days=10 - number)) for number in range(10)]
    assert prune(home, Retention(sweeps=2, sweep_age=timedelta(days=4)), now=NOON).sweeps == ids[:7]
    assert names_in(home.raw) == ids[7:]


def test_young_sweeps_and_the_newest_sweeps_are_kept(home: Home) -> None:
    for number in range(30):
        land(home, "loaded", NOON - timedelta(days=6, minutes=-number))
    assert prune(home, Retention(), now=NOON).sweeps == []
    assert len(prune(home, Retention(), now=NOON + timedelta(days=300)).sweeps) == 10


def test_a_sweep_from_the_future_is_young(home: Home) -> None:
    ids = [land(home, "loaded", NOON + timedelta(days=900)) for _ in range(3)]
    assert prune(home, Retention(sweeps=1), now=NOON).sweeps == []
    assert prune(home, Retention(sweeps=1), now=NOON + timedelta(days=907)).sweeps == ids[:2]


def test_the_newest_sweep_and_the_newest_loaded_sweep_are_kept(home: Home) -> None:
    states: list[State] = ["loaded", "loaded", "landed", "failed", "failed"]
    ids = [land(home, state) for state in states]
    pruned = prune(home, Retention(sweeps=0, sweep_age=timedelta(0)), now=NOON + timedelta(days=99))
    assert pruned.sweeps == [ids[0], ids[2], ids[3]]


def test_a_folder_without_a_sweep_file_does_not_count_as_the_newest_sweep(home: Home) -> None:
    ids = [land(home, "failed") for _ in range(3)]
    (home.raw / name_of(4)).mkdir()
    (home.raw / name_of(5)).mkdir()
    pruned = prune(home, Retention(sweeps=0, sweep_age=timedelta(0)), now=NOON)
    assert pruned.sweeps == [*ids[:2], name_of(4)]


@pytest.mark.parametrize("state", ["landing", "failed"])
def test_a_resumable_sweep_is_kept_while_it_is_resumable(home: Home, state: State) -> None:
    interrupted = land(home, state, landed=False)
    newer = land(home, "loaded")
    none = Retention(sweeps=0, sweep_age=timedelta(0))
    assert prune(home, none, now=NOON + MAX_AGE_TO_RESUME) == Pruned()
    later = NOON + MAX_AGE_TO_RESUME + timedelta(seconds=1)
    assert prune(home, none, now=later).sweeps == [interrupted]
    assert names_in(home.raw) == [newer]


def test_sweeps_that_were_not_loaded_count_among_the_newest(home: Home) -> None:
    for state in ("landed", "failed", "landing", "landed"):
        land(home, state)
    assert prune(home, Retention(sweeps=4, sweep_age=timedelta(0)), now=NOON + timedelta(days=99)) == Pruned()


@pytest.mark.parametrize("text", [b"", b"{", b'{"state":"from a newer version"}', b"\xff\xfe"])
def test_a_sweep_with_an_unreadable_state_is_removed_like_any_other(home: Home, text: bytes) -> None:
    broken = land(home, "loaded", staged=True)
    (home.raw / broken / SWEEP_FILE).write_bytes(text)
    land(home, "loaded")
    kept = prune(home, Retention(), now=NOON + timedelta(days=99))
    assert (kept.sweeps, kept.staging) == ([], [broken])
    assert prune(home, Retention(sweeps=1), now=NOON + timedelta(days=99)).sweeps == [broken]


def test_staging_of_all_but_the_newest_sweep_is_removed(home: Home) -> None:
    staged = {state: land(home, state, staged=True) for state in ("loaded", "failed", "landing", "landed")}
    put(home.staging(name_of(77)) / "records.parquet", b"of a sweep that is gone")
    put(home.staging("rebuild") / "records.parquet", b"of a killed rebuild")
    put(home.staging("migration") / "records.parquet", b"of a killed migration")
    newest = staged.pop("landed")
    pruned = prune(home, Retention(), now=NOON)
    # No stage reads the staging of a sweep with a successor: killed retries and incremental sweeps are not resumed.
    assert pruned.staging == [*sorted(staged.values()), name_of(77), "migration", "rebuild"]
    assert names_in(home.staging("")) == [newest]
    assert pruned.bytes == 3 * len(b"staged") + sum(
        len(f"of a {what}") for what in ("sweep that is gone", "killed rebuild", "killed migration")
    )


def test_staging_of_the_newest_sweep_is_removed_once_it_is_loaded(home: Home) -> None:
    newest = land(home, "loaded", staged=True)
    assert prune(home, Retention(), now=NOON).staging == [newest]


@pytest.mark.slow
def test_the_pipeline_works_after_a_prune(tmp_path: Path) -> None:
    with serving_shells() as shells:
        shell = shells(tmp_path / "home", [milestone(1), milestone(2)])
        for _ in range(2):
            shell.sweep()
            shell.stages.publish()
            shell.clock.forward(days=30)
        pruned = prune(shell.home, Retention(snapshots=1, sweeps=1), now=shell.clock())
        assert [len(pruned.snapshots), len(pruned.sweeps), len(pruned.staging)] == [1, 1, 0]
        assert shell.sweep().sweep_id.startswith("000003-")
        assert shell.stages.publish().folder.name.startswith("000003-")
        assert shell.value("SELECT count(*) FROM milestones") == 2


def test_the_error_names_the_path_that_cannot_be_removed(home: Home) -> None:
    names = publish(home, 4)
    put(home.snapshots / f"{names[0]}.pruned.tmp", b"a file where the folder is to be moved")
    with pytest.raises(HomeUnusable, match=r"cannot remove .*Not a directory"):
        prune(home, COUNTS_ONLY, now=NOON)
    assert names_in(home.snapshots) == names


def test_the_lake_keeps_what_the_home_has_and_what_is_new(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    (tmp_path / "lake").mkdir()
    lake = Lake.open(LakeAddress.parse(str(tmp_path / "lake")))
    sweeps = [f"{number:06d}-202611{number:02d}T120000Z" for number in range(1, 6)]
    for name in sweeps:
        lake.write(f"raw/{name}/sweep.json", b"{}")
        lake.write(f"published/parquet/{name}/manifest.json", b"{}")
    lake.write("raw/notes/kept", b"of somebody else")
    (home.raw / sweeps[0]).mkdir(parents=True)
    retention = Retention(snapshots=1, snapshot_age=timedelta(hours=1), sweeps=1, sweep_age=timedelta(days=2))

    removed = prune_lake(home, lake, retention, now=datetime(2026, 11, 5, 12, 30, tzinfo=UTC))

    # Kept: a snapshot that was replaced half an hour ago, sweeps of two days, and the one that the home has.
    assert removed == [
        *(f"published/parquet/{name}" for name in sweeps[:3]),
        *(f"raw/{name}" for name in sweeps[1:3]),
    ]
    assert sorted(lake.folders("published/parquet")) == sweeps[3:]
    assert sorted(lake.folders("raw")) == [sweeps[0], *sweeps[3:], "notes"]
