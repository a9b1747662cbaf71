"""The commands that only read: `status`, `sql`, `verify`, `quarantine`."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.cli.ask import too_old
from pipelines.publish.manifest import Manifest
from pipelines.storage.home import Home
from tests.cli.commands import DEAD_URL, HOSTILE, Command, Outcome, environment, process
from tests.support import NOON, Shell, Shells, milestone, milestone_id, tree

LATE = "the data are 20 minutes old (last sweep 2026-11-23 11:40:00Z), older than --max-age allows: "
AGES: dict[str, tuple[datetime | None, timedelta, str | None]] = {
    "younger": (NOON - timedelta(minutes=9), timedelta(minutes=10), None),
    "as old": (NOON - timedelta(minutes=10), timedelta(minutes=10), None),
    "of a clock that was ahead": (NOON + timedelta(hours=1), timedelta(minutes=10), None),
    "older": (NOON - timedelta(minutes=20), timedelta(minutes=10), LATE),
    "never": (None, timedelta(days=1), "no full or incremental sweep was ever published: "),
}


@pytest.mark.parametrize(("last_sweep_at", "max_age", "fault"), AGES.values(), ids=AGES)
def test_data_that_are_too_old(last_sweep_at: datetime | None, max_age: timedelta, fault: str | None) -> None:
    found = too_old(last_sweep_at, max_age, NOON)
    assert found is fault is None or (found is not None and fault is not None and found.startswith(fault))


@pytest.mark.slow
def test_the_status_fails_if_the_data_are_too_old(
    shells: Shells, tmp_path: Path, at: Callable[..., Home], command: Command
) -> None:
    shell = shells(tmp_path / "home", [milestone(1)])
    shell.clock.time = datetime.now(UTC) - timedelta(days=1)
    shell.sweep()
    shell.stages.publish()
    at(shell.home.root)
    old = command("status", "--json", "--max-age", "23h")
    assert (old.status, json.loads(old.out)["rows"]["milestones"]) == (1, 1)
    assert old.error_line.startswith("the data are 24 hours old (last sweep ")
    assert command("status", "--max-age", "25h").status == 0
    at(tmp_path)
    nothing = command("status", "--max-age", "1d")
    assert (nothing.status, "nothing is published" in nothing.error_line) == (1, True)


@pytest.mark.parametrize("text", ["10", "0m", "1x", "1.5h", "ten", "9999999d"])
def test_a_wrong_duration_is_wrong_use(tmp_path: Path, at: Callable[..., Home], command: Command, text: str) -> None:
    at(tmp_path)
    outcome = command("status", "--max-age", text)
    assert outcome.status == 2
    assert f'"{text}" is not a duration. Give a number and a unit: 90s, 10m, 2h or 1d.' in outcome.error_line


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(
            query,
            id=name,
        )
        for name, query in {
            "syntax": "selec 1",
            "write": "copy (select 1) to 'stolen.csv'",
            "read a file": "select * from read_csv('/etc/passwd')",
            "attach": "attach 'other.duckdb'",
            "install": "install httpfs",
            "load": "load httpfs",
            "delete": "delete from milestones",
            "setting": "set enable_external_access = true",
        }.items()
    ],
)
def test_failed_sql_prints_one_line(
    published: Shell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    at: Callable[..., Home],
    command: Command,
    query: str,
) -> None:
    home = at(published.home.root)
    monkeypatch.chdir(tmp_path)
    before = tree(home.published)
    outcome = command("sql", query)
    assert (outcome.status, outcome.out) == (1, "")
    assert list(tmp_path.iterdir()) == []
    assert tree(home.published) == before
    assert "root:" not in outcome.err
    assert "Error" in outcome.error_line


TITLE = f"select title from milestones where milestone_id = '{milestone_id(99)}'"


def test_sql_as_json(published: Shell, at: Callable[..., Home], command: Command) -> None:
    at(published.home.root)
    outcome = command(
        "sql", f"select title, start_date from milestones where milestone_id = '{milestone_id(99)}'", "--format", "json"
    )
    assert (outcome.status, outcome.err) == (0, "")
    assert json.loads(outcome.out) == [{"title": HOSTILE, "start_date": "2026-11-30T13:39:00Z"}]


@pytest.mark.parametrize(
    ("style", "out"),
    [
        ("json", '[\n  {\n    "m": {\n      "2026-01-02": [\n        null,\n        "é"\n      ]\n    }\n  }\n]\n'),
        ("csv", 'm\n"{2026-01-02=[NULL, é]}"\n'),
        ("markdown", "| m |\n| --- |\n| {2026-01-02=[NULL, é]} |\n"),
    ],
)
def test_nested_values(published: Shell, at: Callable[..., Home], command: Command, style: str, out: str) -> None:
    at(published.home.root)
    outcome = command("sql", "select map {date '2026-01-02': [null, 'é']} as m", "--format", style)
    assert (outcome.status, outcome.out, outcome.err) == (0, out, "")


def test_sql_as_csv(published: Shell, at: Callable[..., Home], command: Command) -> None:
    at(published.home.root)
    outcome = command("sql", TITLE, "--format", "csv")
    assert list(csv.reader(io.StringIO(outcome.out))) == [["title"], [f"'{HOSTILE}"]]


def test_sql_as_markdown_and_table(published: Shell, at: Callable[..., Home], command: Command) -> None:
    at(published.home.root)
    assert command("sql", TITLE, "--format", "markdown").out == "| title |\n| --- |\n| =1+1\\|\\x1b[31m |\n"
    table = command("sql", TITLE)
    assert table.out.splitlines()[2:] == ["=1+1|\\x1b[31m", "1 row"]


WITH_COMMENTS = {
    "comment first": "-- what there is\nselect 1 as a",
    "comment without a space": "--what there is\nselect 1 as a",
    "block comment": "/* what; there is */ select 1 as a;",
    "comments around": "select 1 as a; -- done;\n-- really",
}


@pytest.mark.parametrize("query", WITH_COMMENTS.values(), ids=WITH_COMMENTS)
def test_sql_with_comments(published: Shell, at: Callable[..., Home], command: Command, query: str) -> None:
    at(published.home.root)
    outcome = command("sql", query, "--format", "csv")
    assert (outcome.status, outcome.out, outcome.err) == (0, "a\n1\n", "")


def test_sql_with_comments_only(published: Shell, at: Callable[..., Home], command: Command) -> None:
    at(published.home.root)
    assert command("sql", "-- no statement") == Outcome(0, "", "")
    assert command("sql", " ").status == 1


def test_several_statements(published: Shell, at: Callable[..., Home], command: Command) -> None:
    at(published.home.root)
    outcome = command("sql", "select 1 as a; set variable x = 3; select getvariable('x') as b", "--format", "csv")
    assert (outcome.status, outcome.out, outcome.err) == (0, "a\n1\nb\n3\n", "")


@pytest.mark.parametrize("bad", ["selec 2", "from nowhere", "select 'x'::int"])
@pytest.mark.parametrize("is_piped", [False, True], ids=["argument", "pipe"])
def test_the_first_failed_statement_ends_the_command(
    published: Shell,
    at: Callable[..., Home],
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    bad: str,
    *,
    is_piped: bool,
) -> None:
    at(published.home.root)
    text = f"select 1 as a; {bad}; select 3 as c"
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    outcome = command("sql", "--format", "csv", *([] if is_piped else [text]))
    assert (outcome.status, outcome.out.splitlines()[:2]) == (1, ["a", "1"])
    assert "c" not in outcome.out.splitlines()
    assert outcome.error_line


def test_an_inaccessible_file_points_to_the_recipe(published: Shell, at: Callable[..., Home], command: Command) -> None:
    at(published.home.root)
    for query in ("from 'mine.parquet'", "from read_csv('mine.csv')", "copy milestones to 'x'", "attach 'x.duckdb'"):
        assert "docs/other-tools.md" in command("sql", query).error_line, query
    assert "docs/other-tools.md" not in command("sql", "delete from milestones").error_line


@pytest.mark.slow
def test_a_table_in_a_pipe_is_complete(published: Shell) -> None:
    variables = os.environ | environment(published.home.root, DEAD_URL) | {"COLUMNS": "80", "FORCE_COLOR": "1"}
    outcome = process(["sql", "select * from milestones"], variables)
    text = re.sub(r"\x1b\[[0-9;]*m", "", outcome.out)
    assert text.splitlines()[-1] == "99 rows"
    assert "vanished_at" in text
    assert "…" not in text


def test_sql_from_standard_input(
    published: Shell, at: Callable[..., Home], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(published.home.root)
    monkeypatch.setattr("sys.stdin", io.StringIO("select 1 as a;\n"))
    outcome = command("sql", "--format", "csv")
    assert (outcome.status, outcome.out) == (0, "a\n1\n")


def test_status(published: Shell, at: Callable[..., Home], command: Command) -> None:
    at(published.home.root)
    outcome = command("status")
    assert (outcome.status, outcome.err) == (0, "")
    assert str(published.home.published_duckdb) in outcome.out
    assert "1 x Expected `str | null`, got `int` (title)" in outcome.out
    found = json.loads(command("status", "--json").out)
    assert found["rows"]["milestones"] == 99
    assert found["sweeps"][0]["mode"] == "full"
    assert found["unpublished"] is None


def test_a_hint_at_the_demos_home(
    published: Shell, tmp_path: Path, at: Callable[..., Home], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    at(tmp_path / "home")
    assert "the demo's data" not in command("status").error_line
    shutil.copytree(published.home.published, tmp_path / "data" / "demo" / "published", symlinks=True)
    outcome = command("status")
    assert (
        "(to use the demo's data: export MILESTONES_HOME=data/demo): run milestones ingest first" in outcome.error_line
    )
    at(Path("data/demo"))
    assert command("status").status == 0


def test_verify(published: Shell, at: Callable[..., Home], command: Command) -> None:
    home = at(published.home.root)
    outcome = command("verify")
    assert outcome.status == 0
    assert re.fullmatch(r"snapshot 00000\d-\S+: \d+ files, [\d,]+ bytes, all as published\n", outcome.out)
    entry = Manifest.read(home.latest_snapshot).files[0]
    file = home.published / entry.path
    good = file.read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    try:
        outcome = command("verify")
    finally:
        file.write_bytes(good)
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.error_line == f"{file} differs from its manifest"


def test_quarantine(published: Shell, at: Callable[..., Home], command: Command) -> None:
    at(published.home.root)
    (row,) = json.loads(command("quarantine", "--format", "json").out)
    assert (row["milestone_id"], row["reason"], row["field"]) == (
        milestone_id(100),
        "Expected `str | null`, got `int`",
        "title",
    )
    assert command("quarantine", "--limit", "0", "--format", "json").out == "[]\n"


LOADED_MODULES = """
import sys
from pipelines.cli.main import run
status = run(sys.argv[1:])
heavy = ("dagster", "pandera", "pyarrow", "requests", "duckdb", "rich.markdown")
print(status, *(name for name in heavy if name in sys.modules), file=sys.stderr)
"""


"""Prints which slow modules a command imported: each takes longer to load than most queries take to run."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "needed"),
    [(["--help"], []), (["sql", "select 1"], ["duckdb"]), (["status"], ["duckdb"])],
    ids=["help", "sql", "status"],
)
def test_reading_commands_import_no_slow_modules(
    published: Shell, at: Callable[..., Home], arguments: list[str], needed: list[str]
) -> None:
    at(published.home.root)
    done = subprocess.run(
        [sys.executable, "-c", LOADED_MODULES, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stderr.split() == ["0", *needed]
