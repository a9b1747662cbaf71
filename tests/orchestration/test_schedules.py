"""Schedules: what a tick asks for, and that overlapping ticks do nothing."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import dagster._daemon  # before the scheduler, which it imports in a circle
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._scheduler.scheduler import launch_scheduled_runs

from pipelines.definitions import build_defs
from pipelines.orchestration.jobs import INGEST_JOB, running_sweep
from pipelines.orchestration.schedules import ALL_SCHEDULES, full_schedule, incremental_schedule
from pipelines.storage.home import Home
from pipelines.storage.lock import writer_lock

pytestmark = pytest.mark.slow

TICK = datetime(2026, 11, 23, 12, 5, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MILESTONES_HOME", str(tmp_path))
    return Home(tmp_path)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """On disk: a tick is evaluated for an instance that another process could open."""
    folder = tmp_path / "dagster"
    folder.mkdir()
    with dg.DagsterInstance.local_temp(str(folder)) as made:
        yield made


def tick(schedule: dg.ScheduleDefinition, instance: dg.DagsterInstance) -> dg.RunRequest | str | None:
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=TICK)
    result = schedule.evaluate_tick(context)
    return result.run_requests[0] if result.run_requests else result.skip_message


@pytest.mark.parametrize(
    ("schedule", "cron", "mode"),
    [(incremental_schedule, "*/5 * * * *", "auto"), (full_schedule, "17 4 * * *", "full")],
    ids=["incremental", "full"],
)
def test_a_tick_requests_its_sweep(
    schedule: dg.ScheduleDefinition, cron: str, mode: str, home: Home, instance: dg.DagsterInstance
) -> None:
    request = tick(schedule, instance)
    assert isinstance(request, dg.RunRequest)
    assert request.run_config == {"ops": {"pages": {"config": {"mode": mode}}}}
    assert schedule.cron_schedule == cron
    # The configuration is one that the job takes.
    job = build_defs().resolve_job_def(INGEST_JOB)
    assert dg.validate_run_config(job, request.run_config)


def test_an_incremental_tick_skips_while_the_lock_is_held(home: Home, instance: dg.DagsterInstance) -> None:
    with writer_lock(home, purpose="a test"):
        said = tick(incremental_schedule, instance)
    assert isinstance(said, str)
    assert said.endswith("(a test) has not finished")


def launched(instance: dg.DagsterInstance, schedule: dg.ScheduleDefinition, status: dg.DagsterRunStatus) -> str:
    """The run of a tick, as far as the daemon has got with it."""
    request = tick(schedule, instance)
    assert isinstance(request, dg.RunRequest)
    job = build_defs().resolve_job_def(INGEST_JOB)
    return instance.create_run_for_job(job, tags=dict(request.tags), status=status).run_id


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_a_full_tick_is_queued_behind_an_incremental_sweep(
    home: Home, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    """Both fall due at once after a downtime: to skip would leave the full sweep out for a day."""
    launched(instance, incremental_schedule, status)
    with writer_lock(home, purpose="that run"):
        assert isinstance(tick(full_schedule, instance), dg.RunRequest)


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_a_full_tick_skips_while_a_full_sweep_runs(
    home: Home, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    run_id = launched(instance, full_schedule, status)
    assert tick(full_schedule, instance) == f"run {run_id} has not finished"


def test_a_tick_skips_while_a_run_is_queued(home: Home, instance: dg.DagsterInstance) -> None:
    job = build_defs().resolve_job_def(INGEST_JOB)
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.NOT_STARTED)
    assert tick(incremental_schedule, instance) == f"run {run.run_id} has not finished"


def test_a_killed_run_does_not_block_ticks(home: Home, instance: dg.DagsterInstance) -> None:
    job = build_defs().resolve_job_def(INGEST_JOB)
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert running_sweep(instance, home) is None


# Dagster itself reads the property that it deprecates.
@pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`:DeprecationWarning")
def test_after_a_downtime_the_daemon_makes_one_tick_of_the_missed_ones(
    home: Home, instance: dg.DagsterInstance
) -> None:
    """A poll covers everything since the last one, so 72 missed polls are one."""
    code = LoadableTargetOrigin(executable_path=sys.executable, module_name="pipelines.definitions")
    target = InProcessWorkspaceLoadTarget(InProcessCodeLocationOrigin(code))
    with WorkspaceProcessContext(instance, target) as daemon:
        (entry,) = daemon.create_request_context().get_code_location_entries().values()
        assert entry.code_location is not None, entry.load_error
        (repository,) = entry.code_location.get_repositories().values()
        schedule = repository.get_schedule(incremental_schedule.name)
        instance.start_schedule(schedule)
        for hours in (6, 6 + 1 / 12):
            until = datetime.now(UTC) + timedelta(hours=hours)
            faults = launch_scheduled_runs(daemon, logging.getLogger("daemon"), until, iteration_times={})
            assert [fault for fault in faults if fault] == []
        ticks = instance.get_ticks(schedule.get_remote_origin_id(), schedule.selector_id)
    later, first = sorted((one.timestamp for one in ticks), reverse=True)
    assert later - first == 300, "one for the six hours, then the usual one"


def test_sweep_schedules_are_off_by_default() -> None:
    running = [one.name for one in ALL_SCHEDULES if one.default_status is dg.DefaultScheduleStatus.RUNNING]
    assert running == ["retention"]
