"""What is wrong is one line each: in the check, at the start of a worker, and where a run loses Redis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

pytest.importorskip("dagster_celery", reason="needs the extra cluster: run make test-cluster")

from redis import Redis

from pipelines.cli.main import run
from pipelines.cluster.configuration import RANGES_QUEUE
from tests.cluster.services import PROJECT, START_SECONDS, milestones, postgres, redis, started, wait_until

pytestmark = pytest.mark.slow

NO_REDIS = (
    "milestones: Redis at 127.0.0.1:1, which holds the cluster's queues and pace, cannot be used (ConnectionError): "
    "check that it runs, and MILESTONES_REDIS_URL"
)
NO_POSTGRES = "milestones: PostgreSQL cannot be used (connection to server at"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(autouse=True)
def _cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Right settings of a cluster of which only the lake is there."""
    (tmp_path / "lake").mkdir()
    for name, value in {
        "MILESTONES_HOME": str(tmp_path / "home"),
        "MILESTONES_LAKE": str(tmp_path / "lake"),
        "MILESTONES_REDIS_URL": "redis://:secret-word@127.0.0.1:1/0",
        "MILESTONES_POSTGRES_URL": "postgresql+psycopg2://user:secret-word@127.0.0.1:1/database",
        "DAGSTER_HOME": "",
    }.items():
        monkeypatch.setenv(name, value)


def test_every_wrong_setting_is_reported_on_its_own_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("MILESTONES_LAKE", "MILESTONES_REDIS_URL", "MILESTONES_POSTGRES_URL"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("KALSHI_REQUESTS_PER_SECOND", "many")
    monkeypatch.setenv("MILESTONES_KEEP_RUNS", "-1")
    assert run(["cluster", "check"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert sorted(line.split()[1] for line in printed.err.splitlines()) == [
        "KALSHI_REQUESTS_PER_SECOND",
        "MILESTONES_KEEP_RUNS",
        "MILESTONES_LAKE",
        "MILESTONES_POSTGRES_URL",
        "MILESTONES_REDIS_URL",
    ]


def test_every_part_that_cannot_be_reached_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cluster", "check"]) == 1
    printed = capsys.readouterr()
    assert [line.partition(":")[0] for line in printed.out.splitlines()] == ["Celery", "lake"]
    no_redis, no_postgres = printed.err.splitlines()
    assert no_redis == NO_REDIS
    assert no_postgres.startswith(NO_POSTGRES)


@pytest.mark.parametrize("options", [[], ["--writer"]], ids=["worker", "writer"])
def test_a_worker_without_redis_ends_with_one_line(
    database: str, options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MILESTONES_POSTGRES_URL", database)
    assert run(["cluster", "worker", *options]) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", NO_REDIS + "\n")


@pytest.mark.parametrize("arguments", [["worker"], ["ingest"]], ids=["worker", "run"])
def test_without_postgresql_a_worker_and_a_run_end_with_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["cluster", *arguments]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith(NO_POSTGRES)


def test_a_run_that_loses_redis_ends_with_one_line(
    database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MILESTONES_POSTGRES_URL", database)
    with ExitStack() as until_queued:
        url = until_queued.enter_context(redis(tmp_path))
        environment = {"PYTHONPATH": str(PROJECT), "MILESTONES_REDIS_URL": url}
        with started(milestones("cluster", "ingest"), tmp_path / "run.log", environment) as ingest:
            queue = Redis.from_url(url)
            # No worker takes its first step. The name of the queue ends with a priority.
            wait_until(lambda: bool(queue.keys(f"{RANGES_QUEUE}*")), "the first step", process=ingest)
            until_queued.close()
            ingest.process.wait(START_SECONDS)
            assert ingest.process.returncode == 1
            (line,) = ingest.output.splitlines()
    port = url.removesuffix("/0").rpartition(":")[2]
    assert line == NO_REDIS.replace("127.0.0.1:1,", f"127.0.0.1:{port},")
