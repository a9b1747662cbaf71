"""Snapshots in the lake: uploaded once, verified, removed, and taken up by another home."""

from __future__ import annotations

import logging
import shutil
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from pipelines.errors import LakeAhead, LakeUnusable, PublishedDiffers, WrongSetting
from pipelines.publish.lake import POINTER, download, read_pointer, share, verify_lake
from pipelines.publish.manifest import Manifest
from pipelines.publish.manifest import verify as verify_home
from pipelines.publish.snapshot import Snapshot
from pipelines.recovery.take_up import take_up
from pipelines.storage.home import Home
from pipelines.storage.lake import Lake, LakeAddress
from pipelines.storage.landing import Landing
from pipelines.storage.retention import Retention
from pipelines.sweep.stages import Stages
from tests.lakes import BOTH, SECRET
from tests.support import NOON, Shell, Shells, contents, milestone

pytestmark = pytest.mark.slow

SNAPSHOTS = "published/parquet"


@pytest.fixture
def shell(shells: Shells, lake: Lake, tmp_path: Path) -> Shell:
    """A home that published one sweep into the lake."""
    shell = shells(tmp_path / "home", [milestone(number) for number in range(1, 6)])
    shell.home.preflight()
    shell.stages = Stages(shell.home, now=shell.clock, lake=lake)
    shell.sweep()
    shell.stages.publish()
    return shell


def published_again(shell: Shell) -> Snapshot:
    """A second snapshot, with a milestone more."""
    shell.clock.forward(minutes=10)
    shell.world.insert(milestone(6, last_updated_ts="2026-11-23T12:09:00Z"))
    shell.sweep()
    return shell.stages.publish()


def newest(lake: Lake) -> str:
    pointer = read_pointer(lake)
    assert pointer is not None
    return pointer.snapshot


@BOTH
def test_the_lake_has_the_files_of_the_home(shell: Shell, lake: Lake) -> None:
    home = shell.home
    here = {
        str(file.relative_to(home.root)): file.stat().st_size
        for folder in (home.snapshots / newest(lake), home.raw)
        for file in folder.rglob("*")
        if file.is_file()
    }

    there = lake.sizes()
    assert there.pop(POINTER) > 0
    assert there == here
    assert verify_lake(lake).differences == []
    assert verify_lake(lake).files == len([name for name in here if name.startswith("published")]) - 1


@BOTH
def test_unchanged_files_are_not_uploaded_again(shell: Shell, lake: Lake, caplog: pytest.LogCaptureFixture) -> None:
    before = Manifest.read(shell.home.latest_snapshot)
    with caplog.at_level(logging.INFO):
        snapshot = published_again(shell)

    kept = {file.sha256 for file in before.files}
    files = [file for file in snapshot.manifest.files if file.path.startswith("parquet/")]
    changed = [file for file in files if file.sha256 not in kept]
    (line,) = (record.getMessage() for record in caplog.records if "files uploaded" in record.getMessage())
    assert 0 < len(changed) < len(files)
    assert line == (
        f"snapshot {snapshot.manifest.snapshot} is in {lake}: {len(changed)} files uploaded "
        f"({sum(file.bytes for file in changed)} bytes), {len(files) - len(changed)} copied there"
    )
    assert verify_lake(lake).differences == []
    assert newest(lake) == snapshot.manifest.snapshot


def test_a_snapshot_that_is_in_the_lake_is_not_uploaded_twice(shell: Shell, lake: Lake) -> None:
    manifest = Manifest.read(shell.home.latest_snapshot)
    snapshot = Snapshot(shell.home.snapshots / manifest.snapshot, manifest)

    assert share(shell.home, lake, snapshot, Retention(), now=shell.clock()).uploaded == 0


def test_an_upload_that_fails_leaves_the_previous_snapshot(
    shell: Shell, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = newest(lake)

    def fail(*_: object) -> str:
        raise LakeUnusable("cannot reach the lake")

    with monkeypatch.context() as broken:
        broken.setattr(Lake, "upload", fail)
        with pytest.raises(LakeUnusable):
            shell.stages.publish()

    assert newest(lake) == before
    assert verify_lake(lake).differences == []
    assert verify_home(shell.home).differences == []
    # The next publish uploads what is missing.
    shell.stages.publish()
    assert newest(lake) == shell.home.latest_snapshot.readlink().name
    assert verify_lake(lake).differences == []


def test_damage_at_home_does_not_reach_the_lake(shell: Shell, lake: Lake) -> None:
    before = newest(lake)
    shell.stages = Stages(shell.home, now=shell.clock)
    snapshot = published_again(shell)
    (file := snapshot.folder / "milestones" / "part-000.parquet").write_bytes(file.read_bytes() + b"x")

    with pytest.raises(PublishedDiffers, match=r"milestones/part-000.parquet differs from its manifest"):
        share(shell.home, lake, snapshot, Retention(), now=shell.clock())
    assert newest(lake) == before


def test_verify_names_what_vanished_and_what_differs(shell: Shell, lake: Lake) -> None:
    folder = f"{SNAPSHOTS}/{newest(lake)}"
    lake.remove(f"{folder}/milestones/part-000.parquet")
    lake.write(f"{folder}/sweeps/part-000.parquet", b"other")

    assert verify_lake(lake).differences == [
        f"{lake}/{folder}/milestones/part-000.parquet is missing",
        f"{lake}/{folder}/sweeps/part-000.parquet differs from its manifest",
    ]


def test_the_next_publish_uploads_what_vanished(shell: Shell, lake: Lake) -> None:
    folder = f"{SNAPSHOTS}/{newest(lake)}"
    lake.remove(f"{folder}/milestones/part-000.parquet")
    lake.write(f"{folder}/milestone_events/part-000.parquet", b"short")
    shell.stages.publish()

    assert verify_lake(lake).differences == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("latest.json", b"{", "latest.json is damaged", id="pointer"),
        pytest.param("{}/manifest.json", b"{}", "manifest.json is damaged", id="manifest"),
        pytest.param("{}/manifest.json", None, "manifest.json is missing", id="no manifest"),
    ],
)
def test_damage_of_what_describes_a_snapshot(
    shell: Shell, lake: Lake, name: str, content: bytes | None, message: str
) -> None:
    name = f"{SNAPSHOTS}/{name.format(newest(lake))}"
    if content is None:
        lake.remove(name)
    else:
        lake.write(name, content)
    with pytest.raises(PublishedDiffers, match=message):
        verify_lake(lake)


def test_a_manifest_of_another_publish_is_damage(shell: Shell, lake: Lake) -> None:
    pointer = read_pointer(lake)
    assert pointer is not None
    lake.write(POINTER, msgspec.json.encode(msgspec.structs.replace(pointer, checksum="0" * 64)))
    with pytest.raises(PublishedDiffers, match=r"is not the manifest that .*latest.json names"):
        verify_lake(lake)


def test_nothing_published(lake: Lake) -> None:
    with pytest.raises(PublishedDiffers, match=r"^nothing is published in .*: run milestones ingest"):
        verify_lake(lake)


@BOTH
def test_retention_removes_from_the_lake_what_it_removes_at_home(shell: Shell, lake: Lake) -> None:
    shell.stages = Stages(
        shell.home,
        now=shell.clock,
        lake=lake,
        retention=Retention(snapshots=1, snapshot_age=timedelta(0), sweeps=1, sweep_age=timedelta(0)),
    )
    published_again(shell)

    assert lake.folders(SNAPSHOTS) == [newest(lake)] == [shell.home.latest_snapshot.readlink().name]
    assert lake.folders("raw") == sorted(folder.name for folder in shell.home.raw.iterdir())
    assert len(lake.folders("raw")) == 1


@BOTH
def test_an_empty_home_takes_up_the_state_and_continues(shell: Shell, lake: Lake, tmp_path: Path) -> None:
    first = shell.home
    published_again(shell)
    second = Home(tmp_path / "second")
    second.preflight()
    take_up(second, lake, now=shell.clock())

    assert verify_home_without_duckdb(second) == []
    assert contents(second.warehouse_file, tables=["milestones", "milestone_versions", "sweeps"]) == contents(
        first.warehouse_file, tables=["milestones", "milestone_versions", "sweeps"]
    )
    shell.home, shell.stages = second, Stages(second, now=shell.clock, lake=lake)
    shell.clock.forward(minutes=10)
    shell.world.insert(milestone(7, last_updated_ts="2026-11-23T12:19:00Z"))
    ledger = shell.sweep()
    shell.stages.publish()

    assert (ledger.mode, ledger.new, ledger.sweep_id[:6], newest(lake)[:6]) == ("incremental", 1, "000003", "000003")
    assert verify_lake(lake).differences == []
    # The first home must not replace what the second one published.
    with pytest.raises(LakeAhead, match=r"has the snapshot 000003-.*, which .*home did not publish"):
        take_up(first, lake, now=shell.clock())
    with pytest.raises(LakeAhead):
        Stages(first, now=shell.clock, lake=lake).publish()
    assert newest(lake)[:6] == "000003"


def verify_home_without_duckdb(home: Home) -> list[str]:
    return [line for line in verify_home(home).differences if str(home.published_duckdb) not in line]


def test_a_home_whose_published_snapshot_was_pruned_may_publish(shell: Shell, lake: Lake) -> None:
    pointer = read_pointer(lake)
    assert pointer is not None
    lake.write(POINTER, msgspec.json.encode(msgspec.structs.replace(pointer, snapshot="000000-20261101T120000Z")))
    take_up(shell.home, lake, now=shell.clock())
    shell.stages.publish()

    assert verify_lake(lake).differences == []


def test_a_damaged_manifest_at_home_stops_no_publish(shell: Shell, lake: Lake) -> None:
    """The publish that replaces it must reach the lake too."""
    (shell.home.latest_snapshot / "manifest.json").write_bytes(b"damaged")
    take_up(shell.home, lake, now=shell.clock())
    published_again(shell)

    assert newest(lake)[:6] == "000002"
    assert verify_lake(lake).differences == []


def test_a_take_up_that_was_killed_begins_again(shell: Shell, lake: Lake, tmp_path: Path) -> None:
    """With a snapshot and without a warehouse, the home would begin a new history, and publish it into the lake."""
    pointer = read_pointer(lake)
    assert pointer is not None
    second = Home(tmp_path / "second")
    second.preflight()
    download(second, lake, pointer)
    (second.snapshots / pointer.snapshot / "manifest.json").unlink()
    restored = take_up(second, lake, now=shell.clock())

    assert restored is not None
    assert second.latest_snapshot.readlink().name == pointer.snapshot
    assert verify_home_without_duckdb(second) == []
    assert contents(second.warehouse_file, tables=["milestone_versions", "sweeps"]) == contents(
        shell.home.warehouse_file, tables=["milestone_versions", "sweeps"]
    )


def test_a_home_that_lost_what_it_published_takes_it_from_the_lake(shell: Shell, lake: Lake) -> None:
    """Its snapshots are numbered after the newest one, and its warehouse is not touched."""
    before = contents(shell.home.warehouse_file, tables=["milestone_versions", "sweeps"])
    snapshot = newest(lake)
    shutil.rmtree(shell.home.published)
    shell.home.preflight()
    assert take_up(shell.home, lake, now=shell.clock()) is None

    assert shell.home.latest_snapshot.readlink().name == snapshot
    assert verify_home_without_duckdb(shell.home) == []
    assert contents(shell.home.warehouse_file, tables=["milestone_versions", "sweeps"]) == before
    published_again(shell)
    assert newest(lake)[:6] == "000002"
    assert verify_lake(lake).differences == verify_home(shell.home).differences == []


def test_a_home_that_never_had_the_sweep_in_the_lake_takes_nothing(shell: Shell, lake: Lake) -> None:
    shutil.rmtree(shell.home.published)
    for folder in shell.home.raw.iterdir():
        shutil.rmtree(folder)
    shell.home.preflight()
    with pytest.raises(LakeAhead, match=r"did not publish, or lost"):
        take_up(shell.home, lake, now=shell.clock())
    assert not shell.home.latest_snapshot.exists()


def test_damage_in_the_lake_is_not_taken_up(shell: Shell, lake: Lake, tmp_path: Path) -> None:
    lake.write(f"{SNAPSHOTS}/{newest(lake)}/milestone_versions/part-000.parquet", b"other")
    second = Home(tmp_path / "second")
    second.preflight()
    with pytest.raises(PublishedDiffers, match=r"milestone_versions/part-000.parquet differs .*: run mile"):
        take_up(second, lake, now=shell.clock())
    assert not second.latest_snapshot.exists()
    assert not second.warehouse_file.exists()

    lake.remove(f"{SNAPSHOTS}/{newest(lake)}/milestone_versions/part-000.parquet")
    with pytest.raises(PublishedDiffers, match=r"milestone_versions/part-000.parquet is missing"):
        take_up(second, lake, now=shell.clock())


def test_an_interrupted_sweep_is_resumed_by_another_home(shell: Shell, lake: Lake, tmp_path: Path) -> None:
    shell.clock.forward(minutes=10)
    landing = shell.land(mode="full")
    pages = landing.sweep.pages
    # As after a kill during the fetch: the last page was not landed.
    landing.sweep.landed_at, landing.sweep.state = None, "landing"
    landing.reopen(pages=pages - 1)
    assert f"raw/{landing.sweep.sweep_id}/page-{pages:06d}.parquet" not in lake.sizes()

    second = Home(tmp_path / "second")
    second.preflight()
    take_up(second, lake, now=shell.clock())
    shell.home, shell.stages = second, Stages(second, now=shell.clock, lake=lake)
    resumed = shell.land()

    assert (resumed.sweep.sweep_id, resumed.sweep.mode) == (landing.sweep.sweep_id, "full")
    resumed.check()
    assert lake.sizes(f"raw/{resumed.sweep.sweep_id}").keys() == {file.name for file in resumed.folder.iterdir()}


def test_a_lake_that_fails_during_a_fetch_leaves_a_sweep_to_resume(
    shell: Shell, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = Lake.upload

    def fail(self: Lake, name: str, file: Path) -> str:
        if name == "page-000002.parquet":
            raise LakeUnusable("cannot reach the lake")
        return upload(self, name, file)

    with monkeypatch.context() as broken:
        broken.setattr(Lake, "upload", fail)
        with pytest.raises(LakeUnusable):
            shell.land(mode="full")

    interrupted = Landing.newest(shell.home.raw)
    assert interrupted is not None
    assert (interrupted.sweep.is_interrupted, interrupted.sweep.error) == (True, "cannot reach the lake")
    resumed = shell.land(mode="full")
    assert resumed.sweep.sweep_id == interrupted.sweep.sweep_id
    assert {name for name in lake.sizes(f"raw/{resumed.sweep.sweep_id}") if name.startswith("page")} == {
        f"page-{number:06d}.parquet" for number in range(1, resumed.sweep.pages + 1)
    }


def test_a_lake_in_the_home_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.preflight()
    with pytest.raises(WrongSetting, match="MILESTONES_LAKE is in the home"):
        take_up(home, Lake.open(LakeAddress.parse(str(tmp_path / "published"))), now=NOON)


def test_credentials_are_in_no_file_and_no_log(shell: Shell, lake: Lake, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        published_again(shell)
    assert SECRET not in caplog.text
    assert not [file for file in shell.home.root.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]
