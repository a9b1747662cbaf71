"""Looks for known vulnerabilities in the locked dependencies: pip-audit, against the database of OSV.

A machine without access to that service cannot audit: it says so, with the date of its last audit, and does not fail.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1]
STAMP = PROJECT / ".environments" / "last-audit"
"""Holds the date of the last audit that reached the service."""

CONTAINED = ("requirements/runtime.txt", "requirements/extras.txt", "dashboard/requirements/runtime.txt")
"""Locks whose packages are in `dev.txt` as well. `requirements/lowest` is old on purpose, and only for tests."""

TIMEOUT_SECONDS = "10"
_UNREACHABLE = re.compile(r"[\w.]*(?:ConnectionError|Timeout|HTTPError|ServiceError)(?::|$)|.*network may be blocking")


def locks() -> list[Path]:
    """The lock files to audit."""
    found = sorted([*PROJECT.glob("requirements/*.txt"), *PROJECT.glob("dashboard/requirements/*.txt")])
    return [path for path in found if str(path.relative_to(PROJECT)) not in CONTAINED]


class Unreachable(Exception):
    """The service cannot be reached."""


class AuditFailed(Exception):
    """pip-audit failed for another reason."""


def audit(program: Path, files: list[Path], *, stamp: Path, today: date) -> int:
    """Audit the files and print the result; the exit status. Only a finished audit changes the stamp."""
    names, vulnerable = set[str](), set[tuple[str, str, str]]()
    try:
        for file in files:
            for one in _dependencies(program, file):
                names.add(one["name"])
                vulnerable |= {(one["name"], one["version"], fault["id"]) for fault in one["vulns"]}
    except Unreachable:
        last = stamp.read_text(encoding="utf-8").strip() if stamp.exists() else "never"
        print(f"audit: not done, as the service cannot be reached; last audit on this machine: {last}")
        return 0
    except AuditFailed as error:
        print(f"audit: pip-audit failed: {error}", file=sys.stderr)
        return 1
    stamp.write_text(f"{today}\n", encoding="utf-8")
    for name, version, vulnerability in sorted(vulnerable):
        print(f"audit: {name} {version} has {vulnerability}: upgrade it with make lock", file=sys.stderr)
    if not vulnerable:
        print(f"audit: no known vulnerability in {len(names)} packages")
    return 1 if vulnerable else 0


def _dependencies(program: Path, file: Path) -> list[dict[str, Any]]:
    """What pip-audit says about one lock file; it refuses two files with the same package."""
    options = ["--vulnerability-service", "osv", "--strict", "--disable-pip", "--require-hashes"]
    options += ["--progress-spinner", "off", "--timeout", TIMEOUT_SECONDS, "--format", "json", "--desc", "off"]
    command = [str(program), *options, "--requirement", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        # It has one exit status for vulnerabilities and for every failure; the last line names the error.
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        kind = Unreachable if _UNREACHABLE.match(reason) else AuditFailed
        raise kind(reason) from None
    return found


if __name__ == "__main__":
    sys.exit(audit(Path(sys.argv[1]), locks(), stamp=STAMP, today=datetime.now(UTC).date()))
