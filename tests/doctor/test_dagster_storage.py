"""Dagster's storage, written by Dagster and read without it: a change of its format fails here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from pipelines.doctor.dagster_storage import check_dagster
from pipelines.doctor.findings import Finding
from pipelines.orchestration.run_history import open_history
from pipelines.storage.home import Home
from pipelines.storage.lock import writer_lock
from tests.support import tree

pytestmark = pytest.mark.slow


@dg.job(name="ingest")
def job() -> None:
    """Does nothing: only its row in the history counts."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("DAGSTER_HOME", "")
    home = Home(tmp_path)
    home.preflight()
    return home


@pytest.fixture
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    with open_history(home) as instance:
        yield instance


def examined(home: Home, **later: float) -> list[Finding]:
    return list(check_dagster(home, now=datetime.now(UTC) + timedelta(**later)))


def test_no_history_yet(tmp_path: Path) -> None:
    (found,) = check_dagster(Home(tmp_path), now=datetime.now(UTC))
    assert (found.level, "no history yet" in found.text) == ("ok", True)
    assert list(tmp_path.iterdir()) == []


def test_a_history_without_runs(home: Home, instance: dg.DagsterInstance) -> None:
    assert [(one.name, one.level, one.text) for one in examined(home)] == [
        ("dagster", "ok", "no runs yet"),
        ("schedules", "ok", "incremental_sweep off, full_sweep off"),
    ]


def test_the_newest_run_of_each_job_counts(home: Home, instance: dg.DagsterInstance) -> None:
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE)
    failed, _ = examined(home, minutes=5)
    assert (failed.level, failed.text) == ("warning", "last runs: ingest failure 5 minutes ago")
    assert failed.advice == "see why in milestones ui (job ingest), or run milestones ingest"
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.SUCCESS)
    good, _ = examined(home, minutes=5)
    assert (good.level, good.text) == ("ok", "last runs: ingest success 5 minutes ago")


def test_a_started_run_without_a_lock_was_killed(home: Home, instance: dg.DagsterInstance) -> None:
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    _, killed, _ = examined(home)
    assert (killed.level, killed.text) == ("warning", "1 run marked as started, but nothing holds the lock")
    with writer_lock(home, purpose="a sweep"):
        assert len(examined(home)) == 2


def test_schedules_that_are_on(home: Home, instance: dg.DagsterInstance) -> None:
    code = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="pipelines.definitions"))
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(code, "__repository__"), "full_sweep")
    data = ScheduleInstigatorData("17 4 * * *", None)
    instance.add_instigator_state(InstigatorState(origin, InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, data))
    assert examined(home)[-1].text == "incremental_sweep off, full_sweep on"


def test_reading_writes_nothing_even_without_a_write_ahead_log(home: Home) -> None:
    with open_history(home) as instance:
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.SUCCESS)
    before = tree(home.root)
    assert [one.level for one in examined(home)] == ["ok", "ok"]
    assert tree(home.root) == before


@pytest.mark.parametrize("file", ["history/runs.db", "schedules/schedules.db"])
def test_a_damaged_storage(home: Home, file: str) -> None:
    with open_history(home):
        pass
    (home.dagster / file).write_bytes(os.urandom(8_192))
    (found,) = examined(home)
    assert (found.level, "cannot be read" in found.text) == ("error", True)
    assert f"mv {home.dagster}" in found.advice
