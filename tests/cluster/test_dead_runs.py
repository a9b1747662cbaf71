"""A run whose process was killed is over after two hours without a report, so that its pages can be removed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from pipelines.cluster.dead_runs import DEAD_AFTER, is_running


def after(since_start: timedelta) -> datetime:
    return datetime.now(UTC) + since_start


@dg.job
def nothing() -> None:
    """A job without steps."""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def started(instance: dg.DagsterInstance) -> str:
    run = instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED)
    instance.report_engine_event("a step began", run)
    return run.run_id


def test_a_run_that_reported_lately_is_running(instance: dg.DagsterInstance) -> None:
    run_id = started(instance)
    assert is_running(instance, run_id, now=after(DEAD_AFTER - timedelta(minutes=1)))
    assert not instance.get_run_by_id(run_id).is_finished  # type: ignore[union-attr]


def test_a_run_that_reported_nothing_for_long_is_dead_and_marked_as_failed(instance: dg.DagsterInstance) -> None:
    run_id = started(instance)
    assert not is_running(instance, run_id, now=after(DEAD_AFTER + timedelta(minutes=1)))
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.FAILURE


def test_a_run_that_ended_or_that_nobody_knows_is_not_running(instance: dg.DagsterInstance) -> None:
    ended = nothing.execute_in_process(instance=instance)
    assert not is_running(instance, ended.run_id, now=datetime.now(UTC))
    assert not is_running(instance, "unknown", now=datetime.now(UTC))
