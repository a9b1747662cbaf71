"""A process that forks one child a sweep: `python -m tests.hard.zygote`. The child skips half a second of imports.

Each line of input is one sweep (`Sweep` as JSON). The child stops itself before it begins, so that a tracer can be
attached; its process id is written, it runs when it gets SIGCONT, and its exit status is written when it has ended.
Without Dagster: what is on the disk is written by the stages alone.
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import duckdb
import msgspec

from pipelines.errors import MilestonesError
from pipelines.kalshi.client import KalshiClient
from pipelines.staging.stage_tables import _prove_once
from pipelines.storage.home import Home
from pipelines.storage.leftovers import writer_session
from pipelines.sweep.progress_listener import NullProgress
from pipelines.sweep.request import SweepRequest
from pipelines.sweep.stages import Stages

FAILED, CRASHED = 1, 3
"""Exit statuses: an error that the command line prints in one line, and any other exception."""


class Sweep(msgspec.Struct):
    """A sweep to run; `file_bytes` limits the size of the files that it writes (0: no limit)."""

    home: str
    base_url: str
    mode: Literal["auto", "full", "retry"]
    file_bytes: int = 0


def run(sweep: Sweep) -> None:
    """Land, stage, load and publish, as a run does."""
    home = Home(Path(sweep.home))
    if sweep.file_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (sweep.file_bytes, resource.RLIM_INFINITY))
    home.preflight()
    with writer_session(home, purpose="a sweep that is disturbed"):
        stages = Stages(home, now=lambda: datetime.now(UTC))
        with KalshiClient(sweep.base_url, requests_per_second=0) as api:
            stages.land(api, SweepRequest(mode=sweep.mode), NullProgress())
        stages.stage_records()
        _, staged = stages.stage_tables()
        if staged.refusal:
            raise MilestonesError(staged.refusal)
        stages.load()
        stages.publish()


def status_of(work: Callable[[], None]) -> int:
    """Do the work; returns its exit status."""
    try:
        work()
    except (MilestonesError, OSError, duckdb.Error) as error:
        _complain(error)
        return FAILED
    except BaseException as error:  # noqa: BLE001 - the status tells it
        _complain(error)
        return CRASHED
    return 0


def _complain(error: BaseException) -> None:
    # Where every write fails, so does this one: the status must tell a crash from an error all the same.
    with contextlib.suppress(OSError):
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)


def main() -> None:
    """Fork a child for each line of input."""
    # A quarter of a small sweep's time, most of it for imports: the children inherit the proof.
    _prove_once()
    for line in sys.stdin:
        sweep = msgspec.json.decode(line, type=Sweep)
        child = os.fork()
        if not child:
            os.kill(os.getpid(), signal.SIGSTOP)
            os._exit(status_of(functools.partial(run, sweep)))
        os.waitpid(child, os.WUNTRACED)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
