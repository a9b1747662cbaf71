"""The process that publishes for the dashboard's tests also runs where the tests' packages are not installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipelines.project_files import CHECKOUT

PACKAGES_OF_TESTS = ("cryptography", "hypothesis", "pytest")


@pytest.mark.slow
def test_it_needs_no_package_of_the_tests() -> None:
    """`make bench` publishes with it, from an environment that has only the pipeline."""
    program = f"import sys; sys.modules.update(dict.fromkeys({PACKAGES_OF_TESTS})); import tests.publisher"
    ended = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
