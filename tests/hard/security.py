"""The tests that look for secrets, open sockets and the like, run as one campaign; and the audit of dependencies."""

from __future__ import annotations

import contextlib
import functools
import re
import subprocess
import sys
from collections.abc import Iterator

from tests.hard.campaign import Campaign, Case, Judge, Totals

SUITES: dict[str, tuple[str, ...]] = {
    "secrets": ("tests/scenarios/test_privacy.py",),
    "log": ("tests/observability/test_logs.py", "tests/observability/test_redaction.py"),
    "sockets": (
        "tests/sandbox/test_server.py::test_only_loopback",
        "tests/cli/test_serve.py::test_options_that_would_open_it_by_mistake_are_refused",
        "tests/scenarios/test_container.py",
    ),
    "addresses": ("tests/kalshi/test_base_url.py",),
    "queries": ("tests/reading/test_connection.py", "tests/schemas/test_sql.py"),
    "dependencies": ("tests/tools/test_project_rules.py",),
}


@contextlib.contextmanager
def prepared(seed: int) -> Iterator[Judge]:
    """No set-up: the tests have their own."""
    del seed
    yield functools.partial(_tested)


def _tested(number: int) -> Case:
    name, files = list(SUITES.items())[number % len(SUITES)]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    last = (done.stdout.strip().splitlines() or [""])[-1]
    passed = re.search(r"(\d+) passed", last)
    case = Case(number, name, counts={"passed": int(passed[1]) if passed else 0})
    if done.returncode:
        case.faults.append(f"{' '.join(files)}: {last or done.stderr.strip()[-200:]}")
    return case


def _summary(totals: Totals) -> str:
    return (
        f"{totals.counts['passed']:,} checks passed, {totals.failed} of {totals.cases} groups failed: "
        f"{', '.join(totals.kinds)}. The canary is searched in every file that a good and a failed run write. Known "
        "vulnerabilities are looked up by `make check`, where their service can be reached"
    )


SECURITY = Campaign(
    name="security",
    title="12. Security gate",
    unit="groups of checks",
    cases=len(SUITES),
    fewest=len(SUITES),
    prepared=prepared,
    summary=_summary,
    bound=None,
)
