"""The options of `milestones rebuild` that choose Spark; `tests/spark` runs it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from pipelines.storage.home import Home
from tests.cli.commands import Command


@pytest.mark.parametrize("option", ["--master", "--output"])
def test_options_of_spark_need_the_engine(
    tmp_path: Path, at: Callable[..., Home], command: Command, option: str
) -> None:
    at(tmp_path)
    outcome = command("rebuild", option, "local[2]")
    assert (outcome.status, outcome.error_line) == (2, "--master and --output need --engine spark")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_engine_is_wrong_use(tmp_path: Path, at: Callable[..., Home], command: Command) -> None:
    at(tmp_path)
    outcome = command("rebuild", "--engine", "flink")
    assert outcome.status == 2
    assert "local" in outcome.error_line
    assert "spark" in outcome.error_line


@pytest.mark.skipif(find_spec("pyspark") is not None, reason="the extra spark is installed")
def test_without_the_extra_it_says_what_to_install(tmp_path: Path, at: Callable[..., Home], command: Command) -> None:
    at(tmp_path)
    outcome = command("rebuild", "--engine", "spark")
    assert outcome.status == 1
    assert outcome.error_line == (
        "milestones rebuild --engine spark needs the extra spark: "
        "run make spark in a checkout, or install the wheel with [spark]"
    )
    assert list(tmp_path.iterdir()) == []
