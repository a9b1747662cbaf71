"""Fixtures of the tests of Iceberg: a home with a published snapshot, and an empty lake."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.publish import snapshot
from pipelines.publish.snapshot import Snapshot
from tests.support import NOON, Shell, Shells, milestone

pytest.importorskip("pyiceberg", reason="needs the extra iceberg")

from tests.iceberg.lake import Lake

ROWS = [milestone(number, start_date=f"{NOON + timedelta(days=number):%Y-%m-%dT%H:%M:%SZ}") for number in range(1, 41)]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def shell(shells: Shells, tmp_path: Path) -> Shell:
    """Forty milestones on forty days, in ranges of ten."""
    return _published(shells, tmp_path / "home")


@pytest.fixture(scope="module")
def published(shells: Shells, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """The same, not to be changed."""
    return _published(shells, tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def published_lake(published: Shell, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake to which it was published once."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    lake.publish(published.home)
    return lake


def _published(shells: Shells, folder: Path) -> Shell:
    made = shells(folder, [*ROWS, milestone(99, type="chess_match")])
    made.sweep()
    publish_files(made)
    return made


def publish_files(shell: Shell) -> Snapshot:
    """Publish Parquet files in ranges of ten milestones."""
    return snapshot.publish(shell.home, now=shell.clock(), per_range=10)


def sweep_and_publish(shell: Shell) -> Snapshot:
    """An hour later: a full sweep, and its files."""
    shell.clock.forward(hours=1)
    shell.sweep(mode="full")
    return publish_files(shell)
