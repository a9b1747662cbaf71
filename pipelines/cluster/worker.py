"""The worker process: Celery with the checked configuration, on the queue of ranges or on that of the writer."""

from __future__ import annotations

import os

from celery import Celery
from celery.exceptions import OperationalError
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_task
from redis.exceptions import RedisError

from pipelines.cluster.configuration import RANGES_QUEUE, WRITER_QUEUE, CeleryConfiguration
from pipelines.cluster.postgres import check_postgres, postgres_url
from pipelines.cluster.redis_server import RedisUnusable
from pipelines.cluster.shared_pages import whole_lake
from pipelines.orchestration.jobs import MAX_RUNTIME_SECONDS
from pipelines.settings import Settings

UNACKED_OF_WRITER = "unacked-writer"
"""The merge takes longer than other steps: it is kept apart, so that workers of ranges do not take it for lost."""


def build_app(*, is_writer: bool) -> Celery:
    """The app of a worker. Raises WrongSetting."""
    configuration = CeleryConfiguration.from_environment()
    if is_writer:
        arguments = configuration.app_arguments(unacked=UNACKED_OF_WRITER, visibility_seconds=MAX_RUNTIME_SECONDS)
    else:
        arguments = configuration.app_arguments()
    app: Celery = make_app(arguments)
    create_task(app)
    return app


def run_worker(*, is_writer: bool) -> None:
    """Run a worker until SIGTERM or SIGINT, then end after the current step.

    Raises WrongSetting; LakeUnusable, PostgresUnusable, RedisUnusable where these cannot be used at the start.
    """
    # All settings: those that only its steps read would fail them.
    Settings.from_environment()
    # A worker that cannot reach them would take a step and fail it, and with it the run of all others.
    whole_lake().check()
    check_postgres(postgres_url())
    app = build_app(is_writer=is_writer)
    # Celery itself would retry for an hour, with a warning each time; what is lost later it may well retry.
    check_broker(app)
    if is_writer:
        give_back(app)
    queue = WRITER_QUEUE if is_writer else RANGES_QUEUE
    # A range is read in a child, which may die alone. The merge starts processes, which Celery's children must not do:
    # it runs in a thread, so that SIGTERM lets it end.
    pool = "threads" if is_writer else "prefork"
    # One step at a time: its pages come one after the other, and more workers read more at once.
    options = {"queues": queue, "pool": pool, "concurrency": "1", "hostname": f"{queue}-{os.getpid()}@%h"}
    # The workers need not know each other, and a merging writer would look dead to the others.
    silence = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    app.worker_main(
        ["worker", "--loglevel", "INFO", *silence, *(f"--{name}={value}" for name, value in options.items())]
    )


def check_broker(app: Celery) -> None:
    """Connect to the queues once, as Celery does. Raises RedisUnusable."""
    with app.connection_for_read() as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0)
        except (OperationalError, RedisError) as error:
            raise RedisUnusable(app.conf.broker_read_url or app.conf.broker_url, error) from error


def give_back(app: Celery) -> None:
    """Give the steps back to the queue that a killed writer had begun: there is one writer, and it is just starting."""
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        for tag in channel.client.zrange(channel.unacked_index_key, 0, -1):
            channel.qos.restore_by_tag(tag)
