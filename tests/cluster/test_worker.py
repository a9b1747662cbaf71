"""A writer that starts takes back the step that a killed one had begun; other workers leave that step alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("dagster_celery", reason="needs the extra cluster: run make test-cluster")

from celery import Celery
from redis import Redis

from pipelines.cluster.configuration import WRITER_QUEUE
from pipelines.cluster.worker import build_app, give_back
from tests.cluster.services import redis

pytestmark = pytest.mark.slow


@pytest.fixture
def url(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with redis(tmp_path_factory.mktemp("redis")) as address:
        monkeypatch.setenv("MILESTONES_REDIS_URL", address)
        monkeypatch.setenv("MILESTONES_POSTGRES_URL", "postgresql+psycopg2://unused@127.0.0.1/unused")
        yield address


def waiting(url: str) -> int:
    return int(Redis.from_url(url).llen(WRITER_QUEUE))


def begin_a_step(app: Celery) -> None:
    """Take a message from the writer's queue and never acknowledge it, as a process that is killed."""
    with app.connection_for_write() as connection:
        queue = connection.SimpleQueue(WRITER_QUEUE)
        queue.put("merge")
        message = queue.channel.basic_get(WRITER_QUEUE)
        assert message is not None
        # A connection that is closed properly gives it back; a killed process has no time for it.
        queue.channel.qos._delivered.clear()


def test_a_starting_writer_takes_the_step_of_a_killed_one_back(url: str) -> None:
    app = build_app(is_writer=True)
    begin_a_step(app)
    assert waiting(url) == 0
    give_back(app)
    assert waiting(url) == 1


def test_other_workers_do_not_take_the_step_of_a_merging_writer(url: str) -> None:
    begin_a_step(build_app(is_writer=True))
    give_back(build_app(is_writer=False))
    assert waiting(url) == 0
