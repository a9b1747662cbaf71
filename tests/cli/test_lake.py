"""MILESTONES_LAKE at the command line: two machines with one lake, and each fault as one line."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from moto.core.authorization import ActionAuthenticatorMixin
from moto.s3.models import S3Backend

from pipelines.project_files import CHECKOUT
from pipelines.publish.lake import read_pointer, verify_lake
from pipelines.storage.home import Home
from pipelines.storage.lake import Lake
from tests.cli.commands import DEAD_URL, Command
from tests.lakes import KEY_ID, SECRET, Server
from tests.support import Shell, Shells, milestone, rows_of

pytestmark = pytest.mark.slow


@pytest.fixture
def lake_set(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("MILESTONES_LAKE", str(lake))
    return lake


def snapshot_in(lake: Lake) -> str:
    pointer = read_pointer(lake)
    assert pointer is not None
    return pointer.snapshot


def test_a_second_machine_continues(
    shells: Shells, tmp_path: Path, at: Callable[..., Home], command: Command, lake_set: Lake
) -> None:
    shell = shells(tmp_path / "one", [milestone(1), milestone(2)])
    first = at(tmp_path / "one", shell.base_url)
    assert (ingested := command("ingest")).status == 0, ingested.err
    assert snapshot_in(lake_set)[:6] == "000001"

    second = at(tmp_path / "two", shell.base_url)
    assert (restored := command("restore")).status == 0, restored.err
    assert str(second.warehouse_file) in restored.out
    assert snapshot_in(lake_set)[:6] == "000002"
    verified = command("verify")
    assert verified.status == 0, verified.err
    assert [line.partition(": ")[0] for line in verified.out.splitlines()] == [
        "warehouse",
        "landed pages",
        f"snapshot {snapshot_in(lake_set)}",
        f"snapshot {snapshot_in(lake_set)} in {lake_set}",
    ]

    third = at(tmp_path / "three", shell.base_url)
    shell.world.insert(milestone(3, last_updated_ts="2026-11-24T12:00:00Z"))
    assert (continued := command("ingest")).status == 0, continued.err
    assert rows_of(third.published_duckdb, "SELECT mode, new FROM sweeps ORDER BY sweep_id") == [
        ("full", 2),
        ("incremental", 1),
    ]

    name = f"published/parquet/{snapshot_in(lake_set)}/milestones/part-000.parquet"
    lake_set.remove(name)
    vanished = command("verify")
    assert vanished.status == 1
    assert vanished.error_line.startswith(f"{lake_set}/{name} is missing: remove the object, if it is there, and run")

    at(first.root, shell.base_url)
    behind = command("ingest")
    assert behind.status == 1
    assert behind.error_line.startswith(f"{lake_set} has the snapshot 000003-")
    assert "set MILESTONES_HOME to an empty folder to continue from the lake" in behind.error_line


def test_the_command_that_verify_names_mends_lost_published_files(
    shells: Shells, tmp_path: Path, at: Callable[..., Home], command: Command, lake_set: Lake
) -> None:
    shell = shells(tmp_path / "one", [milestone(1), milestone(2)])
    home = at(tmp_path / "one", shell.base_url)
    assert (ingested := command("ingest")).status == 0, ingested.err
    shutil.rmtree(home.published)
    assert command("verify").error_line == f"nothing is published in {home.published}: run milestones rebuild"
    assert (rebuilt := command("rebuild")).status == 0, rebuilt.err

    assert snapshot_in(lake_set)[:6] == "000002"
    assert command("verify").status == 0


def test_a_missing_bucket_ends_the_run_before_any_request(
    s3: Server, tmp_path: Path, at: Callable[..., Home], command: Command, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(tmp_path, DEAD_URL)
    monkeypatch.setenv("MILESTONES_LAKE", "s3://no-such-bucket")
    outcome = command("ingest")
    assert outcome.status == 1
    assert outcome.error_line == "there is no bucket no-such-bucket: create it, or correct MILESTONES_LAKE"


def test_every_command_names_a_folder_that_is_not_mounted(
    published: Shell, tmp_path: Path, at: Callable[..., Home], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILESTONES_LAKE", str(tmp_path / "lake"))
    for words in (["ingest"], ["restore"], ["verify", "--only", "lake"]):
        at(published.home.root if "verify" in words else tmp_path / "home", DEAD_URL)
        outcome = command(*words)
        assert outcome.status == 1
        assert outcome.error_line == f"there is no folder {tmp_path / 'lake'}: create it, or correct MILESTONES_LAKE"


def test_a_restore_refuses_a_lake_in_the_home_and_one_of_another_home(
    shells: Shells, tmp_path: Path, at: Callable[..., Home], command: Command, lake_set: Lake
) -> None:
    for name in ("one", "two"):
        shell = shells(tmp_path / name, [milestone(1)])
        home = at(shell.home.root, shell.base_url, MILESTONES_LAKE=str(lake_set) if name == "one" else "")
        assert command("ingest").status == 0
    at(home.root, MILESTONES_LAKE=str(lake_set))
    home.warehouse_file.unlink()
    assert "which" in (refused := command("restore").error_line)
    assert refused.startswith(f"{lake_set} has the snapshot 000001-")

    at(home.root, MILESTONES_LAKE=str(home.root / "raw"))
    inside = command("restore")
    assert inside.status == 2
    assert inside.error_line.startswith("MILESTONES_LAKE is in the home")
    assert not home.warehouse_file.exists()


@pytest.mark.parametrize("name", ["page-000001.parquet", "part-000.parquet", "manifest.json", "latest.json"])
def test_after_a_kill_during_a_copy_the_next_sweep_ends_with_a_whole_lake(
    shells: Shells,
    tmp_path: Path,
    at: Callable[..., Home],
    lake_set: Lake,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """The process is killed when the server gets this object, which is not stored."""
    shell = shells(tmp_path / "home", [milestone(1), milestone(2)])
    home = at(shell.home.root, shell.base_url, MILESTONES_ENDPOINTS="none", PYTHONPATH=str(CHECKOUT))
    command = [sys.executable, "-m", "pipelines.cli", "ingest"]
    subprocess.run(command, check=True, capture_output=True)
    shell.world.insert(milestone(3, last_updated_ts="2026-11-24T12:00:00Z"))

    put = S3Backend.put_object
    with monkeypatch.context() as armed:

        def put_or_kill(self: S3Backend, bucket_name: str, key_name: str, *rest: Any, **more: Any) -> Any:
            if key_name.endswith(name):
                killed.kill()
                raise ConnectionError(key_name)
            return put(self, bucket_name, key_name, *rest, **more)

        armed.setattr(S3Backend, "put_object", put_or_kill)
        killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert killed.wait(60) == -signal.SIGKILL
    assert snapshot_in(lake_set)[:6] == "000001"
    assert verify_lake(lake_set).differences == []

    subprocess.run(command, check=True, capture_output=True)
    assert snapshot_in(lake_set) == home.latest_snapshot.readlink().name
    assert verify_lake(lake_set).differences == []
    assert lake_set.sizes("raw") == {
        str(file.relative_to(home.raw)): file.stat().st_size for file in home.raw.rglob("*") if file.is_file()
    }
    assert rows_of(home.published_duckdb, "SELECT count(*) FROM milestones") == [(3,)]


def test_refused_credentials_are_one_line_without_them(
    tmp_path: Path, at: Callable[..., Home], command: Command, lake_set: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = at(tmp_path / "home", DEAD_URL)
    # From now on, the server knows no key.
    monkeypatch.setattr(ActionAuthenticatorMixin, "request_count", float("inf"))
    outcome = command("ingest")
    assert outcome.status == 1
    assert outcome.error_line.startswith(f"the credentials for {lake_set} were refused (ACCESS_DENIED): set AWS_ACCESS")
    written = [file.read_bytes() for file in home.root.rglob("*") if file.is_file()]
    assert written
    assert not [content for content in written if SECRET.encode() in content or KEY_ID.encode() in content]


def test_a_wrong_lake_is_wrong_use(
    tmp_path: Path, at: Callable[..., Home], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(tmp_path, DEAD_URL)
    monkeypatch.setenv("MILESTONES_LAKE", f"s3://{KEY_ID}:{SECRET}@bucket/prefix")
    for words in (["ingest"], ["verify"], ["restore"]):
        outcome = command(*words)
        assert outcome.status == 2
        assert outcome.error_line.startswith("MILESTONES_LAKE names no valid bucket: give s3://BUCKET/PREFIX")
        assert SECRET not in outcome.err
