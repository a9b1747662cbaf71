"""Dagster's history of runs, opened for our commands: its faults in one line, dead runs marked as failed."""

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
from pipelines.orchestration.instance import point_dagster_at
from pipelines.storage.durable import exclusive_file_lock
from pipelines.storage.home import Home

PROCESS_TAG = "milestones/process"
"""The number of the process that runs a run, where a command of ours started it."""

MAX_START = timedelta(minutes=3)
"""In which a run that has started holds the writer's lock, or has failed for want of it."""

KILLED = "the process of this run ended without a word (it was killed, or the machine stopped); the next run resumes"

_STARTED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_FAULTS = (SQLAlchemyError, sqlite3.Error, CommandError)
"""How Dagster's storage fails; nothing else of ours uses SQLite."""


class HistoryUnusable(MilestonesError):
    """Dagster's storage cannot be read or written."""


@contextmanager
def open_history(home: Home) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance over $MILESTONES_HOME/dagster. Raises HistoryUnusable when it cannot be opened."""
    point_dagster_at(home)
    try:
        # Dagster makes its tables here: two processes that make them at once would fail.
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
    """The fault of Dagster's storage that led to an error, as HistoryUnusable or DiskFull; None when another did."""
    fault = next((one for one in causes(error) if isinstance(one, _FAULTS)), None)
    if fault is None:
        return None
    if is_disk_full(fault):
        return DiskFull(home.root)
    reason = str(getattr(fault, "orig", None) or fault).partition("\n")[0]
    if "is locked" in reason:
        return HistoryUnusable(
            f"Dagster's storage in {home.dagster} is locked by another program ({reason}): "
            "end that program, then run again"
        )
    return HistoryUnusable(
        f"Dagster's storage in {home.dagster} is damaged or of another version ({reason}): move it away "
        f"(mv {home.dagster} {home.dagster}.damaged), then run again; it holds the history of runs and no data"
    )


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it, nearest first; Dagster's chains of exceptions can be rings."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        yield link
        seen.add(id(link))
        link = link.__cause__ or link.__context__


def fail_dead_runs(instance: dg.DagsterInstance, *, own_run_id: str | None, now: datetime) -> list[str]:
    """Mark runs as failed whose process is gone; their ids. Call with the writer's lock held. `now` is aware.

    Every run holds the lock while it works. A run that is "started" while another process holds it is dead, or within
    moments of its beginning or its end: its process still lives then.
    """
    dead = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_STARTED)):
        run = record.dagster_run
        if run.run_id == own_run_id:
            continue
        if now - record.update_timestamp < MAX_START and _may_live(instance, run):
            continue
        instance.report_run_failed(run, KILLED)
        dead.append(run.run_id)
    return dead


def _may_live(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the process of a run may still exist: unless its number is known and nobody, or this process, has it."""
    pid = run.tags.get(PROCESS_TAG) or _told_pid(instance, run.run_id)
    # In containers every command has the same number: a run that has ours is an earlier one.
    return pid is None or (int(pid) != os.getpid() and _exists(int(pid)))


def _told_pid(instance: dg.DagsterInstance, run_id: str) -> str | None:
    """The number that Dagster's launcher or executor noted last."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    told = [entry.get_dagster_event().engine_event_data.metadata.get("pid") for entry in entries]
    return next((str(pid.value) for pid in reversed(told) if pid is not None), None)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
