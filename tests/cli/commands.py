"""Runs `milestones` commands for the tests, in this process or as a process of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipelines.project_files import CHECKOUT


@dataclass
class Outcome:
    """Exit status and output of a command."""

    status: int
    out: str
    err: str

    @property
    def error_line(self) -> str:
        """The single line on stderr, without its prefix."""
        assert "Traceback" not in self.err + self.out
        (line,) = self.err.splitlines()
        assert line.isprintable()
        assert line.startswith("milestones: ")
        return line.removeprefix("milestones: ")


Command = Callable[..., Outcome]


HOSTILE = "=1+1|\x1b[31m"


DEAD_URL = "http://127.0.0.1:9/trade-api/v2"


def environment(home: Path, base_url: str) -> dict[str, str]:
    return {
        "MILESTONES_HOME": str(home),
        "KALSHI_BASE_URL": base_url,
        "KALSHI_REQUESTS_PER_SECOND": "0",
        "KALSHI_DEADLINE_SECONDS": "5",
        "DAGSTER_HOME": str(home / "dagster"),
        "COLUMNS": "200",
    }


def process(
    arguments: list[str], variables: dict[str, str], *, cwd: Path = CHECKOUT, given: str = "", umask: int = -1
) -> Outcome:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *arguments],
        env=variables,
        cwd=cwd,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        umask=umask,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
