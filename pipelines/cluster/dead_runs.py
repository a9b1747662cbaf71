"""Which runs of a cluster are still running: Dagster keeps a run whose process was killed as started for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg

from pipelines.orchestration.jobs import MAX_RUNTIME_SECONDS

DEAD_AFTER = timedelta(seconds=MAX_RUNTIME_SECONDS)
"""A step reports to its run when it begins and when it ends, and takes no longer than this."""

DEAD = "this run reported nothing for two hours, so the process that started it was killed"


def is_running(instance: dg.DagsterInstance, run_id: str, *, now: datetime) -> bool:
    """Whether a run has not ended; marks one that has died as failed. `now` is aware."""
    record = instance.get_run_record_by_id(run_id)
    if record is None or record.dagster_run.is_finished:
        return False
    newest = instance.get_records_for_run(run_id, limit=1, ascending=False).records
    reported = datetime.fromtimestamp(newest[0].timestamp, UTC) if newest else record.create_timestamp
    if now - reported < DEAD_AFTER:
        return True
    instance.report_run_failed(record.dagster_run, DEAD)
    return False
