"""A home that the demo makes, for tests that read it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.cli.demo import run_demo
from pipelines.cli.main import run
from pipelines.storage.home import Home
from tests.support import logging_kept


@contextlib.contextmanager
def demo_home(folder: Path, *, rows: int) -> Iterator[Home]:
    """A home made by the demo; the environment variables that it sets are restored."""
    home = Home(folder)
    with pytest.MonkeyPatch.context() as environment, logging_kept():
        for name in ("KALSHI_BASE_URL", "KALSHI_REQUESTS_PER_SECOND", "MILESTONES_HOME"):
            environment.setenv(name, "")
        assert run_demo(run, home=home, rows=rows) == 0
    yield home
