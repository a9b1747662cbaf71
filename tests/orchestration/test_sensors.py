"""Sensors: a webhook hears of failed runs and of checks that turn, once, and never of a secret."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import pytest

from pipelines.errors import SweepRefused, WarehouseBusy
from pipelines.observability.alerts import AlertNotDelivered
from pipelines.orchestration.sensors import CHECK_KEYS, check_failure_alert, find_new_failures, run_failure_alert

CANARY = "canary-5e0c1"


class Receiver(HTTPServer):
    """Keeps what was posted to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.texts: list[str] = []
        self.status = 200


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Receiver)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if server.status == 200:
            server.texts.append(json.loads(body)["text"])
        self.send_response(server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("MILESTONES_WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/{CANARY}")
        monkeypatch.setenv("MY_TOKEN", CANARY)
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """On disk: a tick is evaluated for an instance that another process could open."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


def report(instance: dg.DagsterInstance, *, passed: bool) -> None:
    """One of our own checks, as if a run had asked it."""
    key = CHECK_KEYS[0]
    description = f"two rows, {CANARY}"
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(key.asset_key, key.name, passed=passed, metadata={}, description=description)
    )


@pytest.mark.slow
def test_a_newly_failed_check_is_alerted_once(instance: dg.DagsterInstance) -> None:
    told = []
    failing: set[str] = set()
    for passed in (True, False, False, True, False):
        report(instance, passed=passed)
        texts, failing = find_new_failures(instance, CHECK_KEYS, failing)
        told.append(len(texts))
    assert told == [0, 1, 0, 0, 1]
    assert failing == {CHECK_KEYS[0].to_user_string()}
    assert all(word in texts[0] for word in (CHECK_KEYS[0].name, "two rows"))


def sense(instance: dg.DagsterInstance, cursor: str | None) -> tuple[str | None, str | None]:
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        result = check_failure_alert.evaluate_tick(context)
    return result.cursor, result.skip_message


@pytest.mark.slow
def test_an_alert_has_no_secret_and_is_posted_once(receiver: Receiver, instance: dg.DagsterInstance) -> None:
    report(instance, passed=False)
    cursor, _ = sense(instance, None)
    assert sense(instance, cursor)[1] == "0 checks newly fail, 1 fail in total"
    (text,) = receiver.texts
    assert CHECK_KEYS[0].name in text
    assert CANARY not in text


@pytest.mark.slow
def test_an_undelivered_alert_is_posted_at_the_next_tick(receiver: Receiver, instance: dg.DagsterInstance) -> None:
    report(instance, passed=False)
    receiver.status = 500
    with pytest.raises(AlertNotDelivered, match=r"127\.0\.0\.1") as failed:
        sense(instance, None)
    assert CANARY not in str(failed.value)
    receiver.status = 200
    sense(instance, None)
    assert len(receiver.texts) == 1


def fail(error: Exception, *, in_resource: bool = False) -> str | None:
    """Let a run of nobody's job fail, as the command's and automation's runs are; why the sensor skipped, if it did."""

    @dg.resource
    def needed() -> None:
        if in_resource:
            raise error

    @dg.op(required_resource_keys={"needed"})
    def breaks() -> None:
        raise error

    @dg.job(resource_defs={"needed": needed})
    def failing() -> None:
        breaks()

    with dg.DagsterInstance.ephemeral() as instance:
        result = failing.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="run_failure_alert",
            dagster_event=result.get_run_failure_event(),
            dagster_instance=instance,
            dagster_run=result.dagster_run,
        ).for_run_failure()
        skipped = run_failure_alert(context)
    assert skipped is None or isinstance(skipped, dg.SkipReason)
    return skipped.skip_message if skipped else None


@pytest.mark.parametrize("in_resource", [False, True], ids=["in a step", "before the first step"])
def test_a_failed_run_is_alerted_with_its_error(receiver: Receiver, in_resource: bool) -> None:
    assert fail(SweepRefused(f"the API listed 0 records, {CANARY}"), in_resource=in_resource) is None
    (text,) = receiver.texts
    assert re.fullmatch(r"Run failed: failing \(run \S+\): SweepRefused: the API listed 0 records, \*\*\*", text)


def test_an_error_without_a_message_is_named(receiver: Receiver) -> None:
    fail(ZeroDivisionError())
    (text,) = receiver.texts
    assert text.endswith("): ZeroDivisionError")


def test_a_busy_warehouse_is_not_alerted(receiver: Receiver) -> None:
    skipped = fail(WarehouseBusy("home", "process 7"), in_resource=True)
    assert skipped == "another run held the warehouse, which is not a failure"
    assert receiver.texts == []


@pytest.mark.slow
def test_a_failed_command_is_alerted(receiver: Receiver, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """Evaluated as the daemon does it, over what is in storage: a command's run belongs to no code location."""

    @dg.job
    def ingest() -> None:
        @dg.op
        def breaks() -> None:
            raise SweepRefused("the API listed 0 records")

        breaks()

    def sense_runs(cursor: str | None) -> str | None:
        with dg.build_sensor_context(
            instance=instance, cursor=cursor, repository_name="__repository__", sensor_name="run_failure_alert"
        ) as context:
            return run_failure_alert.evaluate_tick(context).cursor

    cursor = sense_runs(None)
    ingest.execute_in_process(instance=instance, raise_on_error=False)
    sense_runs(cursor)
    assert [text.rpartition("): ")[2] for text in receiver.texts] == ["SweepRefused: the API listed 0 records"]


@pytest.mark.slow
def test_without_a_webhook_the_sensor_skips(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILESTONES_WEBHOOK_URL", raising=False)
    cursor, said = sense(instance, None)
    assert cursor is None
    assert said is not None
    assert "MILESTONES_WEBHOOK_URL" in said


def test_sensors_are_off_by_default() -> None:
    assert run_failure_alert.default_status is dg.DefaultSensorStatus.STOPPED
    assert check_failure_alert.default_status is dg.DefaultSensorStatus.STOPPED
