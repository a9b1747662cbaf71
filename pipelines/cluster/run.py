"""Starts a run of the job `ingest_cluster` in this process, which gives its steps to the workers, and waits for it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg
from celery.result import AsyncResult
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import SQLAlchemyError

from pipelines.cluster.configuration import CeleryConfiguration
from pipelines.cluster.pace import RedisPace
from pipelines.cluster.postgres import PostgresUnusable, check_postgres, postgres_url
from pipelines.cluster.redis_server import RedisUnusable
from pipelines.cluster.shared_pages import whole_lake
from pipelines.orchestration.instance import point_dagster_at_cluster
from pipelines.settings import Settings
from pipelines.storage.home import Home


@dataclass(frozen=True)
class ClusterRun:
    """A run that ended; `fault` says why it failed, None if it did not."""

    run_id: str
    fault: str | None


@contextmanager
def open_instance(home: Home) -> Iterator[dg.DagsterInstance]:
    """Open Dagster's instance of the cluster. Raises PostgresUnusable, also where it is lost in the block."""
    home.preflight()
    point_dagster_at_cluster(home)
    try:
        with dg.DagsterInstance.get() as instance:
            yield instance
    except (SQLAlchemyError, DagsterPostgresException) as error:
        raise PostgresUnusable(error) from error


def run_on_cluster(home: Home, *, ranges: int, allow_shrink: bool, start_anew: bool) -> ClusterRun:
    """Run one full sweep on the workers. Raises WrongSetting, LakeUnusable, PostgresUnusable, KeyboardInterrupt."""
    Settings.from_environment()
    CeleryConfiguration.from_environment()
    whole_lake().check()
    check_postgres(postgres_url())
    # Its executor is made of the configuration that was just checked.
    from pipelines.cluster.job import ingest_cluster  # noqa: PLC0415

    run_config = {
        "ops": {
            "divide_list": {"config": {"ranges": ranges}},
            "merge": {"config": {"allow_shrink": allow_shrink, "start_anew": start_anew}},
        },
        # The command prints its own output; every event is in Dagster's history.
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }
    # dagster-celery makes its task again for each step, with the same meaning.
    warnings.filterwarnings("ignore", message="Task name 'execute_plan' is already registered", module="dagster_celery")
    sys.unraisablehook = _report_unraisable
    with (
        open_instance(home) as instance,
        dg.execute_job(dg.reconstructable(ingest_cluster), instance=instance, run_config=run_config) as result,
    ):
        if any(event.event_type is dg.DagsterEventType.RUN_CANCELED for event in result.all_events):
            raise KeyboardInterrupt
        return ClusterRun(result.run_id, None if result.success else _redis_fault() or _fault(result))


def _report_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """Report an error that Python cannot raise, except those of Celery's results.

    They unsubscribe when they are collected, so that Python prints a traceback for each if Redis is lost.
    """
    if unraisable.object is not AsyncResult.__del__:
        sys.__unraisablehook__(unraisable)


def _redis_fault() -> str | None:
    """Why Redis cannot be used; None if it can. A run that lost Redis may have no failed step that says so."""
    try:
        RedisPace.from_settings(0).check()
    except RedisUnusable as error:
        return str(error)
    return None


def _fault(result: dg.JobExecutionResult) -> str:
    """Why a run failed, in one line."""
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data is not None and data.user_failure_data.description:
                return data.user_failure_data.description
            if data.error is not None:
                deepest = data.error
                while deepest.cause is not None:
                    deepest = deepest.cause
                return f"step {event.step_key} failed: {' '.join(deepest.message.split())}"
    return f"run {result.run_id} failed: Dagster's log of the run says why"
