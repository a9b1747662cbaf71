"""Sensors: alerts to a webhook when a run fails or a check turns from passed to failed. Off until switched on."""

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
    WarehouseBusy.__name__: "another run held the warehouse, which is no failure",
    dg.DagsterExecutionInterruptedError.__name__: "the run was interrupted, which is no failure",
}
"""By the name of the error: how runs end that Dagster holds to have failed, and that nobody need hear of."""


@dg.run_failure_sensor(
    name="run_failure_alert",
    # What a timer or a person started belongs to no code location, and what automation started to no job of ours.
    monitor_all_code_locations=True,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Posts to the webhook when a run fails.",
)
def run_failure_alert(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """Tell of a failed run."""
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
    """What a step, or the run before its first step, failed of: the error's name, and what it says."""
    event = next(iter(context.get_step_failure_events()), context.failure_event)
    error: Any = getattr(event.event_specific_data, "error", None)
    while error is not None and error.cause is not None and str(error.cls_name).startswith("Dagster"):
        # Wrapped around it by Dagster.
        error = error.cause
    if error is None or not error.cls_name:
        return "", context.failure_event.message or "no message"
    name: str = error.cls_name
    # The module that stands in front says nothing to whoever reads an alert.
    return name, f"{name}{error.message.partition(name)[2]}".strip()


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
    failing = set(msgspec.json.decode(context.cursor, type=list[str])) if context.cursor else set()
    turned, failing = turned_checks(context.instance, CHECK_KEYS, failing)
    for text in turned:
        webhook.post(text)
    # Kept only when all were told: an alert that could not be delivered is tried again at the next tick.
    context.update_cursor(msgspec.json.encode(sorted(failing)).decode())
    return dg.SkipReason(f"{len(turned)} checks turned, {len(failing)} fail")


def turned_checks(
    instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey], failing: set[str]
) -> tuple[list[str], set[str]]:
    """Alerts for the checks that fail and did not when last seen (`failing`), and all that fail now."""
    turned = []
    fail_now = set()
    for key in keys:
        record = instance.get_latest_asset_check_evaluation_record(key)
        evaluation = record.evaluation if record else None
        name = key.to_user_string()
        if not isinstance(evaluation, dg.AssetCheckEvaluation):
            # Never asked, or being asked again by a run under way: as it was until it is answered.
            fail_now |= failing & {name}
            continue
        if evaluation.passed:
            continue
        fail_now.add(name)
        if name not in failing:
            asset, severity = key.asset_key.to_user_string(), evaluation.severity.value
            turned.append(check_failed_text(asset, key.name, severity, evaluation.description or "no description"))
    return turned, fail_now


ALL_SENSORS = [run_failure_alert, check_failure_alert]
