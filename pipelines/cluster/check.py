"""Checks what a cluster needs, from the machine that asks: settings, lake, Redis, PostgreSQL, workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from pipelines.cluster.configuration import RANGES_QUEUE, WRITER_QUEUE, CeleryConfiguration
from pipelines.cluster.pace import RedisPace
from pipelines.cluster.postgres import check_postgres, postgres_url
from pipelines.cluster.redis_server import redis_url
from pipelines.cluster.run import open_instance
from pipelines.cluster.shared_pages import whole_lake
from pipelines.cluster.worker import build_app, check_broker
from pipelines.errors import MilestonesError, NothingToDo
from pipelines.settings import Settings, setting
from pipelines.storage.home import Home
from pipelines.wording import counted

ANSWER_SECONDS = 3.0


def check_cluster(home: Home) -> Iterator[str | MilestonesError]:
    """The error of every wrong setting; without one, a line for each part that works, the error of each that does not.

    Workers are looked for only where all else works.
    """
    if wrong := _wrong_settings():
        yield from wrong
        return
    is_complete = True
    for part in (_celery, _lake, _redis, partial(_postgres, home)):
        try:
            yield part()
        except MilestonesError as error:
            is_complete = False
            yield error
    if is_complete:
        try:
            yield _workers()
        except MilestonesError as error:
            yield error


def _wrong_settings() -> list[MilestonesError]:
    """The error of every wrong setting, once: a check of all settings ends at the first."""
    found: dict[str, MilestonesError] = {}
    reads: list[Callable[[], object]] = [partial(setting, name) for name in Settings.__struct_fields__]
    reads += [Settings.from_environment, whole_lake, redis_url, postgres_url, _celery]
    for read in reads:
        try:
            read()
        except MilestonesError as error:
            found.setdefault(str(error), error)
    return list(found.values())


def _celery() -> str:
    configuration = CeleryConfiguration.from_environment()
    seconds = configuration.step_seconds(setting("deadline_seconds"))
    again = configuration.visibility_seconds
    return f"Celery: a step reads pages for at most {seconds:g} s; that of a killed worker runs again after {again:g} s"


def _lake() -> str:
    lake = whole_lake()
    lake.check()
    return f"lake: {lake}"


def _redis() -> str:
    rate = Settings.from_environment().requests_per_second
    RedisPace.from_settings(rate).check()
    return f"Redis: one pace of {rate:g} requests per second"


def _postgres(home: Home) -> str:
    check_postgres(postgres_url())
    with open_instance(home) as instance:
        return f"PostgreSQL: {counted(instance.get_runs_count(), 'run')}"


def _workers() -> str:
    """How many workers listen. Raises RedisUnusable, NothingToDo where no run could end."""
    app = build_app(is_writer=False)
    check_broker(app)
    queues = app.control.inspect(timeout=ANSWER_SECONDS).active_queues() or {}
    listening = [queue["name"] for of_worker in queues.values() for queue in of_worker]
    readers, writers = listening.count(RANGES_QUEUE), listening.count(WRITER_QUEUE)
    if not readers or not writers:
        missing = "milestones cluster worker" + ("" if writers else " --writer")
        queue = RANGES_QUEUE if writers else WRITER_QUEUE
        raise NothingToDo(f"no worker of {queue} answers: start {missing} (a writer that is merging answers later)")
    return f"workers: {counted(readers, 'worker')} for ranges, {counted(writers, 'writer')}"
