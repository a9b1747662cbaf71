"""Runs the Dagster job in this process, so that the run appears in the UI, and words its failure in one line."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from typing import Any

import dagster as dg

from pipelines.definitions import build_defs
from pipelines.errors import DiskFull, MilestonesError, is_disk_full
from pipelines.kalshi.errors import KalshiError
from pipelines.orchestration.jobs import INGEST_JOB
from pipelines.orchestration.resources import HomeResource
from pipelines.orchestration.run_history import PROCESS_TAG, causes, history_fault, open_history
from pipelines.storage.home import Home
from pipelines.storage.landing import Landing
from pipelines.sweep.progress_listener import ProgressListener


class RunFailed(MilestonesError):
    """The run did not reach its end; `str()` says why."""


@dataclass(frozen=True)
class Published:
    """A run that reached its end. `warning` says what went wrong after publishing; None when nothing did."""

    run_id: str
    warning: str | None = None


def run_ingest(home: Home, config: dict[str, Any], progress: ProgressListener) -> Published:
    """One run of the job. Raises MilestonesError or KalshiError, whatever they were raised from."""
    job = build_defs(progress=progress, stages=HomeResource(path=str(home.root))).resolve_job_def(INGEST_JOB)
    run_config = {
        "ops": {"pages": {"config": config}},
        # What happened is told by us; every event is in Dagster's log.
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }
    run_id, tags = str(uuid.uuid4()), {PROCESS_TAG: str(os.getpid())}
    with open_history(home) as instance:
        # Those of earlier runs, whose story is not this run's.
        sweep, snapshot = _newest_id(home), _latest_snapshot(home)
        try:
            job.execute_in_process(run_config=run_config, instance=instance, run_id=run_id, tags=tags)
        except dg.DagsterExecutionInterruptedError as error:
            raise KeyboardInterrupt from error
        except Exception as error:
            fault = history_fault(error, home)
            if fault is None or _own_fault(error) or _latest_snapshot(home) == snapshot:
                raise _cause(error, home, sweep) from error
            # Loaded and published: that Dagster could not record it is no failure of the sweep.
            return Published(run_id, warning=f"the sweep is published, but not in Dagster's history: {fault}")
    return Published(run_id)


def _own_fault(error: Exception) -> Exception | None:
    """The first fault with words of our own that led to an error."""
    return next((link for link in causes(error) if isinstance(link, (MilestonesError, KalshiError))), None)


def _cause(error: Exception, home: Home, before: str | None) -> Exception:
    """The fault that a user can act on, out of what Dagster wrapped around it.

    `before` is the sweep that was the newest when the run began.
    """
    if fault := _own_fault(error) or history_fault(error, home):
        return fault
    if is_disk_full(error):
        return DiskFull(home.root)
    landing = Landing.newest(home.raw)
    if landing is not None and landing.sweep.sweep_id != before and landing.sweep.state == "failed":
        return RunFailed(landing.sweep.error or "no reason was left")
    return RunFailed(f"{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}")


def _newest_id(home: Home) -> str | None:
    landing = Landing.newest(home.raw)
    return landing.sweep.sweep_id if landing else None


def _latest_snapshot(home: Home) -> str | None:
    """The name of the snapshot that is published."""
    return home.latest_snapshot.readlink().name if home.latest_snapshot.is_symlink() else None
