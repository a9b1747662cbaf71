"""The job `ingest_cluster`: one step divides the list, steps on all workers read its ranges, one step merges.

The merge makes an interrupted sweep of the landed pages and runs the job `ingest`, which resumes it and requests what
the workers left out. Catch-ups and the checks of the end, of absences and of a shrunken list are those of one machine.

No `from __future__ import annotations`: Dagster reads the annotations at run time.
"""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import dagster as dg
import msgspec
from pydantic import Field

from pipelines.cluster.configuration import RANGES_QUEUE, WRITER_QUEUE, CeleryConfiguration, executor
from pipelines.cluster.dead_runs import is_running
from pipelines.cluster.merging import land_as_sweep
from pipelines.cluster.resources import ClusterKalshiResource, LakeIOManager
from pipelines.cluster.shared_pages import SharedPages, as_landed, cluster_lake, remove_ended, whole_lake
from pipelines.definitions import build_defs
from pipelines.errors import MilestonesError, WarehouseBusy
from pipelines.kalshi.errors import KalshiError
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.split_scan import StartRange, divide, read_range
from pipelines.orchestration.jobs import INGEST_JOB, MAX_RUNTIME_SECONDS
from pipelines.orchestration.keys import CLUSTER_JOB
from pipelines.orchestration.resources import utc_now
from pipelines.orchestration.run_history import PROCESS_TAG, own_fault
from pipelines.settings import Settings
from pipelines.storage.home import Home
from pipelines.storage.landing import Traffic
from pipelines.wording import counted

_LOG = logging.getLogger(__name__)

QUEUE_TAG = "dagster-celery/queue"
MERGES_TAG = "milestones/merges"
"""The tag of a run of `ingest` with the id of the cluster's run whose pages it loads."""

BUSY_RETRIES = 40
BUSY_SECONDS = 15
"""The merge waits for the writer's lock: a poll, which also holds it, takes seconds, the first full sweep minutes."""


class RangeTask(msgspec.Struct):
    """A range of starts for one step."""

    begins: datetime | None
    ends: datetime | None

    @property
    def range(self) -> StartRange:
        """The range."""
        return StartRange(self.begins, self.ends)


class DivideConfig(dg.Config):
    """How the list is divided."""

    ranges: int = Field(default=8, ge=1, le=500, description="The most ranges of starts, each read by one step.")


class MergeConfig(dg.Config):
    """How the sweep is loaded."""

    allow_shrink: bool = Field(default=False, description="Accept a full sweep that lists far fewer milestones.")
    start_anew: bool = Field(
        default=False, description="Create a new warehouse, without history, if the previous one was lost."
    )


@contextmanager
def _one_line() -> Iterator[None]:
    """Fail the step with the line of an error that a user can act on: the run prints it, not the library's cause."""
    try:
        yield
    except (MilestonesError, KalshiError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error


@dg.op(
    tags={QUEUE_TAG: RANGES_QUEUE},
    out={"started_at": dg.Out(str), "ranges": dg.DynamicOut(dict)},
    description="Divides the list into ranges of starts, and lands the first page of each in the lake.",
)
def divide_list(
    context: dg.OpExecutionContext, config: DivideConfig, kalshi: ClusterKalshiResource
) -> Iterator[dg.Output[str] | dg.DynamicOutput[dict[str, Any]]]:
    """Divide the list."""
    started_at = utc_now()
    with _one_line():
        pages = SharedPages(cluster_lake(), context.run_id)
        with kalshi.client() as api:
            ranges, first_pages = divide(api, MilestoneQuery(), now=started_at, ranges=config.ranges)
        for number, one in enumerate(ranges):
            pages.put(_part(number), 1, first_pages[one.begins])
    _LOG.info("the list is divided into %s of starts", counted(len(ranges), "range"))
    yield dg.Output(started_at.isoformat(), "started_at")
    for number, one in enumerate(ranges):
        if not one.is_done:
            task = msgspec.to_builtins(RangeTask(one.begins, one.ends))
            yield dg.DynamicOutput(task, mapping_key=_part(number), output_name="ranges")


@dg.op(
    tags={QUEUE_TAG: RANGES_QUEUE},
    out=dg.Out(dict),
    description="Lands the pages of one range in the lake; after a kill it resumes after its last landed page.",
)
def read_pages(context: dg.OpExecutionContext, kalshi: ClusterKalshiResource, task: dict[str, Any]) -> dict[str, Any]:
    """Land the pages of a range; its traffic."""
    part = context.get_mapping_key()
    assert part is not None  # noqa: S101 - the job maps this op
    one = msgspec.convert(task, RangeTask).range
    with _one_line():
        pages = SharedPages(cluster_lake(), context.run_id)
        landed = as_landed(one, pages.of_part(part))
        deadline = Settings.from_environment().deadline_seconds
        ends_at = time.monotonic() + CeleryConfiguration.from_environment().step_seconds(deadline)
        # After more than one page: another worker, which was killed, had begun it.
        _LOG.info("reading %s after its page %d", part, len(landed))
        with kalshi.client() as api:
            found = read_range(api, MilestoneQuery(), one, landed, may_continue=lambda: time.monotonic() < ends_at)
            number = len(landed)
            for number, fetched in enumerate(found, start=len(landed) + 1):
                pages.put(part, number, fetched)
            traffic = Traffic.of(api.stats)
    context.add_output_metadata({"pages": number, "requests": traffic.requests})
    return dict(msgspec.to_builtins(traffic))


@dg.op(
    tags={QUEUE_TAG: WRITER_QUEUE},
    out=dg.Out(dg.Nothing),
    description="Makes a sweep of the landed pages; the job ingest resumes, checks, loads and publishes it.",
)
def merge(context: dg.OpExecutionContext, config: MergeConfig, started_at: str, traffic: list[dict[str, Any]]) -> None:
    """Merge the pages of all ranges into one sweep."""
    pages = SharedPages(cluster_lake(), context.run_id)
    instance = context.instance
    if instance.get_runs(dg.RunsFilter(tags={MERGES_TAG: context.run_id}, statuses=[dg.DagsterRunStatus.SUCCESS])):
        # The step was given to a second worker after its work was done.
        return
    with _one_line():
        try:
            land_as_sweep(
                Home.from_environment(),
                whole_lake(),
                pages.all(pages.parts()),
                [msgspec.convert(one, Traffic) for one in traffic],
                started_at=datetime.fromisoformat(started_at),
                now=utc_now(),
            )
            _ingest(context, config)
        except WarehouseBusy as busy:
            raise dg.RetryRequested(max_retries=BUSY_RETRIES, seconds_to_wait=BUSY_SECONDS) from busy
    pages.remove()
    lake = cluster_lake()
    remove_ended(lake, is_running=lambda run_id: is_running(instance, run_id, now=utc_now()))


def _ingest(context: dg.OpExecutionContext, config: MergeConfig) -> None:
    """Run the job `ingest`, which resumes the newest sweep. Raises the MilestonesError behind its failure."""
    job = build_defs(kalshi=ClusterKalshiResource()).resolve_job_def(INGEST_JOB)
    options = {"mode": "full", "allow_shrink": config.allow_shrink, "start_anew": config.start_anew}
    try:
        job.execute_in_process(
            run_config={
                "ops": {"pages": {"config": options}},
                # Every event is in Dagster's history; the worker's log has the warnings.
                "loggers": {"console": {"config": {"log_level": "WARNING"}}},
            },
            instance=context.instance,
            tags={MERGES_TAG: context.run_id, PROCESS_TAG: str(os.getpid())},
        )
    except Exception as error:
        fault = own_fault(error)
        if isinstance(fault, MilestonesError):
            raise fault from error
        raise dg.Failure(str(fault or error), allow_retries=False) from error


def _part(number: int) -> str:
    return f"range_{number:04d}"


@dg.job(
    name=CLUSTER_JOB,
    description="One full sweep, its pages fetched by the workers of a cluster.",
    executor_def=executor(),
    resource_defs={"kalshi": ClusterKalshiResource(), "io_manager": LakeIOManager()},
    tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS)},
)
def ingest_cluster() -> None:
    """Divide, read, merge."""
    started_at, ranges = divide_list()
    merge(started_at, ranges.map(read_pages).collect())
