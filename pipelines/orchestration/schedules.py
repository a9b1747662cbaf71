"""When sweeps run on their own: incrementally every five minutes, fully once a day. Both off until switched on.

Unpartitioned schedules launch one run after a downtime, however many ticks were missed.
"""

from collections.abc import Callable

import dagster as dg

from pipelines.orchestration.jobs import INGEST, SWEEP_TAG, full_under_way, under_way
from pipelines.storage.home import Home

INCREMENTAL_CRON = "*/5 * * * *"
FULL_CRON = "17 4 * * *"
"""Once a day, when little is played; not on the hour, when everybody polls."""


def _tick(
    mode: str, under_way: Callable[[dg.DagsterInstance], str | None]
) -> Callable[[dg.ScheduleEvaluationContext], dg.RunRequest | dg.SkipReason]:
    def evaluate(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Skip where a sweep is under way that brings what this one would."""
        waits_for = under_way(context.instance)
        if waits_for is not None:
            return dg.SkipReason(f"{waits_for} is under way")
        return dg.RunRequest(run_config={"ops": {"pages": {"config": {"mode": mode}}}}, tags={SWEEP_TAG: mode.lower()})

    return evaluate


def _any_under_way(instance: dg.DagsterInstance) -> str | None:
    return under_way(instance, Home.from_environment())


incremental_schedule = dg.ScheduleDefinition(
    name="incremental_sweep",
    job=INGEST,
    cron_schedule=INCREMENTAL_CRON,
    execution_timezone="UTC",
    execution_fn=_tick("AUTO", _any_under_way),
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="What was updated since the last sweep, every five minutes; everything when there was none.",
)

full_schedule = dg.ScheduleDefinition(
    name="full_sweep",
    job=INGEST,
    cron_schedule=FULL_CRON,
    execution_timezone="UTC",
    execution_fn=_tick("FULL", full_under_way),
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Everything, once a day: finds what vanished and what no update time betrays.",
)

ALL_SCHEDULES = [incremental_schedule, full_schedule]
