"""Dagster's storage with open connections: the files are Dagster's own, few are open, and none after the end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

from pipelines.orchestration.history_storage import OPEN_SHARDS, HistoryStorage
from pipelines.orchestration.run_history import open_history
from pipelines.storage.home import Home


@dg.op
def hello() -> str:
    return "hello"


@dg.job
def greet() -> None:
    hello()


def open_databases(home: Home) -> set[str]:
    """The databases of Dagster's storage that this process has open."""
    targets = {link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
    return {str(target) for target in targets if target.suffix == ".db" and target.is_relative_to(home.dagster)}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setenv("DAGSTER_HOME", "")
    home = Home(tmp_path)
    home.preflight()
    yield home
    assert not open_databases(home), "connections are still open"


def runs(home: Home, number: int) -> list[str]:
    """Run a small job so many times; the ids of the runs."""
    with open_history(home) as instance:
        ids = [greet.execute_in_process(instance=instance).run_id for _ in range(number)]
        # The database of runs is one more.
        assert 0 < len(open_databases(home)) <= OPEN_SHARDS + 1
    return ids


@pytest.mark.slow
def test_few_databases_stay_open_however_many_runs(home: Home) -> None:
    ids = runs(home, OPEN_SHARDS + 2)
    with open_history(home) as instance:
        for run_id in ids:
            assert instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_SUCCESS)


@pytest.mark.slow
def test_dagsters_own_class_reads_the_same_files(home: Home) -> None:
    (run_id,) = runs(home, 1)
    theirs = DagsterSqliteStorage.from_local(str(home.dagster))
    assert theirs.run_storage.has_run(run_id)
    assert theirs.event_log_storage.get_logs_for_run(run_id)


@pytest.mark.slow
def test_it_reads_what_dagsters_own_class_wrote(home: Home) -> None:
    theirs = DagsterSqliteStorage.from_local(str(home.dagster))
    theirs.run_storage.add_run(dg.DagsterRun(job_name="greet", run_id="0" * 8))
    with open_history(home) as instance:
        assert instance.has_run("0" * 8)


@pytest.mark.slow
def test_events_are_synced_at_checkpoints_only_and_survive_a_killed_process(home: Home) -> None:
    storage = HistoryStorage.from_local(str(home.dagster))
    event_log: Any = storage.event_log_storage
    with event_log.index_connection() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    # A second process sees a commit at once, with the first one's connection open.
    (file,) = home.dagster.glob("history/runs/index.db")
    with sqlite3.connect(file) as other:
        assert other.execute("SELECT count(*) FROM event_logs").fetchone() == (0,)
    other.close()
    storage.dispose()


@pytest.mark.slow
def test_a_table_that_was_found_is_not_looked_up_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = HistoryStorage.from_local(str(home.dagster))
    event_log: Any = storage.event_log_storage
    asked: list[str] = []
    look_up = SqliteEventLogStorage.has_table

    def counted(self: SqliteEventLogStorage, table_name: str) -> bool:
        asked.append(table_name)
        return look_up(self, table_name)

    monkeypatch.setattr(SqliteEventLogStorage, "has_table", counted)
    assert [event_log.has_table("event_logs"), event_log.has_table("event_logs")] == [True, True]
    assert [event_log.has_table("no_table"), event_log.has_table("no_table")] == [False, False]
    assert asked == ["event_logs", "no_table", "no_table"]
    storage.dispose()
