"""Schedules: incremental sweeps every five minutes, a full sweep once a day, hourly retention of Dagster's runs, and
one for each endpoint beside milestones.

The sweeps are off by default. After a downtime, an unpartitioned schedule launches one run for all missed ticks.
"""

from collections.abc import Callable

import dagster as dg

from pipelines.orchestration.endpoints import ENDPOINT_SCHEDULES
from pipelines.orchestration.jobs import INGEST, SWEEP_TAG, retention_job, running_full_sweep, running_sweep
from pipelines.storage.home import Home

INCREMENTAL_CRON = "*/5 * * * *"
FULL_CRON = "17 4 * * *"
"""Once a day, when few games are played, and not on the hour, when many clients poll."""
RETENTION_CRON = "37 * * * *"


def _tick(
    mode: str, find_running: Callable[[dg.DagsterInstance], str | None]
) -> Callable[[dg.ScheduleEvaluationContext], dg.RunRequest | dg.SkipReason]:
    def evaluate(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Skip if a running sweep already covers this one."""
        running = find_running(context.instance)
        if running is not None:
            return dg.SkipReason(f"{running} has not finished")
        return dg.RunRequest(run_config={"ops": {"pages": {"config": {"mode": mode}}}}, tags={SWEEP_TAG: mode})

    return evaluate


def _running_sweep(instance: dg.DagsterInstance) -> str | None:
    return running_sweep(instance, Home.from_environment())


incremental_schedule = dg.ScheduleDefinition(
    name="incremental_sweep",
    job=INGEST,
    cron_schedule=INCREMENTAL_CRON,
    execution_timezone="UTC",
    execution_fn=_tick("auto", _running_sweep),
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Sweeps the updates since the last sweep, every five minutes; the first sweep is full.",
)

full_schedule = dg.ScheduleDefinition(
    name="full_sweep",
    job=INGEST,
    cron_schedule=FULL_CRON,
    execution_timezone="UTC",
    execution_fn=_tick("full", running_full_sweep),
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Sweeps everything, once a day: finds vanished milestones and changes without an update time.",
)

retention_schedule = dg.ScheduleDefinition(
    name="retention",
    job=retention_job,
    cron_schedule=RETENTION_CRON,
    execution_timezone="UTC",
    # On by default: without it, the storage of a polling daemon would grow without bound.
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Deletes old runs from Dagster's storage, every hour.",
)

ALL_SCHEDULES = [incremental_schedule, full_schedule, retention_schedule, *ENDPOINT_SCHEDULES]
