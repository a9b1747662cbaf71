"""Schedules: incremental sweeps every five minutes, a full one once a day, both off until switched on; retention.

Unpartitioned schedules launch one run after a downtime, however many ticks were missed.
"""

from collections.abc import Callable

import dagster as dg

from pipelines.orchestration.jobs import INGEST, SWEEP_TAG, full_under_way, retention_job, under_way
from pipelines.storage.home import Home

INCREMENTAL_CRON = "*/5 * * * *"
FULL_CRON = "17 4 * * *"
"""Once a day, when little is played; not on the hour, when everybody polls."""
RETENTION_CRON = "37 * * * *"


def _tick(
    mode: str, under_way: Callable[[dg.DagsterInstance], str | None]
) -> Callable[[dg.ScheduleEvaluationContext], dg.RunRequest | dg.SkipReason]:
    def evaluate(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Skip where a sweep is under way that brings what this one would."""
        waits_for = under_way(context.instance)
        if waits_for is not None:
            return dg.SkipReason(f"{waits_for} is under way")
        return dg.RunRequest(run_config={"ops": {"pages": {"config": {"mode": mode}}}}, tags={SWEEP_TAG: mode})

    return evaluate


def _any_under_way(instance: dg.DagsterInstance) -> str | None:
    return under_way(instance, Home.from_environment())


incremental_schedule = dg.ScheduleDefinition(
    name="incremental_sweep",
    job=INGEST,
    cron_schedule=INCREMENTAL_CRON,
    execution_timezone="UTC",
    execution_fn=_tick("auto", _any_under_way),
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="What was updated since the last sweep, every five minutes; everything when there was none.",
)

full_schedule = dg.ScheduleDefinition(
    name="full_sweep",
    job=INGEST,
    cron_schedule=FULL_CRON,
    execution_timezone="UTC",
    execution_fn=_tick("full", full_under_way),
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Everything, once a day: finds what vanished and what no update time betrays.",
)

retention_schedule = dg.ScheduleDefinition(
    name="retention",
    job=retention_job,
    cron_schedule=RETENTION_CRON,
    execution_timezone="UTC",
    # Without it the storage of a daemon that polls would grow for ever.
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Old runs leave Dagster's storage, every hour.",
)

ALL_SCHEDULES = [incremental_schedule, full_schedule, retention_schedule]
