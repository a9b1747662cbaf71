"""What `milestones rebuild --engine spark` says where Spark's packages or Java are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.errors import ExtraMissing
from pipelines.spark.installed import JavaMissing, check_java, check_pyspark


def java(folder: Path, printed: str) -> Path:
    """A command that prints this as its version, as Java does on stderr."""
    file = folder / "bin" / "java"
    file.parent.mkdir()
    file.write_text(f"#!/bin/sh\necho '{printed}' >&2\n")
    file.chmod(0o755)
    return folder


@pytest.mark.parametrize("missing", ["pyspark", "pandas"])
def test_a_missing_package_names_the_extra(missing: str) -> None:
    with pytest.raises(ExtraMissing, match=r"needs the extra spark: run make spark in a checkout"):
        check_pyspark(lambda name: None if name == missing else object())


def test_installed_packages_are_enough() -> None:
    check_pyspark(lambda name: name)


@pytest.mark.parametrize("printed", ['openjdk version "17.0.15" 2025-04-15', 'openjdk version "21" 2023-09-19'])
def test_a_new_java_is_enough(tmp_path: Path, printed: str) -> None:
    home = java(tmp_path, printed)
    check_java({"JAVA_HOME": str(home), "PATH": ""})
    check_java({"PATH": str(home / "bin")})


@pytest.mark.parametrize(
    ("printed", "found"),
    [
        ('openjdk version "11.0.2" 2019-01-15', "is version 11: install"),
        ('java version "1.8.0_202"', "is version 8: install"),
        ("no runtime", "does not print its version: install"),
    ],
    ids=["11", "8", "unknown"],
)
def test_an_old_java_is_named(tmp_path: Path, printed: str, found: str) -> None:
    with pytest.raises(JavaMissing, match=rf"Java 17 or later, and {tmp_path}/bin/java {found}"):
        check_java({"JAVA_HOME": str(java(tmp_path, printed))})


def test_no_java_at_all(tmp_path: Path) -> None:
    with pytest.raises(JavaMissing, match="there is no java on the PATH: install openjdk-17-jre-headless"):
        check_java({"PATH": str(tmp_path)})
    with pytest.raises(JavaMissing, match=f"there is no {tmp_path}/bin/java: install"):
        check_java({"JAVA_HOME": str(tmp_path), "PATH": ""})
