"""Checks of Dagster's storage, read with SQLite: importing Dagster takes seconds, and its instance writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.doctor.findings import Finding
from pipelines.storage.home import Home
from pipelines.storage.lock import inspecting
from pipelines.wording import counted, duration

SWEEP_SCHEDULES = ("incremental_sweep", "full_sweep")

_LAST_RUNS = """
    SELECT pipeline_name, status, max(create_timestamp) FROM runs
    WHERE pipeline_name = 'ingest' OR pipeline_name LIKE '%_refresh' GROUP BY pipeline_name ORDER BY pipeline_name
"""
"""SQLite takes the other columns of a group from the row that has the maximum."""

_STARTED = "SELECT count(*) FROM runs WHERE status IN ('STARTING', 'STARTED', 'CANCELING')"

_RUNNING_SCHEDULES = """
    SELECT json_extract(job_body, '$.origin.job_name') FROM jobs WHERE job_type = 'SCHEDULE' AND status = 'RUNNING'
"""


def check_dagster(home: Home, *, now: datetime) -> Iterator[Finding]:
    """The newest run of each job, runs that were killed, and whether the schedules of sweeps are on."""
    runs, schedules = home.dagster / "history" / "runs.db", home.dagster / "schedules" / "schedules.db"
    if not runs.exists():
        yield Finding("dagster", "ok", "no history yet; the first run creates it")
        return
    try:
        last_runs, ((started,),) = _rows(runs, _LAST_RUNS), _rows(runs, _STARTED)
        running = [name for (name,) in _rows(schedules, _RUNNING_SCHEDULES)] if schedules.exists() else []
    except sqlite3.Error as error:
        advice = (
            f"move it away (mv {home.dagster} {home.dagster}.damaged): it has the history of runs and no milestones"
        )
        yield Finding("dagster", "error", f"the storage in {home.dagster} cannot be read ({error})", advice)
        return
    yield from _of_runs(last_runs, now)
    with inspecting(home.lock_file) as holder:
        pass
    if started and holder is None:
        text = f"{counted(started, 'run')} marked as started, but nothing holds the lock"
        yield Finding("dagster", "warning", text, "a killed run is marked as failed by the next milestones ingest")
    states = ", ".join(f"{name} {'on' if name in running else 'off'}" for name in SWEEP_SCHEDULES)
    yield Finding("schedules", "ok", states)


def _of_runs(last_runs: list[tuple[Any, ...]], now: datetime) -> Iterator[Finding]:
    failed = [name for name, status, _ in last_runs if status == "FAILURE"]
    texts = [f"{name} {status.lower()} {duration(now - _time(at))} ago" for name, status, at in last_runs]
    text = f"last runs: {', '.join(texts)}" if texts else "no runs yet"
    if failed:
        yield Finding(
            "dagster", "warning", text, f"see why in milestones ui (job {failed[0]}), or run milestones ingest"
        )
    else:
        yield Finding("dagster", "ok", text)


def _rows(file: Path, query: str) -> list[tuple[Any, ...]]:
    # A reader of a write-ahead log creates files beside it, unless another process already did or the file is said to
    # be immutable.
    has_log = file.with_name(f"{file.name}-wal").exists()
    address = f"{file.resolve().as_uri()}?{'mode=ro' if has_log else 'immutable=1'}"
    with closing(sqlite3.connect(address, uri=True, timeout=1)) as connection:
        return connection.execute(query).fetchall()


def _time(text: str) -> datetime:
    """A time in UTC as Dagster stores it."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
