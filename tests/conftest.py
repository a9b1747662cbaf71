"""What tests of several folders share: where the recorded answers are, and how hard hypothesis tries."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

PROJECT = Path(__file__).parents[1]

# The same examples every time, so that a failure is the change's own; to look for new ones:
# pytest --hypothesis-profile=explore
settings.register_profile("suite", deadline=None, derandomize=True, database=None, max_examples=60)
settings.register_profile("explore", deadline=None, max_examples=5_000)
settings.load_profile("suite")

# A shell that starts the suite in the background has it ignore Ctrl-C, and so every command that a test presses it for.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _log_level_put_back() -> Iterator[None]:
    """Commands set the level of our logger for their process; in this one other tests follow."""
    logger = logging.getLogger("pipelines")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture(scope="session")
def payloads() -> Path:
    """The folder of recorded answers; skips where it is not at hand."""
    folder = Path(os.environ.get("RECORDED_PAYLOADS", PROJECT.parent / "shared" / "payloads"))
    if not folder.is_dir():
        pytest.skip(f"no recorded answers in {folder}: set RECORDED_PAYLOADS to their folder")
    return folder
