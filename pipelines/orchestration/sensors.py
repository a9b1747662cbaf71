"""Sensors: post an alert to a webhook when a run fails, or when a check that passed fails. Off by default.

The texts and the webhook are in `pipelines.observability.alerts`.
"""

from collections.abc import Iterable
from typing import Any

import dagster as dg
import msgspec

from pipelines.errors import WarehouseBusy
from pipelines.observability.alerts import Webhook, check_failed_text, run_failed_text
from pipelines.orchestration.assets import ALL_ASSETS
from pipelines.orchestration.checks import ALL_CHECKS

CHECK_KEYS = sorted(key for definition in (*ALL_ASSETS, *ALL_CHECKS) for key in definition.check_keys)
NO_WEBHOOK = "no webhook is configured: set MILESTONES_WEBHOOK_URL"
NO_FAILURE = {
    WarehouseBusy.__name__: "another run held the warehouse, which is not a failure",
    dg.DagsterExecutionInterruptedError.__name__: "the run was interrupted, which is not a failure",
}
"""Errors that Dagster counts as failures and that need no alert, by name, with the reason to skip."""


@dg.run_failure_sensor(
    name="run_failure_alert",
    # Runs started from the command line have no code location, and automated runs belong to none of our jobs.
    monitor_all_code_locations=True,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Posts to the webhook when a run fails.",
)
def run_failure_alert(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """Post an alert for a failed run."""
    webhook = Webhook.from_environment()
    if webhook is None:
        return dg.SkipReason(NO_WEBHOOK)
    name, message = _cause(context)
    if name in NO_FAILURE:
        return dg.SkipReason(NO_FAILURE[name])
    run = context.dagster_run
    webhook.post(run_failed_text(run.job_name, run.run_id, message))
    return None


def _cause(context: dg.RunFailureSensorContext) -> tuple[str, str]:
    """The error of a failed step, or of a run that failed before its first step: its name, and name with message."""
    event = next(iter(context.get_step_failure_events()), context.failure_event)
    error: Any = getattr(event.event_specific_data, "error", None)
    while error is not None and error.cause is not None and str(error.cls_name).startswith("Dagster"):
        # Dagster wraps the error of a step in its own.
        error = error.cause
    if error is None or not error.cls_name:
        return "", context.failure_event.message or "no message"
    name: str = error.cls_name
    # Without the module name before it, which is of no use in an alert.
    return name, f"{name}{error.message.partition(name)[2]}".strip()


@dg.sensor(
    name="check_failure_alert",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Posts to the webhook when a check that passed fails: once, not at every poll.",
)
def check_failure_alert(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Post an alert for each check that newly fails."""
    webhook = Webhook.from_environment()
    if webhook is None:
        return dg.SkipReason(NO_WEBHOOK)
    failing = set(msgspec.json.decode(context.cursor, type=list[str])) if context.cursor else set()
    alerts, failing = find_new_failures(context.instance, CHECK_KEYS, failing)
    for text in alerts:
        webhook.post(text)
    # Stored only after all alerts were posted: the next tick retries an alert that could not be delivered.
    context.update_cursor(msgspec.json.encode(sorted(failing)).decode())
    return dg.SkipReason(f"{len(alerts)} checks newly fail, {len(failing)} fail in total")


def find_new_failures(
    instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey], failing: set[str]
) -> tuple[list[str], set[str]]:
    """Alerts for checks that fail and are not in `failing`, and the names of all checks that fail now."""
    alerts = []
    fail_now = set()
    for key in keys:
        record = instance.get_latest_asset_check_evaluation_record(key)
        evaluation = record.evaluation if record else None
        name = key.to_user_string()
        if not isinstance(evaluation, dg.AssetCheckEvaluation):
            # Never evaluated, or being evaluated by a running run: keep its last state.
            fail_now |= failing & {name}
            continue
        if evaluation.passed:
            continue
        fail_now.add(name)
        if name not in failing:
            asset, severity = key.asset_key.to_user_string(), evaluation.severity.value
            alerts.append(check_failed_text(asset, key.name, severity, evaluation.description or "no description"))
    return alerts, fail_now


ALL_SENSORS = [run_failure_alert, check_failure_alert]
