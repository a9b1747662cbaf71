"""Retention of Dagster's storage: deletes old runs with their events and check results; SQLite reuses the space.

Dagster has one SQLite file for each run, a row for each run in `history/runs.db`, and copies of every asset and check
event in `history/runs/index.db`. Its own `delete_run` keeps the file of the run and its check results, so this module
deletes the rows itself. It never raises: a locked or damaged file is skipped with a warning.
"""

from __future__ import annotations

import logging
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipelines.settings import setting

RUNS_PER_PASS = 50
"""Runs deleted in one pass at most, which takes a tenth of a second. Later passes delete the rest of a backlog."""

ORPHAN_SECONDS = 24 * 60 * 60
"""Age at which an event file without a run is deleted. Dagster recreates one if its UI requests a deleted run."""

MIN_FREE_BYTES = 64 * 1024 * 1024
"""The index is vacuumed if its free space exceeds this, and half of the file."""

BUSY_SECONDS = 1.0
"""How long to wait for the lock of another process. The next pass retries."""

_FINISHED = "('SUCCESS', 'FAILURE', 'CANCELED')"

_OLD_RUNS = f"""
    SELECT run_id FROM runs
    WHERE id <= (SELECT id FROM runs ORDER BY id DESC LIMIT 1 OFFSET :keep)
      AND create_timestamp < :before AND status IN {_FINISHED}
    ORDER BY id LIMIT :most
"""  # noqa: S608 - constants

_HOLDS_NEWEST = """
    SELECT run_id FROM event_logs AS one
    WHERE run_id IN ({runs}) AND dagster_event_type = 'ASSET_MATERIALIZATION' AND NOT EXISTS (
        FROM_EVENTS event_logs AS newer WHERE newer.asset_key = one.asset_key
          AND newer.dagster_event_type = one.dagster_event_type AND newer.id > one.id)
    UNION
    SELECT run_id FROM asset_check_executions AS one
    WHERE run_id IN ({runs}) AND execution_status IN ('SUCCEEDED', 'FAILED') AND NOT EXISTS (
        FROM_EVENTS asset_check_executions AS newer WHERE newer.asset_key = one.asset_key
          AND newer.check_name = one.check_name AND newer.id > one.id
          AND newer.execution_status IN ('SUCCEEDED', 'FAILED'))
    UNION
    SELECT last_run_id FROM asset_keys WHERE last_run_id IN ({runs})
""".replace("FROM_EVENTS", "SELECT 1 FROM")
"""The old runs with the newest materialization of an asset or the newest result of a check."""

_OLD_FRESHNESS = """
    DELETE FROM event_logs
    WHERE run_id = '' AND timestamp < :before AND EXISTS (
        SELECT 1 FROM event_logs AS newer WHERE newer.asset_key = event_logs.asset_key
          AND newer.dagster_event_type = event_logs.dagster_event_type AND newer.id > event_logs.id)
"""
"""Deletes old freshness states, which belong to no run; keeps the newest of each asset."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunRetention:
    """Keeps the newest `runs` runs, and all runs younger than `age`."""

    runs: int = 200
    age: timedelta = timedelta(days=14)


def prune_runs_by_settings(storage: Path, *, now: datetime) -> int:
    """`prune_runs` with the number of runs from MILESTONES_KEEP_RUNS. Raises WrongSetting."""
    return prune_runs(storage, RunRetention(runs=setting("keep_runs")), now=now)


def prune_runs(storage: Path, retention: RunRetention, *, now: datetime) -> int:
    """Delete old runs from Dagster's storage folder (`DAGSTER_HOME`); their number. `now` is aware. Never raises.

    Keeps unfinished runs, and runs with the newest materialization of an asset or the newest result of a check, which
    asset pages, freshness and alerts need.
    """
    history = storage / "history"
    files = _Files(history / "runs.db", history / "runs" / "index.db", history / "runs")
    if not files.runs.exists() or not files.index.exists():
        return 0
    try:
        return _prune(files, retention, now=now)
    except (sqlite3.Error, OSError) as error:
        _LOG.warning("old runs in %s were not deleted (%s): the next pass retries", storage, error)
        return 0


@dataclass(frozen=True)
class _Files:
    runs: Path
    index: Path
    folder: Path

    def events(self, run_id: str) -> Iterator[Path]:
        """The files of one run's events."""
        for suffix in (".db", ".db-wal", ".db-shm"):
            yield self.folder / f"{run_id}{suffix}"


def _prune(files: _Files, retention: RunRetention, *, now: datetime) -> int:
    before = (now.astimezone(UTC) - retention.age).strftime("%Y-%m-%d %H:%M:%S.%f")
    with _opened(files.runs) as runs:
        asked = {"keep": retention.runs, "before": before, "most": RUNS_PER_PASS}
        old = [run_id for (run_id,) in runs.execute(_OLD_RUNS, asked)]
        with _opened(files.index) as index:
            holding = _query(index, _HOLDS_NEWEST, old)
            expired = [run_id for run_id in old if run_id not in holding]
            # The rows of the runs are deleted last: after a kill, the next pass repeats the rest.
            _delete_events(index, expired, before)
            _reclaim(index)
        for run_id in expired:
            _unlink(files.events(run_id))
        if expired:
            with runs:
                _execute(runs, "DELETE FROM run_tags WHERE run_id IN ({runs})", expired)
                _execute(runs, "DELETE FROM runs WHERE run_id IN ({runs})", expired)
            _remove_orphans(files, {run_id for (run_id,) in runs.execute("SELECT run_id FROM runs")})
    return len(expired)


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    # Never creates a missing file: only Dagster creates its tables.
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)) as connection:
        yield connection


def _delete_events(index: sqlite3.Connection, runs: list[str], before: str) -> None:
    with index:
        index.execute(_OLD_FRESHNESS, {"before": before})
        if runs:
            events = "SELECT id FROM event_logs WHERE run_id IN ({runs})"
            _execute(index, f"DELETE FROM asset_event_tags WHERE event_id IN ({events})", runs)  # noqa: S608
            _execute(index, "DELETE FROM event_logs WHERE run_id IN ({runs})", runs)
            _execute(index, "DELETE FROM asset_check_executions WHERE run_id IN ({runs})", runs)


def _reclaim(index: sqlite3.Connection) -> None:
    """Return much free space to the file system. This happens after an upgrade, not in daily use."""
    size, pages, free = (
        index.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
    )
    if size * free > MIN_FREE_BYTES and 2 * free > pages:
        index.execute("VACUUM")
        # Until the checkpoint, the write-ahead log has a second copy of the file.
        index.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _remove_orphans(files: _Files, known: set[str]) -> None:
    oldest = time.time() - ORPHAN_SECONDS
    for file in files.folder.glob("*-*-*-*-*.db"):
        if file.stem not in known and _is_uuid(file.stem) and file.stat().st_mtime < oldest:
            _unlink(files.events(file.stem))


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _query(connection: sqlite3.Connection, query: str, runs: list[str]) -> set[str]:
    return {run_id for (run_id,) in _execute(connection, query, runs)} if runs else set()


def _execute(connection: sqlite3.Connection, statement: str, runs: list[str]) -> sqlite3.Cursor:
    """Run a statement with `{runs}` replaced by parameters for these run ids."""
    names = {f"run{number}": run_id for number, run_id in enumerate(runs)}
    return connection.execute(statement.format(runs=", ".join(f":{name}" for name in names)), names)
