"""Checks of the installation: Python, packages and extras."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from pipelines.doctor.findings import Finding

PROJECT = "kalshi-milestones"
EXTRAS = {"iceberg": "pyiceberg", "mcp": "mcp", "serve": "icalendar", "signed": "cryptography", "xlsx": "xlsxwriter"}
"""By extra, the package that it installs."""

DASHBOARD_PYTHON = Path(__file__).resolve().parents[2] / "dashboard" / ".venv" / "bin" / "python"
"""The dashboard has an environment of its own."""


def check_python(version: str = "") -> Iterator[Finding]:
    """The version of Python against the supported range."""
    version = version or platform.python_version()
    supported = SpecifierSet(metadata.metadata(PROJECT)["Requires-Python"] or "")
    if supported.contains(version, prereleases=True):
        yield Finding("python", "ok", version)
    else:
        yield Finding("python", "error", f"{version} is not supported ({supported})", "install another Python")


def check_packages() -> Iterator[Finding]:
    """Installed versions against the ranges of pyproject.toml: one finding, or one for each that is wrong."""
    requirements = [Requirement(text) for text in metadata.requires(PROJECT) or ()]
    needed = [one for one in requirements if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = [finding for one in needed if (finding := fault_of(one)) is not None]
    yield from wrong
    if not wrong:
        yield Finding(
            "packages", "ok", f"kalshi-milestones {metadata.version(PROJECT)}, {len(needed)} packages in range"
        )


def fault_of(requirement: Requirement) -> Finding | None:
    """What is wrong with an installed package; None where it is in range."""
    name = f"package {requirement.name}"
    advice = "install the locked versions: make demo, or pip install -r requirements/runtime.txt"
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return Finding(name, "error", "is not installed", advice)
    if requirement.specifier.contains(version, prereleases=True):
        return None
    return Finding(name, "warning", f"{version} is outside the supported range ({requirement.specifier})", advice)


def check_extras(dashboard_python: Path = DASHBOARD_PYTHON) -> Iterator[Finding]:
    """Which optional parts are installed. None of them is needed for the pipeline."""
    for extra, package in EXTRAS.items():
        try:
            yield Finding(f"extra {extra}", "ok", f"installed ({package} {metadata.version(package)})")
        except metadata.PackageNotFoundError:
            yield Finding(f"extra {extra}", "ok", "not installed; make extras installs it")
    has_dashboard = dashboard_python.exists()
    yield Finding("dashboard", "ok", "installed" if has_dashboard else "not installed; make dashboard installs it")
