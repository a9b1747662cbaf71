"""Checks what a cluster needs, from the machine that asks: settings, lake, Redis, PostgreSQL, workers."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.cluster.configuration import RANGES_QUEUE, WRITER_QUEUE, CeleryConfiguration
from pipelines.cluster.pace import RedisPace
from pipelines.cluster.run import open_instance
from pipelines.cluster.shared_pages import whole_lake
from pipelines.cluster.worker import build_app
from pipelines.errors import NothingToDo
from pipelines.settings import Settings
from pipelines.storage.home import Home
from pipelines.wording import counted

ANSWER_SECONDS = 3.0


def check_cluster(home: Home) -> Iterator[str]:
    """A line for each part that works. Raises the MilestonesError of the first that does not."""
    configuration = CeleryConfiguration.from_environment()
    settings = Settings.from_environment()
    seconds = configuration.step_seconds(settings.deadline_seconds)
    again = configuration.visibility_seconds
    yield f"Celery: a step reads pages for at most {seconds:g} s; that of a killed worker runs again after {again:g} s"
    lake = whole_lake()
    lake.check()
    yield f"lake: {lake}"
    RedisPace.from_settings(settings.requests_per_second).check()
    yield f"Redis: one pace of {settings.requests_per_second:g} requests per second"
    with open_instance(home) as instance:
        yield f"PostgreSQL: {counted(instance.get_runs_count(), 'run')}"
    yield _workers()


def _workers() -> str:
    """How many workers listen. Raises NothingToDo where no run could end."""
    queues = build_app(is_writer=False).control.inspect(timeout=ANSWER_SECONDS).active_queues() or {}
    listening = [queue["name"] for of_worker in queues.values() for queue in of_worker]
    readers, writers = listening.count(RANGES_QUEUE), listening.count(WRITER_QUEUE)
    if not readers or not writers:
        missing = "milestones cluster worker" + ("" if writers else " --writer")
        queue = RANGES_QUEUE if writers else WRITER_QUEUE
        raise NothingToDo(f"no worker of {queue} answers: start {missing} (a writer that is merging answers later)")
    return f"workers: {counted(readers, 'worker')} for ranges, {counted(writers, 'writer')}"
