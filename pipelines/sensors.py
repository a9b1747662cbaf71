"""Sensors: alerts to a webhook when a run fails or a check turns from passed to failed. Off until switched on."""

import dagster as dg
import msgspec

from pipelines.alerts import Webhook, check_failed_text, run_failed_text
from pipelines.jobs import ALL_JOBS

CHECKS_PER_TICK = 500
NO_WEBHOOK = "no webhook is configured: set MILESTONES_WEBHOOK_URL"


class CheckCursor(msgspec.Struct):
    """Up to where check evaluations were read, and which checks failed when last seen."""

    storage_id: int = 0
    failing: list[str] = msgspec.field(default_factory=list)


@dg.run_failure_sensor(
    name="run_failure_alert",
    monitored_jobs=ALL_JOBS,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Posts to the webhook when a run fails.",
)
def run_failure_alert(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """Tell of a failed run."""
    webhook = Webhook.from_environment()
    if webhook is None:
        return dg.SkipReason(NO_WEBHOOK)
    run = context.dagster_run
    webhook.post(run_failed_text(run.job_name, run.run_id, context.failure_event.message or "no message"))
    return None


@dg.sensor(
    name="check_failure_alert",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Posts to the webhook when a check that passed fails; once, not at every poll.",
)
def check_failure_alert(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Tell of checks that turned."""
    webhook = Webhook.from_environment()
    if webhook is None:
        return dg.SkipReason(NO_WEBHOOK)
    cursor = msgspec.json.decode(context.cursor, type=CheckCursor) if context.cursor else CheckCursor()
    failing = set(cursor.failing)
    records = context.instance.get_event_records(
        dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION, after_cursor=cursor.storage_id),
        limit=CHECKS_PER_TICK,
        ascending=True,
    )
    told = 0
    for record in records:
        cursor.storage_id = record.storage_id
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        evaluation = event.asset_check_evaluation_data
        name = f"{evaluation.asset_key.to_user_string()}:{evaluation.check_name}"
        if evaluation.passed:
            failing.discard(name)
        elif name not in failing:
            failing.add(name)
            told += 1
            webhook.post(
                check_failed_text(
                    evaluation.asset_key.to_user_string(),
                    evaluation.check_name,
                    evaluation.severity.value,
                    evaluation.description or "no description",
                )
            )
    cursor.failing = sorted(failing)
    # Kept only when all were told: an alert that could not be delivered is tried again at the next tick.
    context.update_cursor(msgspec.json.encode(cursor).decode())
    return dg.SkipReason(f"{len(records)} evaluations read, {told} told")


ALL_SENSORS = [run_failure_alert, check_failure_alert]
