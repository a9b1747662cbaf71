"""`milestones doctor`: one line for each check, and advice where something is wrong. Does not import Dagster."""

from __future__ import annotations

import os
import sys
from json import dumps as json_text
from typing import Annotated, Any

from rich.console import Console
from rich.text import Text

from pipelines.cli.app import EXIT_FAILED, FLAG, app
from pipelines.wording import counted


@app.command
def doctor(*, offline: Annotated[bool, FLAG] = False, json: Annotated[bool, FLAG] = False) -> int:
    """Check settings, packages, the API, the clock, the disk and the home. Exits with 1 if anything is an error.

    Nothing is written, and one request is sent.

    Parameters
    ----------
    offline
        Send no request.
    json
        Print the findings as JSON.
    """
    from dataclasses import asdict
    from datetime import UTC, datetime

    from pipelines.doctor.examine import examine

    console = Console()
    found: list[dict[str, Any]] = []
    for finding in examine(os.environ, offline=offline, now=lambda: datetime.now(UTC)):
        found.append(asdict(finding))
        if not json:
            _print(console, found[-1])
    counts = {level: sum(one["level"] == level for one in found) for level in _STYLES}
    if json:
        # Not `reading.formats`, which needs DuckDB: a broken package must not hide the report.
        sys.stdout.write(json_text({"findings": found, "counts": counts}, indent=2) + "\n")
    else:
        warnings, errors = counted(counts["warning"], "warning"), counted(counts["error"], "error")
        console.print(f"{counts['ok']} ok, {warnings}, {errors}", highlight=False)
    return EXIT_FAILED if counts["error"] else 0


_STYLES = {"ok": "green", "warning": "yellow", "error": "red"}


def _print(console: Console, finding: dict[str, Any]) -> None:
    """Print a finding as one line, whatever the width of the terminal: it is searched with grep."""
    from pipelines.escaping import one_line

    level = finding["level"]
    advice = f": {finding['advice']}" if finding["advice"] else ""
    line = Text(f"{level:<8}", style=_STYLES[level])
    line.append(one_line(f" {finding['name']:<26} {finding['text']}{advice}"), style="default")
    console.print(line, soft_wrap=True, highlight=False)
