"""A configuration that worker and run would not share, or that loses the steps of a killed worker, is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("dagster_celery", reason="needs the extra cluster: run make test-cluster")

from pipelines.cluster.configuration import DEFAULT_FILE, CeleryConfiguration
from pipelines.errors import WrongSetting
from pipelines.project_files import project_file

REDIS = "redis://:secret-word@127.0.0.1:6379/0"
POSTGRES = "postgresql+psycopg2://user:secret-word@127.0.0.1/db"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILESTONES_REDIS_URL", REDIS)
    monkeypatch.setenv("MILESTONES_POSTGRES_URL", POSTGRES)
    monkeypatch.delenv("MILESTONES_CELERY_FILE", raising=False)


def shipped() -> dict[str, Any]:
    """The executor's part of the shipped file."""
    content = yaml.safe_load(project_file(DEFAULT_FILE).read_text(encoding="utf-8"))
    return dict(content["execution"]["config"])


def refusal(tmp_path: Path, content: object) -> str:
    file = tmp_path / "celery.yaml"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(WrongSetting) as refused:
        CeleryConfiguration.read(file)
    message = str(refused.value)
    assert str(file) in message
    assert "secret-word" not in message
    assert "\n" not in message
    return message


def test_the_shipped_file_gives_the_addresses_of_the_environment() -> None:
    found = CeleryConfiguration.from_environment()
    assert (found.resolved["broker"], found.resolved["backend"]) == (REDIS, REDIS)
    assert found.executor["broker"] == {"env": "MILESTONES_REDIS_URL"}, "Dagster stores it: no password"
    assert found.step_seconds(60.0) > 60.0


@pytest.mark.parametrize(
    "content",
    [
        lambda executor: executor,
        lambda executor: {"config": executor},
        lambda executor: {"execution": executor},
        lambda executor: {"execution": {"config": executor}, **executor},
    ],
    ids=["flat", "below config", "below execution", "beside execution"],
)
def test_the_flat_form_that_dagster_ignores_is_refused(tmp_path: Path, content: Any) -> None:
    message = refusal(tmp_path, content(shipped()))
    assert "nest it below execution: and config:" in message


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("", "no execution.config"),
        ("execution:\n", "no execution.config"),
        ("execution: {config: }", "no execution.config"),
        ("- broker", "no execution.config"),
        ("a: [", "is no YAML"),
        ("ops: {}", "has ops where only execution belongs"),
    ],
    ids=["empty", "no config", "empty config", "list", "no yaml", "other key"],
)
def test_a_file_without_the_two_levels_is_refused(tmp_path: Path, content: str, part: str) -> None:
    assert part in refusal(tmp_path, content)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"brokr": "redis://a"}, "brokr"),
        ({"broker": "pyamqp://guest@a//"}, "broker is no address of Redis"),
        ({"backend": "rpc://"}, "backend is no address of Redis"),
        ({"broker": {"env": "MILESTONES_NOT_SET"}}, "environment variable that it names is not set"),
    ],
    ids=["unknown key", "another broker", "another backend", "unset variable"],
)
def test_a_wrong_value_is_refused(tmp_path: Path, change: dict[str, Any], part: str) -> None:
    assert part in refusal(tmp_path, {"execution": {"config": shipped() | change}})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task_acks_late", False),
        ("task_reject_on_worker_lost", False),
        ("worker_prefetch_multiplier", 4),
        ("broker_transport_options", {}),
        ("broker_transport_options", {"visibility_timeout": "soon"}),
    ],
    ids=["early acknowledgement", "no rejection", "prefetch", "no visibility", "visibility as text"],
)
def test_a_value_that_loses_the_steps_of_a_killed_worker_is_refused(tmp_path: Path, name: str, value: object) -> None:
    executor = shipped()
    executor["config_source"][name] = value
    assert name in refusal(tmp_path, {"execution": {"config": executor}})


def test_a_visibility_timeout_that_ends_within_a_page_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KALSHI_DEADLINE_SECONDS", "180")
    with pytest.raises(WrongSetting, match="too short for a page, which may take 180 s"):
        CeleryConfiguration.from_environment()


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MILESTONES_CELERY_FILE", str(tmp_path / "none.yaml"))
    with pytest.raises(WrongSetting, match=r"cannot read .*none\.yaml \(No such file or directory\)"):
        CeleryConfiguration.from_environment()


def test_the_writer_keeps_its_unacknowledged_steps_apart() -> None:
    found = CeleryConfiguration.from_environment()
    writer = found.app_arguments(unacked="unacked-writer", visibility_seconds=7200)["config_source"]
    reader = found.app_arguments()["config_source"]
    assert writer.broker_transport_options["unacked_key"] == "unacked-writer_key"
    assert writer.broker_transport_options["visibility_timeout"] == 7200
    assert "unacked_key" not in reader.broker_transport_options
    assert reader.broker_transport_options["visibility_timeout"] == found.visibility_seconds
