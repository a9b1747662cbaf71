"""Opens Dagster's run history for our commands, turns its errors into one line, and marks dead runs as failed.

Deleting old runs is in `run_retention`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import dagster as dg
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from pipelines.errors import DiskFull, MilestonesError, is_disk_full
from pipelines.kalshi.errors import KalshiError
from pipelines.orchestration.instance import point_dagster_at
from pipelines.orchestration.keys import CLUSTER_JOB, refresh_job_name
from pipelines.storage.durable import exclusive_file_lock
from pipelines.storage.home import Home
from pipelines.storage.lock import inspecting
from schemas.endpoints import ENDPOINTS

PROCESS_TAG = "milestones/process"
"""The run tag with the process id, set by our commands."""

MAX_START = timedelta(minutes=3)
"""A started run acquires the writer's lock within this time, or fails."""

KILLED = "the process of this run was killed, or the machine stopped; the next run resumes its sweep"

_STARTED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_FAULTS = (SQLAlchemyError, sqlite3.Error, CommandError)
"""Errors of Dagster's storage. No other code of a run uses SQLite."""


class HistoryUnusable(MilestonesError):
    """Dagster's storage cannot be read or written."""


@contextmanager
def open_history(home: Home) -> Iterator[dg.DagsterInstance]:
    """Open Dagster's instance in $MILESTONES_HOME/dagster. Raises HistoryUnusable, DiskFull."""
    point_dagster_at(home)
    try:
        # Dagster creates its tables here, which fails if two processes do it at the same time.
        with exclusive_file_lock(home.start_file):
            instance = dg.DagsterInstance.get()
    except Exception as error:
        fault = history_fault(error, home)
        if fault is None:
            raise
        raise fault from error
    with instance:
        yield instance


def history_fault(error: BaseException, home: Home) -> MilestonesError | None:
    """HistoryUnusable or DiskFull for an error that Dagster's storage caused; None for other errors."""
    fault = next((cause for cause in causes(error) if isinstance(cause, _FAULTS)), None)
    if fault is None:
        return None
    if is_disk_full(fault):
        return DiskFull(home.root)
    reason = str(getattr(fault, "orig", None) or fault).partition("\n")[0]
    if "is locked" in reason:
        return HistoryUnusable(
            f"Dagster's storage in {home.dagster} is locked by another program ({reason}): "
            "stop that program, then run again"
        )
    if "disk I/O error" in reason:
        return HistoryUnusable(
            f"Dagster's storage in {home.dagster} cannot be read or written ({reason}): check the disk and its free "
            "space, then run again"
        )
    return HistoryUnusable(
        f"Dagster's storage in {home.dagster} is damaged or of another version ({reason}): move it away "
        f"(mv {home.dagster} {home.dagster}.damaged), then run again; it has the history of runs and no milestones"
    )


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and its causes, nearest first. Dagster's exception chains can be cyclic."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        yield link
        seen.add(id(link))
        link = link.__cause__ or link.__context__


def own_fault(error: BaseException) -> MilestonesError | KalshiError | None:
    """The first MilestonesError or KalshiError among the causes of an error."""
    return next((link for link in causes(error) if isinstance(link, (MilestonesError, KalshiError))), None)


def fail_dead_runs(
    instance: dg.DagsterInstance, home: Home, *, own_run_id: str | None, now: datetime, job_name: str | None = None
) -> list[str]:
    """Mark runs whose process has ended as failed; their ids. `now` is aware.

    A sweep holds the writer's lock while it works, a refresh that of its endpoint. A "started" run without its lock is
    dead, or about to begin or end; in the latter case its process still exists. The caller holds the writer's lock, or
    gives `job_name`: only runs of that job, a refresh, are then looked at.
    """
    dead = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_STARTED, job_name=job_name)):
        run = record.dagster_run
        if run.run_id == own_run_id or run.job_name == CLUSTER_JOB or _is_refreshing(home, run.job_name):
            continue
        if now - record.update_timestamp < MAX_START and _may_live(instance, run):
            continue
        instance.report_run_failed(run, KILLED)
        dead.append(run.run_id)
    return dead


def _is_refreshing(home: Home, job_name: str) -> bool:
    """Whether a process holds the lock of the endpoint that a job refreshes; False for a job of another kind."""
    endpoint = next((one for one in ENDPOINTS if refresh_job_name(one) == job_name), None)
    if endpoint is None:
        return False
    with inspecting(home.endpoint_lock_file(endpoint.name)) as holder:
        return holder is not None


def _may_live(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the process of a run may exist: True for an unknown process id, False for that of this process."""
    pid = run.tags.get(PROCESS_TAG) or _logged_pid(instance, run.run_id)
    # In containers every command has the same process id: a run with ours is an earlier one.
    return pid is None or (int(pid) != os.getpid() and _exists(int(pid)))


def _logged_pid(instance: dg.DagsterInstance, run_id: str) -> str | None:
    """The process id that Dagster's launcher or executor logged last."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    pids = [entry.get_dagster_event().engine_event_data.metadata.get("pid") for entry in entries]
    return next((str(pid.value) for pid in reversed(pids) if pid is not None), None)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
