"""`milestones doctor`: one line for each check, whatever is broken, and nothing written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.storage.home import Home
from tests.cli.commands import Command, environment
from tests.support import Shell, tree


def lines(out: str) -> dict[str, str]:
    """The level of each line, by name."""
    return {name: level for level, name in (line.split()[:2] for line in out.splitlines()[:-1])}


@pytest.mark.slow
def test_a_healthy_home(published: Shell, at: Callable[..., Home], command: Command) -> None:
    home = at(published.home.root, published.base_url)
    before = tree(home.root)
    outcome = command("doctor")
    assert (outcome.status, outcome.err) == (0, "")
    found = lines(outcome.out)
    expected = {"python", "packages", "KALSHI_BASE_URL", "API", "clock", "disk", "home", "lock", "sweeps", "warehouse"}
    assert found.keys() >= expected | {"published", "snapshot", "age", "dagster"}
    assert {name for name, level in found.items() if level == "error"} == set()
    assert outcome.out.splitlines()[-1].endswith("0 errors")
    assert tree(home.root) == before


@pytest.mark.slow
def test_json_has_the_same_findings(published: Shell, at: Callable[..., Home], command: Command) -> None:
    at(published.home.root)
    text = lines(command("doctor", "--offline").out)
    report = json.loads(command("doctor", "--offline", "--json").out)
    assert {"API", "clock"}.isdisjoint(text)
    assert sum(report["counts"].values()) == len(report["findings"])
    assert all(finding.keys() == {"name", "level", "text", "advice"} for finding in report["findings"])
    assert [
        (one["name"].split()[0], one["level"]) for one in report["findings"] if not one["name"].startswith("extra")
    ] == [(name, level) for name, level in text.items() if name != "extra"]


BROKEN: dict[str, tuple[dict[str, str], set[str]]] = {
    "settings": (
        {"KALSHI_PAGE_LIMIT": "0", "KALSHI_PROXY": "socks5://me:s3cret@x"},
        {"KALSHI_PAGE_LIMIT", "KALSHI_PROXY"},
    ),
    "a home without a user": ({"MILESTONES_HOME": "~nobody-has-this-name/x"}, {"MILESTONES_HOME", "home"}),
    "a home with an impossible name": ({"MILESTONES_HOME": "h" * 300}, {"disk", "home", "lock", "published"}),
    "a home that is a file": ({"MILESTONES_HOME": __file__}, {"home"}),
}


@pytest.mark.parametrize(("variables", "errors"), BROKEN.values(), ids=BROKEN)
def test_whatever_is_broken_every_other_check_runs(
    tmp_path: Path, at: Callable[..., Home], command: Command, variables: dict[str, str], errors: set[str]
) -> None:
    at(tmp_path, **variables)
    outcome = command("doctor", "--offline")
    found = lines(outcome.out)
    assert (outcome.status, outcome.err) == (1, "")
    assert errors <= {name for name, level in found.items() if level == "error"}
    assert found["python"] == found["dashboard"] == "ok"
    assert "Traceback" not in outcome.out
    assert "s3cret" not in outcome.out


@pytest.mark.slow
def test_a_missing_package_is_a_finding_and_dagster_is_not_loaded(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['duckdb'] = None\n"
        "from pipelines.cli.main import run\n"
        "status = run(['doctor', '--offline'])\n"
        "assert 'dagster' not in sys.modules\n"
        "raise SystemExit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | environment(tmp_path, "http://127.0.0.1:9"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert {name for name, level in lines(done.stdout).items() if level == "error"} == {"warehouse", "published"}
