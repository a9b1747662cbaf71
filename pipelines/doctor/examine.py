"""All checks, in the order of the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from importlib import import_module
from typing import Any

from pipelines.doctor.findings import Check, Finding, run_checks
from pipelines.errors import WrongSetting
from pipelines.storage.home import HOME_VARIABLE, Home


def examine(environment: Mapping[str, str], *, offline: bool, now: Callable[[], datetime]) -> Iterator[Finding]:
    """Run all checks. With `offline`, no request is sent. `now` gives aware UTC times."""
    yield from run_checks(
        [
            ("python", _check("installation", "check_python")),
            ("packages", _check("installation", "check_packages")),
            ("settings", _check("settings", "check_settings", environment)),
            *([] if offline else _checks_of_network(environment, now)),
        ]
    )
    try:
        home = Home.from_environment(environment)
    except WrongSetting:
        # The finding of the setting says why.
        yield Finding("home", "error", "is not known, so nothing in it is checked", f"correct {HOME_VARIABLE}")
    else:
        yield from run_checks(_checks_of_home(home, now))
    yield from run_checks([("extras", _check("installation", "check_extras"))])


def _checks_of_network(environment: Mapping[str, str], now: Callable[[], datetime]) -> list[tuple[str, Check]]:
    return [
        ("API", _check("network", "check_api", environment, now=now)),
        ("lake", _check("lake", "check_lake", environment)),
    ]


def _checks_of_home(home: Home, now: Callable[[], datetime]) -> list[tuple[str, Check]]:
    return [
        ("disk", _check("home", "check_disk", home)),
        ("home", _check("home", "check_home", home)),
        ("lock", _check("home", "check_lock", home, now=now())),
        ("sweeps", _check("home", "check_sweeps", home, now=now())),
        ("warehouse", _check("data", "check_warehouse", home)),
        ("published", _check("data", "check_published", home, now=now())),
        ("dagster", _check("dagster_storage", "check_dagster", home, now=now())),
    ]


def _check(module: str, function: str, *arguments: Any, **keywords: Any) -> Check:
    """A check of this package, imported when it runs: a package that cannot be imported is a finding too."""

    def check() -> Iterable[Finding]:
        found: Iterable[Finding] = getattr(import_module(f"pipelines.doctor.{module}"), function)(
            *arguments, **keywords
        )
        return found

    return check
