"""Fixtures for the tests of commands: a published home, and commands that run in it."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.cli.main import run
from pipelines.storage.home import Home
from tests.cli.commands import DEAD_URL, HOSTILE, Command, Outcome, environment
from tests.support import Shell, Shells, milestone


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs a command in this process."""
    before = signal.getsignal(signal.SIGTERM)
    handlers = list(logging.getLogger("pipelines").handlers)

    def run_command(*arguments: str) -> Outcome:
        capsys.readouterr()
        status = run(list(arguments))
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    yield run_command
    signal.signal(signal.SIGTERM, before)
    logging.getLogger("pipelines").handlers = handlers


@pytest.fixture(scope="module")
def published(shells: Shells, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A published home, made without Dagster."""
    rows = [*(milestone(number) for number in range(1, 99)), milestone(99, title=HOSTILE), milestone(100, title=7)]
    shell = shells(tmp_path_factory.mktemp("published"), rows)
    shell.sweep()
    shell.stages.publish()
    return shell


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Home]:
    """Sets the environment of the commands: home, API and settings."""

    def point(home: Path, base_url: str = DEAD_URL, **variables: str) -> Home:
        for name, value in (environment(home, base_url) | variables).items():
            monkeypatch.setenv(name, value)
        return Home(home)

    return point
