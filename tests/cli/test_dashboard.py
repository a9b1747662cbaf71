"""`milestones dashboard` finds an environment that has Streamlit, or says how to get one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pipelines.cli import dashboard
from pipelines.cli.dashboard import run_dashboard
from pipelines.errors import NothingToDo
from pipelines.storage.home import Home


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The dashboard's source, without an environment."""
    folder = tmp_path / "dashboard"
    folder.mkdir()
    monkeypatch.setattr(dashboard, "project_file", {"dashboard": folder}.__getitem__)
    # `run_dashboard` changes both; monkeypatch restores them.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MILESTONES_HOME", "")
    return folder


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The programs that would have replaced this process."""
    programs: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, program: programs.append(program))
    return programs


def test_a_checkout_has_an_environment_of_its_own(source: Path, started: list[list[str]], tmp_path: Path) -> None:
    python = source / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    run_dashboard(Home(tmp_path / "home"), 8600)
    interpreter, script, descriptor = started[0]
    assert (interpreter, script) == (str(python), "serve.py")
    assert int(descriptor) > 2
    assert Path.cwd() == source
    assert os.environ["MILESTONES_HOME"] == str(tmp_path / "home")


def test_an_installed_extra_runs_in_this_interpreter(
    source: Path, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "find_spec", {"streamlit": object()}.__getitem__)
    run_dashboard(Home(source), 8600)
    assert started[0][0] == sys.executable


@pytest.mark.usefixtures("source")
def test_without_an_environment_the_error_names_both_ways(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dashboard, "find_spec", {"streamlit": None}.__getitem__)
    with pytest.raises(NothingToDo, match=r"make dashboard.*\[dashboard\]"):
        run_dashboard(Home(tmp_path), 8600)
