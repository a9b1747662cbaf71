"""The cause of a failed run, out of the exceptions that Dagster wraps. Whole runs are in test_write.py."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pipelines.cli.run_job import RunFailed, _cause
from pipelines.errors import DiskFull, SweepRefused
from pipelines.kalshi.errors import BadBaseUrl
from pipelines.storage.home import Home
from pipelines.storage.landing import Filters, Landing
from tests.support import NOON


def wrapped(cause: BaseException | None) -> Exception:
    """An error as Dagster raises it, two levels above its cause."""
    step = RuntimeError("the step failed")
    step.__cause__ = cause
    run = RuntimeError("the run\n failed")
    run.__cause__ = step
    return run


def failed_sweep(home: Home, error: str | None) -> str:
    landing = Landing.begin(home.raw, mode="full", filters=Filters(), ids=[], now=NOON)
    landing.sweep.state, landing.sweep.error = "failed", error
    landing.save()
    return landing.sweep.sweep_id


@pytest.mark.parametrize(
    "own_error", [SweepRefused("too few"), BadBaseUrl("ftp://x", detail="no")], ids=["pipeline", "API"]
)
def test_an_error_of_ours_is_the_cause(tmp_path: Path, own_error: Exception) -> None:
    assert _cause(wrapped(own_error), Home(tmp_path), None) is own_error


def test_a_full_disk_is_the_cause(tmp_path: Path) -> None:
    cause = _cause(wrapped(OSError(errno.ENOSPC, "No space left on device")), Home(tmp_path), None)
    assert isinstance(cause, DiskFull)
    assert str(tmp_path) in str(cause)


@pytest.mark.parametrize(
    ("recorded", "message"),
    [("too many\nrefusals", "too many\nrefusals"), (None, "the sweep recorded no reason")],
    ids=["reason", "no reason"],
)
def test_the_reason_of_a_failed_sweep(tmp_path: Path, recorded: str | None, message: str) -> None:
    failed_sweep(Home(tmp_path), recorded)
    cause = _cause(wrapped(None), Home(tmp_path), None)
    assert isinstance(cause, RunFailed)
    assert str(cause) == message


def test_a_sweep_from_before_the_run_is_not_the_cause(tmp_path: Path) -> None:
    before = failed_sweep(Home(tmp_path), "an earlier failure")
    cause = _cause(wrapped(None), Home(tmp_path), before)
    assert str(cause) == "RuntimeError: the run failed"
    assert str(_cause(ValueError(), Home(tmp_path), before)) == "ValueError: no message"
