"""The worker process: Celery with the checked configuration, on the queue of ranges or, beside the home, of the writer."""

from __future__ import annotations

import os
import signal

from celery import Celery
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_task

from pipelines.cluster.configuration import CeleryConfiguration
from pipelines.cluster.job import RANGES_QUEUE, WRITER_QUEUE
from pipelines.cluster.shared_pages import cluster_lake
from pipelines.orchestration.jobs import MAX_RUNTIME_SECONDS

UNACKED_OF_WRITER = "unacked-writer"
"""The merge takes longer than other steps: its step is kept apart, so that workers of ranges do not take it for lost."""


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
