"""Retention of Dagster's storage: what is old goes with all its rows and files, what the UI goes by stays."""

import logging
import os
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.definitions import build_defs
from pipelines.orchestration.run_history import open_history
from pipelines.orchestration.run_retention import ORPHAN_SECONDS, RUNS_PER_PASS, RunRetention, prune_runs
from pipelines.storage.home import Home

pytestmark = pytest.mark.slow

AGE = timedelta(days=14)
LATER = datetime.now(UTC) + AGE + timedelta(hours=1)


@dg.asset(check_specs=[dg.AssetCheckSpec("is_good", asset="often")])
def often() -> Iterator[dg.MaterializeResult[None]]:
    yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="is_good", passed=True)])


@dg.asset
def once() -> None:
    return None


@dg.asset
def broken() -> None:
    raise ValueError("as always")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("DAGSTER_HOME", "")
    return Home(tmp_path)


@pytest.fixture
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    with open_history(home) as instance:
        yield instance


def run(instance: dg.DagsterInstance, asset: dg.AssetsDefinition) -> str:
    return dg.materialize([asset], instance=instance, raise_on_error=False).run_id


def runs_of(home: Home) -> list[str]:
    return [run_id for (run_id,) in rows(home, "SELECT run_id FROM runs ORDER BY id", "history/runs.db")]


def rows(home: Home, query: str, file: str = "history/runs/index.db") -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(home.dagster / file)) as connection:
        return connection.execute(query).fetchall()


def event_files(home: Home) -> set[str]:
    return {path.name.split(".")[0] for path in (home.dagster / "history" / "runs").glob("*-*.db*")}


def test_old_runs_are_deleted_with_their_rows_and_files(home: Home, instance: dg.DagsterInstance) -> None:
    first, second, third = (run(instance, often) for _ in range(3))
    assert prune_runs(home.dagster, RunRetention(runs=1, age=AGE), now=LATER) == 2
    assert runs_of(home) == [third]
    assert event_files(home) == {third}
    for table in ("event_logs", "asset_check_executions"):
        assert rows(home, f"SELECT DISTINCT run_id FROM {table}") == [(third,)]
    assert rows(home, "SELECT count(*) FROM asset_event_tags WHERE event_id NOT IN (SELECT id FROM event_logs)") == [
        (0,)
    ]
    assert rows(home, "SELECT DISTINCT run_id FROM run_tags", "history/runs.db") in ([(third,)], [])
    assert instance.get_run_by_id(first) is None
    assert instance.get_run_by_id(second) is None
    # And Dagster works on.
    assert run(instance, often) in runs_of(home)


def test_the_newest_and_young_runs_are_kept(home: Home, instance: dg.DagsterInstance) -> None:
    made = [run(instance, often) for _ in range(3)]
    assert prune_runs(home.dagster, RunRetention(runs=1, age=AGE), now=LATER - timedelta(hours=2)) == 0
    assert prune_runs(home.dagster, RunRetention(runs=3, age=AGE), now=LATER) == 0
    assert runs_of(home) == made


def test_the_newest_materialization_and_check_result_are_kept(home: Home, instance: dg.DagsterInstance) -> None:
    only = run(instance, once)
    last_good = run(instance, often)
    failed = [run(instance, broken) for _ in range(3)]
    materialized = instance.get_latest_materialization_event(dg.AssetKey("once"))
    check = dg.AssetCheckKey(dg.AssetKey("often"), "is_good")
    assert prune_runs(home.dagster, RunRetention(runs=1, age=AGE), now=LATER) == 2
    assert runs_of(home) == [only, last_good, failed[-1]]
    assert materialized is not None
    assert instance.get_latest_materialization_event(dg.AssetKey("once")) == materialized
    record = instance.get_latest_asset_check_evaluation_record(check)
    assert record is not None
    assert record.run_id == last_good
    assert record.evaluation is not None
    assert len(instance.all_logs(only)) > 0


def test_unfinished_runs_are_kept(home: Home, instance: dg.DagsterInstance) -> None:
    job = dg.define_asset_job("job", [often]).resolve(asset_graph=dg.Definitions([often]).resolve_asset_graph())
    waiting = instance.create_run_for_job(job).run_id
    run(instance, often)
    assert prune_runs(home.dagster, RunRetention(runs=1, age=AGE), now=LATER) == 0
    assert waiting in runs_of(home)


def test_a_backlog_is_deleted_in_passes(home: Home, instance: dg.DagsterInstance) -> None:
    made = run(instance, often)
    with sqlite3.connect(home.dagster / "history" / "runs.db") as connection:
        columns = "pipeline_name, status, run_body, create_timestamp"
        for _ in range(RUNS_PER_PASS + 5):
            connection.execute(
                f"INSERT INTO runs (run_id, {columns}) SELECT ?, {columns} FROM runs WHERE run_id = ?",
                [str(uuid.uuid4()), made],
            )
    keep = RunRetention(runs=1, age=AGE)
    # The first holds the newest materialization.
    assert [prune_runs(home.dagster, keep, now=LATER) for _ in range(3)] == [RUNS_PER_PASS - 1, 5, 0]


def test_only_the_newest_freshness_state_is_kept(home: Home, instance: dg.DagsterInstance) -> None:
    with sqlite3.connect(home.dagster / "history" / "runs" / "index.db") as connection:
        for asset in ("a", "a", "b"):
            connection.execute(
                "INSERT INTO event_logs (run_id, event, dagster_event_type, timestamp, asset_key) "
                "VALUES ('', '{}', 'FRESHNESS_STATE_CHANGE', ?, ?)",
                [datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"), asset],
            )
    prune_runs(home.dagster, RunRetention(), now=LATER - timedelta(days=1))
    assert rows(home, "SELECT count(*) FROM event_logs") == [(3,)]
    prune_runs(home.dagster, RunRetention(), now=LATER)
    assert rows(home, "SELECT id, asset_key FROM event_logs ORDER BY id") == [(2, "a"), (3, "b")]


def test_event_files_without_a_run_are_deleted_after_a_day(home: Home, instance: dg.DagsterInstance) -> None:
    made = [run(instance, often) for _ in range(2)]
    folder = home.dagster / "history" / "runs"
    old, young = (folder / f"{uuid.uuid4()}.db" for _ in range(2))
    other = folder / "not-a-run-at-all.db"
    for file in (old, young, other, folder / f"{old.stem}.db-wal"):
        file.write_bytes(b"x")
    long_ago = time.time() - ORPHAN_SECONDS - 60
    for file in (old, other):
        os.utime(file, (long_ago, long_ago))
    prune_runs(home.dagster, RunRetention(runs=1, age=AGE), now=LATER)
    assert event_files(home) == {made[-1], young.stem, "not-a-run-at-all"}


def test_space_of_deleted_runs_is_reused(home: Home, instance: dg.DagsterInstance) -> None:
    sizes = []
    for _ in range(12):
        run(instance, often)
        prune_runs(home.dagster, RunRetention(runs=2, age=AGE), now=LATER)
        ((pages,),) = rows(home, "PRAGMA page_count")
        sizes.append(pages)
    assert sizes[-1] == sizes[5]


def test_much_free_space_is_returned_to_the_file_system(home: Home, instance: dg.DagsterInstance) -> None:
    run(instance, often)
    index = home.dagster / "history" / "runs" / "index.db"
    with closing(sqlite3.connect(index)) as connection:
        connection.execute("CREATE TABLE large AS SELECT zeroblob(70000000) AS bytes")
        connection.commit()
        connection.execute("DROP TABLE large")
        connection.commit()
    assert index.stat().st_size > 70_000_000
    prune_runs(home.dagster, RunRetention(), now=LATER)
    assert index.stat().st_size < 5_000_000


def test_no_storage_is_created(home: Home) -> None:
    assert prune_runs(home.dagster, RunRetention(), now=LATER) == 0
    assert not home.dagster.exists()


@pytest.mark.parametrize("file", ["history/runs.db", "history/runs/index.db"])
def test_damage_and_locks_are_only_logged(
    home: Home, instance: dg.DagsterInstance, file: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        run(instance, often)
    keep = RunRetention(runs=1, age=AGE)
    with sqlite3.connect(home.dagster / file, isolation_level=None) as holding:
        holding.execute("BEGIN EXCLUSIVE")
        with caplog.at_level(logging.WARNING, "pipelines"):
            assert prune_runs(home.dagster, keep, now=LATER) == 0
        assert "database is locked" in caplog.text
        holding.execute("ROLLBACK")
    holding.close()
    assert prune_runs(home.dagster, keep, now=LATER) == 1
    (home.dagster / file).write_bytes(b"this is no database" * 100)
    with caplog.at_level(logging.WARNING, "pipelines"):
        assert prune_runs(home.dagster, keep, now=LATER) == 0
    # The second is what SQLite says while another connection, here the instance's, keeps the log beside the file.
    assert "not a database" in caplog.text or "is malformed" in caplog.text


def test_the_job_of_the_schedule_removes_old_runs(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILESTONES_KEEP_RUNS", "1")
    old = [run(instance, often) for _ in range(3)]
    with closing(sqlite3.connect(home.dagster / "history" / "runs.db")) as connection, connection:
        connection.execute("UPDATE runs SET create_timestamp = '2020-01-01 00:00:00'")
    result = build_defs().resolve_job_def("retention").execute_in_process(instance=instance)
    assert result.success
    # The newest materialization and check result stay.
    assert runs_of(home) == [old[-1], result.run_id]
