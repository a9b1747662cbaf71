"""The command `publish`: what it prints, wrong options, the missing extra."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("pyiceberg", reason="needs the extra iceberg")

from pipelines.cli.app import EXIT_FAILED, EXIT_WRONG_USE
from pipelines.storage.home import Home
from tests.cli.commands import Command
from tests.support import Shell


@pytest.mark.slow
def test_it_prints_the_tables_that_changed(
    command: Command, at: Callable[..., Home], published: Shell, tmp_path: Path
) -> None:
    at(published.home.root)
    snapshot = published.home.latest_snapshot.readlink().name
    arguments = ("publish", "--iceberg", f"sqlite:///{tmp_path}/catalog.db", "--namespace", "kalshi")
    outcome = command(*arguments)
    assert (outcome.status, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert "       99  milestones: 99 rows written, 0 replaced" in lines
    assert lines[-1].startswith(f"{snapshot} is in the namespace kalshi: ")
    again = command(*arguments, "--json")
    assert (again.status, again.err) == (0, "")
    printed = json.loads(again.out)
    assert printed["snapshot"] == snapshot
    assert {table["is_new_snapshot"] for table in printed["tables"]} == {False}
    (milestones,) = (table for table in printed["tables"] if table["table"] == "milestones")
    assert milestones == {
        "table": "milestones",
        "rows": 99,
        "written": 0,
        "kept": 99,
        "dropped": 0,
        "is_new_snapshot": False,
    }


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "--iceberg"),
        (("--iceberg", "nowhere"), "pyiceberg has no catalogue nowhere"),
        (("--iceberg", "sqlite:///x.db", "--namespace", "a.b"), "--namespace a.b is no name"),
    ],
    ids=["no catalogue", "an unknown catalogue", "a wrong namespace"],
)
def test_wrong_options(
    command: Command, at: Callable[..., Home], tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    at(tmp_path).latest_snapshot.mkdir(parents=True)
    outcome = command("publish", *arguments)
    assert (outcome.status, outcome.out) == (EXIT_WRONG_USE, "")
    assert expected in outcome.error_line


def test_nothing_is_published_yet(command: Command, at: Callable[..., Home], tmp_path: Path) -> None:
    at(tmp_path / "home")
    outcome = command("publish", "--iceberg", f"sqlite:///{tmp_path}/lake/catalog.db")
    assert (outcome.status, outcome.out) == (EXIT_FAILED, "")
    assert outcome.error_line.endswith("run milestones ingest first")
    assert not (tmp_path / "lake").exists()


def test_the_extra_is_missing(
    command: Command, at: Callable[..., Home], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(tmp_path)
    monkeypatch.setitem(sys.modules, "pyiceberg.catalog", None)
    monkeypatch.delitem(sys.modules, "pipelines.iceberg.catalogue", raising=False)
    outcome = command("publish", "--iceberg", "lake")
    assert (outcome.status, outcome.out) == (EXIT_FAILED, "")
    assert outcome.error_line == (
        "milestones publish --iceberg needs the extra iceberg: run make extras in a checkout, or install the wheel "
        "with [iceberg]"
    )
