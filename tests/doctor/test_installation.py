"""Versions against the ranges that the project declares."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from pipelines.doctor.findings import Finding
from pipelines.doctor.installation import check_extras, check_packages, check_python, fault_of


@pytest.mark.parametrize(
    ("version", "level"), [("", "ok"), ("3.11.0", "ok"), ("3.10.12", "error"), ("3.14.0rc1", "ok")]
)
def test_the_version_of_python(version: str, level: str) -> None:
    (found,) = check_python(version)
    assert found.level == level


def test_the_packages_of_the_tests_are_in_range() -> None:
    assert [one.name for one in check_packages() if one.level != "ok"] == []


@pytest.mark.parametrize(
    ("requirement", "level", "text"),
    [
        ("pytest>=1", None, ""),
        ("pytest<1", "warning", "is outside the supported range (<1)"),
        ("no-such-package", "error", "is not installed"),
    ],
)
def test_the_fault_of_a_package(requirement: str, level: str | None, text: str) -> None:
    found = fault_of(Requirement(requirement))
    assert (found.level if found else None) == level
    assert found is None or (text in found.text and found.advice)


def test_extras_are_never_a_fault(tmp_path: Path) -> None:
    found = {one.name: one for one in check_extras(tmp_path / "python")}
    assert found.keys() == {"extra iceberg", "extra mcp", "extra serve", "extra signed", "extra xlsx", "dashboard"}
    assert {one.level for one in found.values()} == {"ok"}
    assert found["dashboard"] == Finding("dashboard", "ok", "not installed; make dashboard installs it")
    (tmp_path / "python").touch()
    assert Finding("dashboard", "ok", "installed") in list(check_extras(tmp_path / "python"))
