"""The systemd units and the operations page name commands, options and settings that exist."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from pipelines.cli.main import app
from tests.conftest import PROJECT

pytestmark = pytest.mark.slow

UNITS = PROJECT / "deploy" / "systemd"
SERVICES = ("milestones-ingest.service", "milestones-full.service", "milestones-ui.service", "milestones-serve.service")
TIMERS = ("milestones-ingest.timer", "milestones-full.timer")
PAGE = PROJECT / "docs" / "operations.md"
PROGRAM = "/opt/kalshi-milestones/.venv/bin/milestones"

STOP_SECONDS = 10
"""Within which a run ends that is told to."""

SYSTEM_COMMANDS = {
    *(
        "cd",
        "chown",
        "cp",
        "curl",
        "dagster",
        "df",
        "docker",
        "du",
        "export",
        "install",
        "journalctl",
        "make",
        "mkdir",
        "mv",
    ),
    *("python", "ssh", "sudo", "systemctl", "systemd-analyze", "tar", "useradd"),
}
"""What the page may call beside `milestones`."""

SETTINGS = {
    *("KALSHI_BASE_URL", "KALSHI_REQUESTS_PER_SECOND", "KALSHI_DEADLINE_SECONDS", "MILESTONES_HOME"),
    *("KALSHI_OVERLAP_SECONDS", "KALSHI_PROXY", "KALSHI_CA_BUNDLE", "KALSHI_PAGE_LIMIT"),
    *("KALSHI_API_KEY_ID", "KALSHI_PRIVATE_KEY_FILE"),
    *("MILESTONES_CONTRACT", "MILESTONES_LOG", "MILESTONES_WEBHOOK_URL"),
    *("MILESTONES_KEEP_SNAPSHOTS", "MILESTONES_KEEP_SWEEPS", "MILESTONES_KEEP_RUNS", "MILESTONES_THREADS"),
}


class Unit(configparser.RawConfigParser):
    """A unit file; a key that stands twice holds its values line by line."""

    def __init__(self, name: str) -> None:
        super().__init__(strict=False, interpolation=None, comment_prefixes=("#", ";"), dict_type=_Repeated)
        self.read(UNITS / name)

    def optionxform(self, optionstr: str) -> str:
        return optionstr


class _Repeated(dict):  # type: ignore[type-arg]
    def __setitem__(self, key: object, value: object) -> None:
        if isinstance(value, list) and isinstance(self.get(key), list):
            self[key].extend(value)
            return
        super().__setitem__(key, value)


def understood(words: list[str]) -> bool:
    """Whether `milestones` has this verb and these options; nothing is run."""
    try:
        app.parse_args(words, exit_on_error=False, print_error=False)
    except Exception:  # noqa: BLE001 - whatever it is, the command is not understood
        return False
    return True


def shell_commands(page: Path) -> list[list[str]]:
    """Every command of the page's shell blocks, without variables set in front and what is behind a pipe."""
    commands = []
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words and (re.match(r"[A-Z_]+=", words[0]) or words[0] == "sudo" or words[0].startswith("-")):
                words = words[3:] if words[:2] == ["sudo", "-u"] else words[1:]
            if words:
                words[0] = words[0].removeprefix(PROGRAM.removesuffix("milestones"))
                commands.append(words[: words.index("|")] if "|" in words else words)
    return commands


def test_a_verb_or_option_that_does_not_exist_is_seen() -> None:
    assert understood(["ingest", "--full"])
    assert not understood(["ingest", "--fully"])
    assert not understood(["digest"])


@pytest.mark.parametrize("name", SERVICES)
def test_services_start_verbs_that_exist(name: str) -> None:
    program, *words = shlex.split(Unit(name)["Service"]["ExecStart"])

    assert program == PROGRAM
    assert words
    assert understood(words)


def test_the_right_verbs_are_started() -> None:
    started = [Unit(name)["Service"]["ExecStart"].removeprefix(f"{PROGRAM} ") for name in SERVICES]

    assert started == ["ingest", "ingest --full", "ui --port 3000", "serve --port 8600"]


@pytest.mark.parametrize("name", SERVICES)
def test_services_are_hardened_and_hold_no_secret(name: str) -> None:
    service = Unit(name)["Service"]

    assert service["User"] == "milestones"
    assert service["ProtectSystem"] == "strict"
    # The server of the published data only reads.
    access = "ReadOnlyPaths" if name == "milestones-serve.service" else "ReadWritePaths"
    assert service[access] == "/var/lib/milestones"
    assert len({"ReadOnlyPaths", "ReadWritePaths"} & set(service)) == 1
    assert service["EnvironmentFile"] == "-/etc/milestones.env"
    assert service["CapabilityBoundingSet"] == ""
    assert {service[key] for key in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome")} == {"yes"}
    assert set(service["Environment"].split()) == {"MILESTONES_HOME=/var/lib/milestones", "MILESTONES_LOG=json"}
    assert int(service["TimeoutStopSec"]) > STOP_SECONDS
    assert "0.0.0.0" not in (UNITS / name).read_text(encoding="utf-8")  # noqa: S104 - that it is not there


@pytest.mark.parametrize("name", SERVICES[:2])
def test_a_busy_home_and_a_stop_are_no_failures(name: str) -> None:
    assert Unit(name)["Service"]["SuccessExitStatus"] == "75 130"


def test_a_full_sweep_waits_for_the_timers_incremental_one() -> None:
    assert "milestones-ingest.service" in Unit("milestones-full.service")["Unit"]["After"].split()
    # What is waited for has to be a job until it ends.
    assert Unit("milestones-ingest.service")["Service"]["Type"] == "oneshot"


@pytest.mark.parametrize("name", TIMERS)
def test_timers_start_services_that_exist(name: str) -> None:
    timer = Unit(name)

    assert timer["Timer"]["Unit"] in SERVICES
    assert timer["Timer"]["OnCalendar"]
    assert timer["Install"]["WantedBy"] == "timers.target"


def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not on this machine")
    for name in (*SERVICES, *TIMERS):
        # It wants programs that exist, and ours is not installed here.
        (tmp_path / name).write_text((UNITS / name).read_text(encoding="utf-8").replace(PROGRAM, "/bin/true"))

    verified = subprocess.run(
        [analyze, "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path)},
    )

    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_page_names_commands_that_exist() -> None:
    commands = shell_commands(PAGE)

    ours = [words[1:] for words in commands if words[0] == "milestones"]
    assert len(ours) > 10
    assert [words for words in ours if not understood(words)] == []
    assert {words[0] for words in commands} - {"milestones"} <= SYSTEM_COMMANDS


def test_the_page_names_every_setting_unit_and_exit_status() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert {name for name in SETTINGS if f"`{name}`" not in page} == set()
    assert set(re.findall(r"\b(?:KALSHI|MILESTONES)_[A-Z_]+\b", page)) <= SETTINGS
    assert {name for name in (*SERVICES, *TIMERS) if name not in page} == set()
    assert all(re.search(rf"^\| {status} \|", page, re.MULTILINE) for status in (0, 1, 2, 75, 130))
