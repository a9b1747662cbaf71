"""A published home for the tests of several modules."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipelines.storage.home import Home
from tests.support import Shell, milestone, serving_shells


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A published home: two sweeps, and a record that both refused. Tests do not change it."""
    with serving_shells() as shells:
        rows = [*(milestone(number) for number in range(1, 100)), milestone(100, title=7)]
        shell = shells(tmp_path_factory.mktemp("published"), rows)
        shell.sweep()
        shell.clock.forward(hours=1)
        shell.world.edit_title(rows[0]["id"], "changed")
        shell.sweep()
        shell.stages.publish()
    return shell


@pytest.fixture
def home(published: Shell, tmp_path: Path) -> Home:
    """A copy of the published home, which a test may change."""
    shutil.copytree(published.home.root, tmp_path / "home", symlinks=True)
    return Home(tmp_path / "home")
