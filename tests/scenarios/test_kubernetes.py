"""The values for Dagster's Helm chart: what the chart makes of them, as far as that shows without a cluster."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import msgspec
import pytest

from pipelines.settings import settings_table
from tests.conftest import PROJECT

jsonschema = pytest.importorskip("jsonschema")

FOLDER = PROJECT / "deploy" / "kubernetes"
TEXT = (FOLDER / "values.yaml").read_text(encoding="utf-8")
IMAGE = (FOLDER / "Containerfile").read_text(encoding="utf-8")
BASE = (PROJECT / "deploy" / "container" / "Containerfile").read_text(encoding="utf-8")
DOCUMENT = (PROJECT / "docs" / "scale.md").read_text(encoding="utf-8")
VALUES: dict[str, Any] = msgspec.yaml.decode(TEXT)
SCHEMA = msgspec.json.decode((FOLDER / "values.schema.json").read_bytes())
(CODE_SERVER,) = VALUES["dagster-user-deployments"]["deployments"]


def fullname(release: str, chart: str) -> str:
    """The name that the chart's template `dagster.fullname` makes."""
    return (release if chart in release else f"{release}-{chart}")[:63].removesuffix("-")


def is_valid(values: dict[str, Any]) -> bool:
    return bool(jsonschema.Draft7Validator(SCHEMA).is_valid(values))


def misspelled(values: dict[str, Any]) -> None:
    values["dagsterDaemon"]["runCordinator"] = values["dagsterDaemon"].pop("runCoordinator")


def latest(values: dict[str, Any]) -> None:
    values["dagster-user-deployments"]["deployments"][0]["image"]["tag"] = "latest"


def number_as_variable(values: dict[str, Any]) -> None:
    values["dagster-user-deployments"]["deployments"][0]["env"]["MILESTONES_KEEP_RUNS"] = 100


def password_in_the_file(values: dict[str, Any]) -> None:
    values["postgresql"]["postgresqlPassword"] = "correct-horse"


def test_the_values_follow_the_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert is_valid(VALUES)


@pytest.mark.parametrize("spoil", [misspelled, latest, number_as_variable, password_in_the_file])
def test_the_schema_refuses(spoil: Callable[[dict[str, Any]], None]) -> None:
    values = copy.deepcopy(VALUES)
    spoil(values)
    assert not is_valid(values)


def test_the_names_that_the_chart_makes_are_names_of_kubernetes() -> None:
    (release,) = re.findall(r"helm install (\S+) dagster/dagster", TEXT)
    names = [
        f"{fullname(release, 'dagster')}-webserver",
        f"{fullname(release, 'dagster')}-daemon",
        f"{fullname(release, 'dagster-user-deployments')}-{CODE_SERVER['name']}",
        f"{fullname(release, 'dagster-user-deployments')}-{CODE_SERVER['name']}-user-env",
    ]
    assert [name for name in names if not re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", name)] == []
    assert f"service/{names[0]} " in DOCUMENT
    assert f"service/{names[0]} " in TEXT


def test_the_code_server_loads_the_definitions() -> None:
    option, module = CODE_SERVER["dagsterApiGrpcArgs"]
    assert option == "--module-name"
    assert find_spec(module) is not None


def test_variables_are_settings_or_the_images_own() -> None:
    names = set(re.findall(r"^\| `([A-Z_]+)` \|", settings_table(), re.MULTILINE)) | set(
        re.findall(r"\b([A-Z][A-Z_]+)=", BASE)
    )
    assert CODE_SERVER["env"].keys() - names == set()


def test_the_home_is_a_volume_of_the_user_of_the_image() -> None:
    home = CODE_SERVER["env"]["MILESTONES_HOME"]
    assert f"MILESTONES_HOME={home}" in BASE
    mounted = {mount["mountPath"]: mount["name"] for mount in CODE_SERVER["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in CODE_SERVER["volumes"]}
    assert "persistentVolumeClaim" in volumes[mounted[home]]
    assert "emptyDir" in volumes[mounted[CODE_SERVER["env"]["HOME"]]]
    (user,) = re.findall(r"useradd --uid (\d+)", BASE)
    assert CODE_SERVER["podSecurityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": int(user),
        "runAsGroup": int(user),
        "fsGroup": int(user),
    }


def test_runs_are_on_the_node_of_the_home_and_write_one_at_a_time() -> None:
    pods = VALUES["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]["podSpecConfig"]
    assert pods["nodeSelector"] == CODE_SERVER["nodeSelector"]
    assert pods["securityContext"] == CODE_SERVER["podSecurityContext"]
    assert CODE_SERVER["includeConfigInLaunchedRuns"] == {"enabled": True}
    assert VALUES["concurrency"]["pools"] == {"defaultLimit": 1, "granularity": "run"}


def test_the_instance_is_that_of_one_machine() -> None:
    instance = msgspec.yaml.decode((PROJECT / "dagster.yaml").read_bytes())

    def as_chart(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {re.sub(r"_(.)", lambda found: found[1].upper(), key): as_chart(entry) for key, entry in value.items()}

    daemon = VALUES["dagsterDaemon"]
    assert daemon["runMonitoring"] == as_chart(instance["run_monitoring"])
    assert daemon["runRetries"] == as_chart(instance["run_retries"])
    assert VALUES["concurrency"]["pools"] == as_chart(instance["concurrency"]["pools"])
    assert VALUES["pythonLogs"] == {"managedPythonLoggers": instance["python_logs"]["managed_python_loggers"]}
    for kind in ("schedule", "sensor"):
        expected = instance["retention"][kind]["purge_after_days"]
        assert VALUES["retention"][kind]["purgeAfterDays"].items() >= expected.items()


def test_chart_and_image_have_the_version_of_dagster() -> None:
    assert set(re.findall(r"--version (\S+)", TEXT + DOCUMENT)) == {version("dagster")}
    lock = (PROJECT / "requirements" / "kubernetes.txt").read_text(encoding="utf-8")
    assert f"dagster=={version('dagster')} " in lock
    assert "requirements/kubernetes.txt" in IMAGE


def test_the_image_runs_what_the_chart_gives_as_arguments() -> None:
    assert "ENTRYPOINT []" in IMAGE
    assert IMAGE.rindex("USER 10001:10001") > IMAGE.rindex("RUN ")
