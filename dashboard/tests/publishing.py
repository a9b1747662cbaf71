"""Publishes for tests, in a process with the pipeline's environment: this environment does not contain the pipeline."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
PIPELINE = PROJECT / ".venv" / "bin"
NOW = datetime.now(UTC).replace(microsecond=0)
"""The current time of a test run; the known milestones are live or upcoming relative to it."""


class Publisher:
    """A home and the process that publishes into it."""

    def __init__(self, home: Path, process: subprocess.Popen[str]) -> None:
        self.home = home
        self._process = process

    @property
    def file(self) -> Path:
        """The published file."""
        return self.home / "published" / "milestones.duckdb"

    def milestones(self, *rows: dict[str, Any]) -> None:
        """Add or change milestones in the API's data; sweep and publish."""
        self._do("milestones", rows=rows)

    def records(self, endpoint: str, *rows: dict[str, Any], unknown: Iterable[str] = ()) -> None:
        """Fetch these records of another endpoint, and request keys that it does not know; publish."""
        counted = self._do("records", endpoint=endpoint, rows=rows, unknown=list(unknown))
        assert counted == {"records": len(rows), "quarantined": 0}

    def past(self, **options: Any) -> None:
        """Publish made-up data with sweeps over several days."""
        self._do("past", **options)

    def publish(self, times: int) -> list[float]:
        """Publish several times; returns the seconds of each publish."""
        self.begin_publishing(times)
        return self.finish_publishing()

    def begin_publishing(self, times: int) -> None:
        """As `publish`, without waiting."""
        self._send("publish", times=times)

    def finish_publishing(self) -> list[float]:
        """Wait for `begin_publishing`; returns the seconds of each publish."""
        seconds: list[float] = self._answer()["seconds"]
        return seconds

    def _do(self, verb: str, **options: Any) -> dict[str, Any]:
        self._send(verb, **options)
        return self._answer()

    def _send(self, verb: str, **options: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": verb} | options) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@contextmanager
def publishing(home: Path) -> Iterator[Publisher]:
    command = [str(PIPELINE / "python"), "-m", "tests.publisher", str(home)]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Publisher(home, process)
        finally:
            process.terminate()


def number(value: int) -> str:
    """The id of a milestone."""
    return f"00000000-0000-4000-8000-{value:012d}"


def team(value: int) -> str:
    """The id of a structured target."""
    return f"11111111-0000-4000-8000-{value:012d}"


def hours(ahead: float) -> str:
    """The time a number of hours from now, in the API's format."""
    return f"{NOW + timedelta(hours=ahead):%Y-%m-%dT%H:%M:%SZ}"
