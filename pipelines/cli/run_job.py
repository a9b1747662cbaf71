"""Runs the Dagster job in this process, recorded in Dagster's history, and finds the cause of a failure."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.definitions import build_defs
from pipelines.errors import DiskFull, MilestonesError, is_disk_full
from pipelines.orchestration.endpoints import EndpointsResource
from pipelines.orchestration.jobs import INGEST_JOB
from pipelines.orchestration.keys import refresh_job_name
from pipelines.orchestration.resources import HomeResource, utc_now
from pipelines.orchestration.run_history import PROCESS_TAG, history_fault, open_history, own_fault
from pipelines.orchestration.run_retention import prune_runs_by_settings
from pipelines.storage.home import Home
from pipelines.storage.landing import Landing
from pipelines.sweep.progress_listener import ProgressListener
from schemas.endpoint import Endpoint


class RunFailed(MilestonesError):
    """The run failed with an error that is not one of ours; `str()` names it."""


@dataclass(frozen=True)
class CompletedRun:
    """A run that published. `warning` says what failed after that; None if nothing did."""

    run_id: str
    warning: str | None = None


def run_ingest(home: Home, config: dict[str, Any], progress: ProgressListener) -> CompletedRun:
    """Run the job once. Raises the MilestonesError or KalshiError that Dagster wrapped, else RunFailed."""
    job = build_defs(progress=progress, stages=HomeResource(path=str(home.root))).resolve_job_def(INGEST_JOB)
    run_config = {
        "ops": {"pages": {"config": config}},
        # The command prints its own output; every event is in Dagster's history.
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }
    run_id, tags = str(uuid.uuid4()), {PROCESS_TAG: str(os.getpid())}
    with open_history(home) as instance:
        # The state before this run, to tell its sweep and snapshot from earlier ones.
        sweep, snapshot = _newest_id(home), _latest_snapshot(home)
        try:
            job.execute_in_process(run_config=run_config, instance=instance, run_id=run_id, tags=tags)
        except dg.DagsterExecutionInterruptedError as error:
            raise KeyboardInterrupt from error
        except Exception as error:
            fault = history_fault(error, home)
            if fault is None or own_fault(error) or _latest_snapshot(home) == snapshot:
                raise _cause(error, home, sweep) from error
            # The sweep was published, so an error of Dagster's history is only a warning.
            return CompletedRun(run_id, warning=f"the sweep is published, but not in Dagster's history: {fault}")
        finally:
            # Retention also works without a daemon that runs its schedule.
            prune_runs_by_settings(home.dagster, now=utc_now())
    return CompletedRun(run_id)


def run_refresh(home: Home, endpoint: Endpoint) -> bool:
    """Run the job of an endpoint once; False if there was nothing to request.

    Raises the MilestonesError or KalshiError that Dagster wrapped, else RunFailed.
    """
    job = build_defs(endpoints=EndpointsResource(path=str(home.root))).resolve_job_def(refresh_job_name(endpoint))
    run_config = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    before = _newest_refresh(home, endpoint)
    with open_history(home) as instance:
        try:
            job.execute_in_process(run_config=run_config, instance=instance, tags={PROCESS_TAG: str(os.getpid())})
        except dg.DagsterExecutionInterruptedError as error:
            raise KeyboardInterrupt from error
        except Exception as error:
            raise _cause(error, home, before[0] if before else None, raw=home.raw_of(endpoint.name)) from error
    return _newest_refresh(home, endpoint) != before


def _newest_refresh(home: Home, endpoint: Endpoint) -> tuple[str, str] | None:
    """The newest sweep of an endpoint and its state."""
    landing = Landing.newest(home.raw_of(endpoint.name))
    return (landing.sweep.sweep_id, landing.sweep.state) if landing else None


def _cause(error: Exception, home: Home, before: str | None, *, raw: Path | None = None) -> Exception:
    """The error to show to the user, out of the exceptions that Dagster wrapped around it.

    `before` is the newest sweep_id from before the run, in `raw`; None for the sweeps of milestones.
    """
    if fault := own_fault(error) or history_fault(error, home):
        return fault
    if is_disk_full(error):
        return DiskFull(home.root)
    landing = Landing.newest(raw or home.raw)
    if landing is not None and landing.sweep.sweep_id != before and landing.sweep.state == "failed":
        return RunFailed(landing.sweep.error or "the sweep recorded no reason")
    return RunFailed(f"{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}")


def _newest_id(home: Home) -> str | None:
    landing = Landing.newest(home.raw)
    return landing.sweep.sweep_id if landing else None


def _latest_snapshot(home: Home) -> str | None:
    """The name of the newest published snapshot."""
    return home.latest_snapshot.readlink().name if home.latest_snapshot.is_symlink() else None
