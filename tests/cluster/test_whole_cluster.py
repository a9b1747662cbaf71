"""A full sweep on two workers equals that of one machine, keeps one pace, and survives the kill of a worker."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy

pytest.importorskip("dagster_celery", reason="needs the extra cluster: run make test-cluster")

from pipelines.project_files import project_file
from pipelines.storage.home import Home
from pipelines.storage.lake import LAKE_VARIABLE, Lake, LakeAddress
from pipelines.storage.landing import Landing
from tests.cluster.services import Started, milestones, services, started, wait_until
from tests.support import OUR_CLOCK, contents, rows_of

pytestmark = pytest.mark.slow

ROWS = 50_000
MOST_TIMES_SINGLE = 2.5
REQUESTS_PER_SECOND = 10
VISIBILITY_SECONDS, DEADLINE_SECONDS = 20, 5
RUN_SECONDS = 240
RANGES = 4
PAGES_BEFORE_KILL = 3

SPANS = """
    SELECT extract(epoch FROM min(timestamp))::float8, extract(epoch FROM max(timestamp))::float8
    FROM event_logs
    WHERE dagster_event_type IN ('STEP_START', 'STEP_SUCCESS')
        AND run_id = (SELECT run_id FROM runs WHERE pipeline_name = 'ingest_cluster' ORDER BY id DESC LIMIT 1)
    GROUP BY step_key
    ORDER BY 1
"""
"""When each step of the newest run began and ended, in Unix seconds."""

ANOTHER_SWEEP = frozenset({"sweep_id", "first_sweep_id", "page", "position"})
"""Columns that tell which sweep and page a row came from."""
TABLES = (
    "milestones",
    "milestone_details",
    "milestone_entities",
    "milestone_events",
    "milestone_sources",
    "milestone_versions",
    "details_fields",
    "quarantine",
)


class Cluster:
    """The services, with the homes of a cluster and of a single machine."""

    def __init__(self, folder: Path, environment: dict[str, str], stack: ExitStack) -> None:
        self.folder = folder
        self.home = Home(folder / "cluster")
        self.single = Home(folder / "single")
        self._environment = environment
        self._stack = stack
        self._logs = 0

    @property
    def postgres_url(self) -> str:
        return self._environment["MILESTONES_POSTGRES_URL"]

    def lake(self) -> Lake:
        return Lake.open(LakeAddress.parse(self._environment[LAKE_VARIABLE]), self._environment)

    def forget(self) -> None:
        """Remove what was swept, also from the lake, from which an empty home would take it."""
        for folder in (self.home.raw, self.home.warehouse, self.home.published):
            shutil.rmtree(folder)
        for name in ("raw", "published"):
            self.lake().remove_folder(name)

    def workers(self, *, writer: bool = False, count: int = 1, requests_per_second: float = 0) -> list[Started]:
        """Start workers and wait until they are ready."""
        arguments = ["cluster", "worker", *(["--writer"] if writer else [])]
        environment = self.environment(self.home, KALSHI_REQUESTS_PER_SECOND=f"{requests_per_second}")
        workers = []
        for _ in range(count):
            self._logs += 1
            log = self.folder / f"worker-{self._logs}.log"
            workers.append(self._stack.enter_context(started(milestones(*arguments), log, environment)))
        for worker in workers:
            wait_until(partial(_is_ready, worker), "the worker", process=worker)
        return workers

    def run(self, home: Home, *arguments: str, **variables: str) -> float:
        """Run a command to its end; the seconds that it took."""
        begun = time.monotonic()
        ended = self.ended(home, *arguments, **variables)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return time.monotonic() - begun

    def ended(self, home: Home, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            milestones(*arguments),
            env=self.environment(home, **variables),
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )

    def environment(self, home: Home, **variables: str) -> dict[str, str]:
        return {**os.environ, **self._environment, "MILESTONES_HOME": str(home.root), **variables}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    celery = folder / "celery.yaml"
    text = project_file("deploy/cluster/celery.yaml").read_text(encoding="utf-8")
    celery.write_text(re.sub(r"visibility_timeout: \d+", f"visibility_timeout: {VISIBILITY_SECONDS}", text))
    with ExitStack() as stack, pytest.MonkeyPatch.context() as variables:
        environment = stack.enter_context(services(folder, rows=ROWS)) | {
            "MILESTONES_CELERY_FILE": str(celery),
            "KALSHI_DEADLINE_SECONDS": str(DEADLINE_SECONDS),
        }
        # The AWS SDK in Arrow reads them from the process.
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            variables.setenv(name, environment[name])
        yield Cluster(folder, environment, stack)


def tables_of(home: Home) -> dict[str, str]:
    return contents(home.warehouse_file, without=OUR_CLOCK | ANOTHER_SWEEP, tables=TABLES)


def test_the_check_names_what_works_and_the_worker_that_is_missing(cluster: Cluster) -> None:
    (reader,) = cluster.workers()
    lacking = cluster.ended(cluster.home, "cluster", "check")
    assert lacking.returncode == 1
    assert "no worker of milestones-writer answers: start milestones cluster worker --writer" in lacking.stderr

    (writer,) = cluster.workers(writer=True)
    complete = cluster.ended(cluster.home, "cluster", "check")
    assert (complete.returncode, complete.stderr) == (0, "")
    assert [line.partition(":")[0] for line in complete.stdout.splitlines()] == [
        "Celery",
        "lake",
        "Redis",
        "PostgreSQL",
        "workers",
    ]
    assert complete.stdout.endswith("workers: 1 worker for ranges, 1 writer\n")
    for worker in (reader, writer):
        worker.stop()


def test_a_sweep_on_two_workers_equals_that_of_one_machine_and_survives_a_kill(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    single = cluster.run(cluster.single, "ingest", "--full", MILESTONES_LAKE="")
    expected = tables_of(cluster.single)
    assert rows_of(cluster.single.warehouse_file, "SELECT count(*) FROM milestones") == [(ROWS,)]

    cluster.workers(writer=True)
    readers = cluster.workers(count=2)
    whole = cluster.run(cluster.home, "cluster", "ingest")
    assert tables_of(cluster.home) == expected
    assert all("succeeded" in reader.output for reader in readers), "both workers must have read"
    fixed = whole - _seconds_of_steps(cluster)
    figures = (
        f"\n{ROWS:,} milestones: one machine {single:.1f} s; cluster {whole:.1f} s ({whole / single:.2f} x), of which\n"
        f"{fixed:.1f} s are fixed, outside of steps: start of the command, queues, Dagster's loop\n"
    )
    with capsys.disabled():
        sys.stdout.write(figures)
    assert whole <= MOST_TIMES_SINGLE * single

    for reader in readers:
        reader.stop()
    cluster.forget()
    first, second = cluster.workers(count=2, requests_per_second=REQUESTS_PER_SECOND)
    log = cluster.folder / "run.log"
    command = milestones("cluster", "ingest", "--ranges", str(RANGES))
    with started(command, log, cluster.environment(cluster.home)) as run:
        wait_until(lambda: _is_reading(cluster, first), "a step of the first worker", process=run)
        first.kill()
        wait_until(lambda: run.process.poll() == 0, "the run", process=run, seconds=RUN_SECONDS)
    (lost,) = _received(first) - _succeeded(first)
    assert lost in _succeeded(second), "the step of the killed worker must have run again"
    (resumed_after,) = re.findall(rf"reading {_part_of(first)} after its page (\d+)", second.output)
    assert int(resumed_after) >= PAGES_BEFORE_KILL, "it must have resumed after the landed pages"
    assert tables_of(cluster.home) == expected
    # Each worker has one request in flight, whose response may come late.
    assert _most_pages_in(cluster.home, seconds=2) <= 2 * REQUESTS_PER_SECOND + 1 + 2


def _is_ready(worker: Started) -> bool:
    return " ready." in worker.output


def _received(worker: Started) -> set[str]:
    return set(re.findall(r"Task execute_plan\[([0-9a-f-]+)\] received", worker.output))


def _succeeded(worker: Started) -> set[str]:
    return set(re.findall(r"Task execute_plan\[([0-9a-f-]+)\] succeeded", worker.output))


def _is_reading(cluster: Cluster, worker: Started) -> bool:
    """Whether a worker is in the middle of a range: its step has not ended, and it has landed some pages."""
    part = _part_of(worker)
    pages = [name for name in cluster.lake().sizes("cluster/raw") if part and f"/{part}/" in name]
    return len(pages) >= PAGES_BEFORE_KILL and bool(_received(worker) - _succeeded(worker))


def _part_of(worker: Started) -> str | None:
    """The range that a worker began last."""
    return next(iter(re.findall(r"reading (range_\d+) after", worker.output)[::-1]), None)


def _seconds_of_steps(cluster: Cluster) -> float:
    """The seconds in which at least one step of the newest run on the cluster was working."""
    engine = sqlalchemy.create_engine(cluster.postgres_url)
    with engine.connect() as connection:
        rows = connection.execute(sqlalchemy.text(SPANS)).all()
    engine.dispose()
    total, reached = 0.0, 0.0
    for begun, ended in rows:
        total += max(0.0, ended - max(begun, reached))
        reached = max(reached, ended)
    return total


def _most_pages_in(home: Home, seconds: float) -> int:
    """The most pages that arrived within so many seconds."""
    landing = Landing.newest(home.raw)
    assert landing is not None
    times = sorted(page.fetched_at.timestamp() for page in landing.pages())
    return max(sum(begun <= time < begun + seconds for time in times) for begun in times)
