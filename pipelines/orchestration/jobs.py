"""The jobs: one sweep from the API to the published tables; publishing alone; retention of Dagster's runs."""

from pathlib import Path

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from pipelines.orchestration.keys import PUBLISHED_KEYS
from pipelines.orchestration.resources import utc_now
from pipelines.orchestration.run_retention import RunRetention, prune_runs
from pipelines.settings import Settings
from pipelines.storage.home import Home
from pipelines.storage.lock import holder

INGEST_JOB = "ingest"
MAX_RUNTIME_SECONDS = 2 * 60 * 60

INGEST = dg.define_asset_job(
    INGEST_JOB,
    selection=dg.AssetSelection.all(),
    description="One sweep, from the API to the published tables.",
    # Run monitoring cannot see a killed worker: it ends what takes longer than any sweep does.
    tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS)},
)

PUBLISH = dg.define_asset_job(
    "publish",
    selection=dg.AssetSelection.assets(*PUBLISHED_KEYS.values()),
    description="The warehouse as it stands, to the published files.",
)

SWEEP_TAG = "milestones/sweep"
"""Which sweep a schedule launched a run for."""

_WAITING = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING]


def full_under_way(instance: dg.DagsterInstance) -> str | None:
    """The full sweep that a schedule launched and that has not ended; None when there is none.

    An incremental one is no reason to leave a full one out for a day: the pool lets it wait for whatever runs.
    """
    is_full = dg.RunsFilter(
        job_name=INGEST_JOB, statuses=[*_WAITING, dg.DagsterRunStatus.STARTED], tags={SWEEP_TAG: "full"}
    )
    running = instance.get_runs(is_full, limit=1)
    return f"run {running[0].run_id}" if running else None


def under_way(instance: dg.DagsterInstance, home: Home) -> str | None:
    """What a new sweep would have to wait for; None when nothing.

    Asks the kernel who writes: a run that was killed stays "started" in Dagster's storage for hours.
    """
    writer = holder(home)
    if writer is not None:
        return writer
    waiting = instance.get_runs(dg.RunsFilter(job_name=INGEST_JOB, statuses=_WAITING), limit=1)
    return f"run {waiting[0].run_id}" if waiting else None


@dg.op(description="Removes old runs from Dagster's storage; MILESTONES_KEEP_RUNS says how many are kept.")
def prune_dagster_runs(context: dg.OpExecutionContext) -> None:
    """Call the retention of Dagster's runs."""
    retention = RunRetention(runs=Settings.from_environment().keep_runs)
    removed = prune_runs(Path(context.instance.root_directory), retention, now=utc_now())
    context.add_output_metadata({"removed_runs": removed})


@dg.job(name="retention", description="Old runs leave Dagster's storage; tables and snapshots are not touched.")
def retention_job() -> None:
    """One op."""
    prune_dagster_runs()


ALL_JOBS: list[dg.JobDefinition | UnresolvedAssetJobDefinition] = [INGEST, PUBLISH, retention_job]
