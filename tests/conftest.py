"""Shared by all tests: hypothesis profiles, logging, and the folder of recorded responses."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from pipelines.storage.lake import Lake
from tests.support import Shells, logging_kept, serving_shells

if TYPE_CHECKING:
    from tests.lakes import Server

PROJECT = Path(__file__).parents[1]

# The same examples every time, so that a failure is caused by the change. To search for new ones:
# pytest --hypothesis-profile=explore
settings.register_profile("suite", deadline=None, derandomize=True, database=None, max_examples=60)
settings.register_profile("explore", deadline=None, max_examples=5_000)
settings.load_profile("suite")

# A shell that runs the suite in the background ignores SIGINT, and child processes inherit that; tests send SIGINT.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Tests of milestones alone: other endpoints cost requests and time in every sweep. Tests of them ask for them.
os.environ["MILESTONES_ENDPOINTS"] = "none"


@pytest.fixture(autouse=True)
def _logging_kept() -> Iterator[None]:
    with logging_kept():
        yield


@pytest.fixture(scope="session")
def payloads() -> Path:
    """The folder of recorded responses. If it is missing, skips, or fails if REQUIRE_RECORDED_PAYLOADS is set."""
    folder = Path(os.environ.get("RECORDED_PAYLOADS", PROJECT.parent / "shared" / "payloads"))
    if not folder.is_dir():
        missing = f"no recorded responses in {folder}: set RECORDED_PAYLOADS to their folder"
        if os.environ.get("REQUIRE_RECORDED_PAYLOADS"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    return folder


@pytest.fixture(scope="module")
def shells() -> Iterator[Shells]:
    """Homes with a sandbox each; see `support.Shells`."""
    with serving_shells() as shells:
        yield shells


@pytest.fixture(scope="session")
def s3() -> Iterator[Server]:
    """An S3 server. It takes two seconds to import, which most tests do not need."""
    from tests.lakes import serving_s3  # noqa: PLC0415

    with serving_s3() as server:
        yield server


@pytest.fixture
def lake(request: pytest.FixtureRequest, s3: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """An empty lake in a bucket, or in a folder where `tests.lakes.BOTH` marks the test."""
    from tests.lakes import new_lake, set_environment  # noqa: PLC0415

    set_environment(monkeypatch, s3)
    return new_lake(getattr(request, "param", "s3"), s3, tmp_path / "lake")
