"""Jobs: `ingest` (a sweep from the API to the published tables), `publish` alone, and `retention` of Dagster's runs.

Also which sweeps are running, so that schedules can skip. When jobs run is decided in `schedules`.
"""

from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.orchestration.endpoints import ENDPOINT_JOBS
from pipelines.orchestration.keys import ENDPOINT_ASSET_TABLES, PUBLISHED_KEYS
from pipelines.orchestration.resources import utc_now
from pipelines.orchestration.run_retention import prune_runs_by_settings
from pipelines.storage.home import Home
from pipelines.storage.lock import holder
from schemas.tables import MILESTONE_TABLES

INGEST_JOB = "ingest"
MAX_RUNTIME_SECONDS = 2 * 60 * 60

_OF_ENDPOINTS = [PUBLISHED_KEYS[table.name] for table in ENDPOINT_ASSET_TABLES]

INGEST = dg.define_asset_job(
    INGEST_JOB,
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets(*_OF_ENDPOINTS),
    description="One sweep, from the API to the published tables.",
    # Run monitoring cannot detect a killed worker: it ends a run that takes longer than any sweep.
    tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS)},
)

PUBLISH = dg.define_asset_job(
    "publish",
    selection=dg.AssetSelection.assets(*(PUBLISHED_KEYS[table.name] for table in MILESTONE_TABLES)),
    description="Publishes the current warehouse.",
)

SWEEP_TAG = "milestones/sweep"
"""The run tag with the mode of the sweep that a schedule launched."""

_WAITING = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING]


def running_full_sweep(instance: dg.DagsterInstance) -> str | None:
    """A scheduled full sweep that has not ended, as text; None if there is none.

    An incremental sweep does not count, as skipping would delay the full sweep by a day: the pool queues it instead.
    """
    is_full = dg.RunsFilter(
        job_name=INGEST_JOB, statuses=[*_WAITING, dg.DagsterRunStatus.STARTED], tags={SWEEP_TAG: "full"}
    )
    running = instance.get_runs(is_full, limit=1)
    return f"run {running[0].run_id}" if running else None


def running_sweep(instance: dg.DagsterInstance, home: Home) -> str | None:
    """The running or queued sweep that a new one would have to wait for, as text; None if there is none.

    Checks the kernel lock and not Dagster's storage, where a killed run stays "started" for hours.
    """
    writer = holder(home)
    if writer is not None:
        return writer
    waiting = instance.get_runs(dg.RunsFilter(job_name=INGEST_JOB, statuses=_WAITING), limit=1)
    return f"run {waiting[0].run_id}" if waiting else None


@dg.op(description="Deletes old runs from Dagster's storage; MILESTONES_KEEP_RUNS is the number of runs to keep.")
def prune_dagster_runs(context: dg.OpExecutionContext) -> None:
    """Delete old runs."""
    removed = prune_runs_by_settings(Path(context.instance.root_directory), now=utc_now())
    context.add_output_metadata({"removed_runs": removed})


@dg.job(name="retention", description="Deletes old runs from Dagster's storage; does not change tables or snapshots.")
def retention_job() -> None:
    """Run the retention."""
    prune_dagster_runs()


# Any: Dagster does not export the type of what `define_asset_job` returns.
ALL_JOBS: list[Any] = [INGEST, PUBLISH, retention_job, *ENDPOINT_JOBS]
