"""Dagster's history: opened by many at once, dead runs marked as failed, its faults in one line that helps."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData

from pipelines.cli.run_job import run_ingest
from pipelines.definitions import build_defs
from pipelines.errors import DiskFull
from pipelines.orchestration.jobs import INGEST
from pipelines.orchestration.keys import CLUSTER_JOB
from pipelines.orchestration.run_history import (
    KILLED,
    MAX_START,
    PROCESS_TAG,
    HistoryUnusable,
    fail_dead_runs,
    history_fault,
    open_history,
)
from pipelines.storage.home import Home
from pipelines.storage.landing import Landing
from pipelines.storage.lock import endpoint_lock, holder
from pipelines.sweep.progress_listener import NullProgress
from tests.support import Shell, Shells, milestone

pytestmark = pytest.mark.slow

EVENTS, TARGETS = "events_refresh", "targets_refresh"
FILES = ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("KALSHI_REQUESTS_PER_SECOND", "0")
    # Nobody answers there: a test that asks for more says whom.
    monkeypatch.setenv("KALSHI_BASE_URL", "http://127.0.0.1:9/trade-api/v2")
    monkeypatch.setenv("KALSHI_DEADLINE_SECONDS", "0.5")
    return Home(tmp_path)


def answered_by(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point at a sandbox, which may take longer than the short deadline on a busy machine."""
    monkeypatch.setenv("KALSHI_BASE_URL", shell.base_url)
    monkeypatch.delenv("KALSHI_DEADLINE_SECONDS")


@pytest.fixture
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    with open_history(home) as instance:
        yield instance


def gone_pid() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def started(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus, pid: int | None, job_name: str = INGEST.name
) -> dg.DagsterRun:
    """A run that is left as a killed process leaves it."""
    job = build_defs().resolve_job_def(job_name)
    tags = {} if pid is None else {PROCESS_TAG: str(pid)}
    return instance.create_run_for_job(job, status=status, tags=tags)


def status_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


OPENS = """
import sys
from pathlib import Path
from pipelines.storage.home import Home
from pipelines.orchestration.run_history import open_history

print("ready", flush=True)
for folder in sys.stdin:
    with open_history(Home(Path(folder.strip()))) as instance:
        print(len(instance.get_runs()), flush=True)
"""


def test_two_processes_can_open_a_new_home_at_once(tmp_path: Path) -> None:
    """Dagster makes its tables without a lock of its own: one of the two would find them half made."""
    both = [
        subprocess.Popen([sys.executable, "-c", OPENS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    with both[0], both[1]:
        for process in both:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for number in range(10):
            for process in both:
                assert process.stdin is not None
                process.stdin.write(f"{tmp_path / str(number)}\n")
                process.stdin.flush()
            for process in both:
                assert process.stdout is not None
                assert process.stdout.readline() == "0\n"


def test_two_first_runs_can_start_at_once(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path / "home", [milestone(1)])
    for number in range(3):
        home = Home(tmp_path / str(number))
        variables = os.environ | {
            "MILESTONES_HOME": str(home.root),
            "KALSHI_BASE_URL": shell.base_url,
            "KALSHI_REQUESTS_PER_SECOND": "0",
        }
        command = [sys.executable, "-m", "pipelines.cli", "ingest"]
        both = [
            subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        said = [process.communicate()[1] for process in both]
        statuses = sorted(process.returncode for process in both)
        # Both are done where one has ended before the other began to write.
        assert statuses in ([0, 75], [0, 0]), said
        assert not any("Traceback" in text for text in said)
        assert home.published_duckdb.exists()


@pytest.mark.parametrize("status", ["STARTING", "STARTED", "CANCELING"])
def test_a_run_without_a_process_is_marked_as_failed(instance: dg.DagsterInstance, home: Home, status: str) -> None:
    run = started(instance, dg.DagsterRunStatus[status], gone_pid())
    assert fail_dead_runs(instance, home, own_run_id=None, now=datetime.now(UTC)) == [run.run_id]
    assert status_of(instance, run) == dg.DagsterRunStatus.FAILURE
    events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert [event.get_dagster_event().message for event in events] == [KILLED]
    assert fail_dead_runs(instance, home, own_run_id=None, now=datetime.now(UTC)) == []


def test_a_run_with_our_process_id_is_marked_as_failed(instance: dg.DagsterInstance, home: Home) -> None:
    own = started(instance, dg.DagsterRunStatus.STARTED, os.getpid())
    earlier = started(instance, dg.DagsterRunStatus.STARTED, os.getpid())
    assert fail_dead_runs(instance, home, own_run_id=own.run_id, now=datetime.now(UTC)) == [earlier.run_id]


@pytest.mark.parametrize("status", ["NOT_STARTED", "SUCCESS", "CANCELED"])
def test_queued_and_finished_runs_are_not_marked(instance: dg.DagsterInstance, home: Home, status: str) -> None:
    run = started(instance, dg.DagsterRunStatus[status], gone_pid())
    assert fail_dead_runs(instance, home, own_run_id=None, now=datetime.now(UTC) + timedelta(days=1)) == []
    assert status_of(instance, run) == dg.DagsterRunStatus[status]


@pytest.mark.parametrize("pid", [1, None], ids=["alive", "unknown"])
def test_a_run_that_may_be_starting_is_not_marked_at_once(
    instance: dg.DagsterInstance, home: Home, pid: int | None
) -> None:
    run = started(instance, dg.DagsterRunStatus.STARTED, pid)
    assert fail_dead_runs(instance, home, own_run_id=None, now=datetime.now(UTC)) == []
    later = datetime.now(UTC) + MAX_START + timedelta(seconds=5)
    assert fail_dead_runs(instance, home, own_run_id=None, now=later) == [run.run_id]


def test_a_refresh_marks_killed_runs_of_its_own_job_only(instance: dg.DagsterInstance, home: Home) -> None:
    killed = [started(instance, dg.DagsterRunStatus.STARTED, gone_pid(), name) for name in (EVENTS, TARGETS, "ingest")]
    now = datetime.now(UTC)
    assert fail_dead_runs(instance, home, own_run_id=None, now=now, job_name=EVENTS) == [killed[0].run_id]
    assert [status_of(instance, run).value for run in killed] == ["FAILURE", "STARTED", "STARTED"]


def test_a_refresh_that_works_for_long_is_not_marked(instance: dg.DagsterInstance, home: Home) -> None:
    run = started(instance, dg.DagsterRunStatus.STARTED, 1, EVENTS)
    later = datetime.now(UTC) + MAX_START * 2
    with endpoint_lock(home, "events", purpose="a refresh"):
        assert fail_dead_runs(instance, home, own_run_id=None, now=later) == []
    assert fail_dead_runs(instance, home, own_run_id=None, now=later) == [run.run_id]


def test_a_run_on_a_cluster_is_not_marked_as_its_process_may_be_on_another_machine(
    instance: dg.DagsterInstance, home: Home
) -> None:
    tags = {PROCESS_TAG: str(gone_pid())}
    instance.add_run(dg.DagsterRun(job_name=CLUSTER_JOB, status=dg.DagsterRunStatus.STARTED, tags=tags))
    assert fail_dead_runs(instance, home, own_run_id=None, now=datetime.now(UTC) + MAX_START * 2) == []


def test_the_process_id_in_dagsters_log_is_used_without_a_tag(instance: dg.DagsterInstance, home: Home) -> None:
    run = started(instance, dg.DagsterRunStatus.STARTED, None)
    instance.report_engine_event("Executing steps in process", run, EngineEventData.in_process(gone_pid()))
    assert fail_dead_runs(instance, home, own_run_id=None, now=datetime.now(UTC)) == [run.run_id]


def test_the_next_run_marks_a_killed_run_as_failed(shells: Shells, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = shells(home.root, [milestone(1)])
    answered_by(shell, monkeypatch)
    with open_history(home) as instance:
        killed = started(instance, dg.DagsterRunStatus.STARTED, gone_pid())
        run_id = run_ingest(home, {}, NullProgress()).run_id
        assert status_of(instance, killed) == dg.DagsterRunStatus.FAILURE
        own = instance.get_run_by_id(run_id)
        assert own is not None
        assert own.status == dg.DagsterRunStatus.SUCCESS
        assert own.tags[PROCESS_TAG] == str(os.getpid())
    assert holder(home) is None


# Its faults


@pytest.mark.parametrize("file", FILES)
def test_damage_is_reported_in_one_line_before_any_request(home: Home, file: str) -> None:
    with open_history(home):
        pass
    (home.dagster / file).write_bytes(b"this is no database" * 500)
    with pytest.raises(HistoryUnusable) as caught:
        run_ingest(home, {}, NullProgress())
    assert str(caught.value) == (
        f"Dagster's storage in {home.dagster} is damaged or of another version (file is not a database): move it away "
        f"(mv {home.dagster} {home.dagster}.damaged), then run again; it has the history of runs and no milestones"
    )
    assert caught.value.exit_status == 1
    assert Landing.newest(home.raw) is None
    # And the way on that it names is one.
    shutil.move(home.dagster, f"{home.dagster}.damaged")
    with open_history(home) as instance:
        assert instance.get_runs() == []


def test_another_version_is_reported_in_one_line(home: Home) -> None:
    with open_history(home):
        pass
    with closing(sqlite3.connect(home.dagster / "history" / "runs.db")) as connection:
        connection.execute("ALTER TABLE runs RENAME COLUMN run_body TO body")
        connection.commit()
    with pytest.raises(HistoryUnusable, match=r"of another version \(.*run_body\): move it away"):
        run_ingest(home, {}, NullProgress())
    assert Landing.newest(home.raw) is None


def test_a_locked_storage_is_named(home: Home) -> None:
    fault = history_fault(sqlite3.OperationalError("database is locked"), home)
    assert str(fault) == (
        f"Dagster's storage in {home.dagster} is locked by another program (database is locked): "
        "stop that program, then run again"
    )
    assert history_fault(ValueError("database is locked"), home) is None


def test_a_full_disk_is_named(home: Home) -> None:
    assert isinstance(history_fault(sqlite3.OperationalError("database or disk is full"), home), DiskFull)


def refuse(home: Home, asset: str) -> None:
    """Let Dagster's index refuse the materialization of an asset, as a file that is damaged in one place does."""
    with closing(sqlite3.connect(home.dagster / "history" / "runs" / "index.db")) as connection:
        connection.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT ON event_logs WHEN NEW.asset_key LIKE '%{asset}%' "
            "AND NEW.dagster_event_type = 'ASSET_MATERIALIZATION' "
            "BEGIN SELECT RAISE(ABORT, 'database disk image is malformed'); END"
        )
        connection.commit()


def test_a_run_whose_events_cannot_be_recorded_fails_in_one_line_and_is_resumed(
    shells: Shells, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = shells(home.root, [milestone(1)])
    answered_by(shell, monkeypatch)
    with open_history(home):
        refuse(home, "pages")
    with pytest.raises(HistoryUnusable, match=r"\(database disk image is malformed\): move it away"):
        run_ingest(home, {}, NullProgress())
    assert not home.latest_snapshot.is_symlink()
    shutil.move(home.dagster, f"{home.dagster}.damaged")
    assert run_ingest(home, {}, NullProgress()).warning is None
    assert home.latest_snapshot.is_symlink()


def test_a_published_sweep_is_not_reported_as_failed(
    shells: Shells, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = shells(home.root, [milestone(1)])
    answered_by(shell, monkeypatch)
    with open_history(home):
        refuse(home, "published")
    warning = run_ingest(home, {}, NullProgress()).warning
    assert warning is not None
    assert warning.startswith("the sweep is published, but not in Dagster's history: Dagster's storage in ")
    assert "\n" not in warning
    assert home.latest_snapshot.is_symlink()
    assert holder(home) is None


def test_a_disk_that_cannot_be_read_or_written_is_not_called_damage(home: Home) -> None:
    fault = history_fault(sqlite3.OperationalError("disk I/O error"), home)
    assert str(fault) == (
        f"Dagster's storage in {home.dagster} cannot be read or written (disk I/O error): check the disk and its free "
        "space, then run again"
    )
