"""Checks for PySpark and Java before either is started."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from pipelines.errors import ExtraMissing, MilestonesError

LEAST_JAVA = 17

_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


class JavaMissing(MilestonesError):
    """Spark needs Java, and there is none, or an old one."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"Spark needs Java {LEAST_JAVA} or later, and {found}: "
            "install openjdk-17-jre-headless, or set JAVA_HOME to the folder of a newer one"
        )


def check_pyspark(find: Callable[[str], object] = find_spec) -> None:
    """Raises ExtraMissing without the packages of the extra `spark`."""
    if find("pyspark") is None or find("pandas") is None:
        raise ExtraMissing("milestones rebuild --engine spark", "spark", command="make spark")


def check_java(environment: Mapping[str, str] = os.environ) -> None:
    """Raises JavaMissing unless Spark's start script will find a Java that is new enough."""
    home = environment.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else "java"
    found = shutil.which(java, path=environment.get("PATH"))
    if found is None:
        raise JavaMissing(f"there is no {java}" if home else "there is no java on the PATH")
    # `java -version` prints on stderr.
    printed = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603
    version = _VERSION.search(printed)
    if version is None or int(version[1]) < LEAST_JAVA:
        raise JavaMissing(f"{found} is version {version[1]}" if version else f"{found} does not print its version")
