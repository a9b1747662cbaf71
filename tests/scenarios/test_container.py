"""The container files: nothing is exposed beyond loopback, nothing is written outside the volume, no secret gets in.

hadolint and the schema of Compose files check the rest (`make check`).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from pipelines.cli.main import DASHBOARD_PORT, UI_PORT, app
from tests.conftest import PROJECT

CONTAINERFILE = (PROJECT / "deploy" / "container" / "Containerfile").read_text(encoding="utf-8")
COMPOSE = msgspec.yaml.decode((PROJECT / "deploy" / "container" / "compose.yaml").read_bytes())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
HOME = "/var/lib/milestones"

STOP_SECONDS = 10
"""Within which the UI and its runs end."""


def test_the_services() -> None:
    assert list(SERVICES) == ["ui", "dashboard", "serve"]
    assert [service["build"]["target"] for service in SERVICES.values()] == ["pipeline", "dashboard", "pipeline"]


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_a_service_can_write_to_its_volume_only(service: dict[str, Any]) -> None:
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp:mode=1777"]  # noqa: S108 - of the container


def test_one_service_writes() -> None:
    mounts = {name: service["volumes"] for name, service in SERVICES.items()}
    assert mounts == {"ui": [f"home:{HOME}"], "dashboard": [f"home:{HOME}:ro"], "serve": [f"home:{HOME}:ro"]}


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_ports_are_on_loopback(service: dict[str, Any]) -> None:
    """A service on the host's network must not listen elsewhere; another publishes on loopback."""
    if service.get("network_mode") == "host":
        assert "0.0.0.0" not in service["command"]  # noqa: S104 - that it is not there
        assert "ports" not in service
    else:
        assert service["ports"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@pytest.mark.parametrize(("name", "port"), [("ui", UI_PORT), ("dashboard", DASHBOARD_PORT)])
def test_commands_exist(name: str, port: int) -> None:
    command = SERVICES[name]["command"]
    assert command == [name, "--port", str(port)]
    app.parse_args(command, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_a_service_has_time_to_stop_and_a_check_of_its_health(service: dict[str, Any]) -> None:
    assert int(service["stop_grace_period"].removesuffix("s")) > STOP_SECONDS
    assert service["init"] is True
    assert service["healthcheck"]["test"][0] == "CMD"


def test_images_are_built_from_locks_with_hashes() -> None:
    installs = re.findall(r"pip install (.*?)(?= &&|\n\n|\nRUN|\|\||$)", CONTAINERFILE.replace("\\\n", " "), re.DOTALL)
    assert len(installs) == 5
    for install in installs:
        assert "--require-hashes" in install or "--no-deps" in install
    for locked in re.findall(r"--requirement (\S+)", CONTAINERFILE):
        assert "--hash=sha256:" in (PROJECT / locked).read_text(encoding="utf-8")


def test_base_images_have_a_tag_and_the_last_user_is_not_root() -> None:
    images = re.findall(r"^FROM (\S+) AS (\S+)", CONTAINERFILE, re.MULTILINE)
    stages = {stage for _, stage in images}
    assert all(re.fullmatch(r"\S+:\d\.\d+-\S+", image) for image, _ in images if image not in stages)
    assert re.findall(r"^USER (\S+)", CONTAINERFILE, re.MULTILINE) == ["10001:10001"]


def test_the_context_is_an_allow_list_of_what_exists() -> None:
    first, *others = [
        line for line in (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] != "#"
    ]
    assert first == "*"
    allowed = [line[1:] for line in others if line.startswith("!")]
    assert all((PROJECT / path).exists() for path in allowed)
    assert not {".git", "data", ".env"} & {path.split("/")[0] for path in allowed}
