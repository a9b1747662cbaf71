"""A backup, restored as docs/operations.md says: a copy of its folder elsewhere is read and swept on there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli.main import run
from pipelines.recovery.backup import backup
from pipelines.storage.home import Home
from tests.support import Shell, contents, milestone, milestone_id, serving_shells

pytestmark = pytest.mark.slow

Command = Callable[..., str]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A home with two sweeps and two snapshots, written to long enough to have a history."""
    with serving_shells() as shells:
        made = shells(tmp_path_factory.mktemp("home"), map(milestone, range(1, 41)))
        # The clock of the commands, which sweep on from here.
        made.clock.time = datetime.now(UTC)
        made.home.preflight()
        made.sweep(mode="full")
        made.stages.publish()
        made.world.edit_title(milestone_id(3), "Moved to Tuesday")
        made.sweep(mode="full")
        made.stages.publish()
        yield made


@pytest.fixture
def restored(shell: Shell, tmp_path: Path, request: pytest.FixtureRequest) -> Home:
    """A copy of a backup, at another place; `param` names the part that was lost."""
    backup(shell.home, tmp_path / "backup", now=shell.clock)
    shutil.copytree(tmp_path / "backup", tmp_path / "elsewhere", symlinks=True)
    if request.param:
        shutil.rmtree(tmp_path / "elsewhere" / request.param)
    return Home(tmp_path / "elsewhere")


@pytest.fixture
def ingested(restored: Home, shell: Shell) -> dict[str, Any]:
    """What an incremental sweep says in the restored home: in a process of its own, which sets Dagster up anew."""
    environment = os.environ | {
        "MILESTONES_HOME": str(restored.root),
        "KALSHI_BASE_URL": shell.base_url,
        "KALSHI_REQUESTS_PER_SECOND": "0",
    }
    command = [sys.executable, "-m", "pipelines.cli", "ingest", "--json"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    outcome: dict[str, Any] = json.loads(ended.stdout)
    return outcome


@pytest.fixture
def milestones(restored: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """A command that only reads, in the restored home; what it printed."""
    monkeypatch.setenv("MILESTONES_HOME", str(restored.root))

    def ask(*arguments: str) -> str:
        assert run(list(arguments)) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return ask


@pytest.mark.parametrize("restored", [""], ids=["whole"], indirect=True)
def test_a_restored_home_can_be_read(shell: Shell, restored: Home, milestones: Command) -> None:
    assert contents(restored.published_duckdb) == contents(shell.home.published_duckdb)
    assert "all as published" in milestones("verify")
    assert json.loads(milestones("status", "--json"))["rows"]["milestones"] == 40


@pytest.mark.parametrize("restored", [""], ids=["whole"], indirect=True)
def test_a_restored_home_is_swept_on(restored: Home, ingested: dict[str, Any], milestones: Command) -> None:
    assert ingested["sweep"]["mode"] == "incremental"
    assert ingested["sweep"]["sweep_id"].startswith("000003-")
    assert ingested["sweep"]["changed"] == 0
    assert ingested["rows"]["milestone_versions"] == 41
    assert not restored.backup_marker.exists()
    assert "all as published" in milestones("verify")


@pytest.mark.parametrize("restored", ["published"], ids=["without published"], indirect=True)
def test_what_was_published_is_made_again(
    shell: Shell, restored: Home, ingested: dict[str, Any], milestones: Command
) -> None:
    tables = ["milestones", "milestone_versions", "milestone_changes"]
    assert contents(restored.published_duckdb, tables=tables) == contents(shell.home.published_duckdb, tables=tables)
    assert "all as published" in milestones("verify")


@pytest.mark.parametrize("restored", ["raw"], ids=["without raw"], indirect=True)
def test_without_raw_pages_the_numbers_of_sweeps_go_on(ingested: dict[str, Any]) -> None:
    assert ingested["sweep"]["sweep_id"] > "000003-"
