"""The commands that only read: `status`, `sql`, `export`, `quarantine`."""

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


JSON_COLUMNS: dict[str, tuple[str, list[str], str]] = {
    "one": ("""select '{"a": [1.50]}' as x, '{}' as y""", ["x"], '[{"x": {"a": [1.50]}, "y": "{}"}]'),
    "several, in any case": ("select '[1]' as x, '[2]' as \"Y\"", ["X", "y"], '[{"x": [1], "Y": [2]}]'),
    "no JSON in it": ("select '{no' as x, '7' as y, null as z", ["x", "y"], '[{"x": "{no", "y": "7", "z": null}]'),
    "JSON already": ("select '[1]'::json as x", ["x"], '[{"x": [1]}]'),
    "of one statement": ("select 1 as x; select '[1]' as y", ["y"], '[{"x": 1}]\n[{"y": [1]}]'),
}


@pytest.mark.parametrize(("query", "names", "out"), JSON_COLUMNS.values(), ids=JSON_COLUMNS)
def test_named_text_columns_are_nested_in_json(
    published: Shell, at: Callable[..., Home], command: Command, query: str, names: list[str], out: str
) -> None:
    at(published.home.root)
    options = [part for name in names for part in ("--json-columns", name)]
    outcome = command("sql", f"select 1 as one; {query}", "--format", "json", *options)
    assert (outcome.status, outcome.out, outcome.err) == (0, f'[{{"one": 1}}]\n{out}\n', "")


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("select '{}' as x, 1 as n", "--json-columns z: the result has no text column of this name; it has x"),
        ("select 1 as z", "--json-columns z: the result has no text column of this name; it has none"),
    ],
    ids=["unknown", "a number"],
)
def test_a_column_to_nest_that_is_no_text_of_the_result(
    published: Shell, at: Callable[..., Home], command: Command, query: str, fault: str
) -> None:
    at(published.home.root)
    outcome = command("sql", query, "--format", "json", "--json-columns", "z")
    assert (outcome.status, outcome.out, outcome.err) == (2, "", f"milestones: {fault}\n")


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


SEVERAL = "select 1 as a; set variable x = 'y'; select getvariable('x') as b, [2] as c; select 3 as d where false"


@pytest.mark.parametrize(
    ("style", "out"),
    [
        ("csv", "a\n1\n\nb,c\ny,[2]\n\nd\n"),
        ("json", '[{"a": 1}]\n[{"b": "y", "c": [2]}]\n[]\n'),
        ("markdown", "| a |\n| --- |\n| 1 |\n\n| b | c |\n| --- | --- |\n| y | [2] |\n\n| d |\n| --- |\n"),
        ("table", "a\n─\n1\n1 row\n\nb   c\n───────\ny   [2]\n1 row\n\nd\n─\n0 rows\n"),
    ],
)
def test_several_statements(published: Shell, at: Callable[..., Home], command: Command, style: str, out: str) -> None:
    at(published.home.root)
    outcome = command("sql", SEVERAL, "--format", style)
    assert (outcome.status, outcome.err) == (0, "")
    assert "\n".join(line.rstrip() for line in outcome.out.split("\n")) == out


def test_json_columns_on_one_line(published: Shell, at: Callable[..., Home], command: Command) -> None:
    at(published.home.root)
    query = "select '{\"a\":\n1.10}'::json as j; select 1"
    assert command("sql", query, "--format", "json").out.splitlines()[0] == '[{"j": {"a": 1.10}}]'
    as_text = command("sql", query, "--format", "json", "--json-as-text").out.splitlines()[0]
    assert json.loads(as_text) == [{"j": '{"a":\n1.10}'}]


def test_sql_from_a_file(published: Shell, at: Callable[..., Home], command: Command, tmp_path: Path) -> None:
    at(published.home.root)
    # Editors on Windows write a byte order mark.
    (tmp_path / "query.sql").write_text("-- two\nselect $n::int + 1 as a;\n", encoding="utf-8-sig")
    outcome = command("sql", "--file", str(tmp_path / "query.sql"), "-p", "n", "1", "--format", "csv")
    assert (outcome.status, outcome.out, outcome.err) == (0, "a\n2\n", "")


def test_sql_from_standard_input_by_name(
    published: Shell, at: Callable[..., Home], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(published.home.root)
    monkeypatch.setattr("sys.stdin", io.StringIO("select $x as a"))
    outcome = command("sql", "--file", "-", "-p", "x", "--y z", "--format", "csv", "--raw")
    assert (outcome.status, outcome.out, outcome.err) == (0, "a\n--y z\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--file", "x.sql", "select 1"], "a query and --file exclude each other: leave one of them out"),
        (["--file", "missing.sql"], "cannot read missing.sql (No such file or directory): give a file with SQL"),
        (["--file", "."], "cannot read . (Is a directory): give a file with SQL"),
        (["--file", "latin1.sql"], "latin1.sql is not UTF-8 text ("),
        (["select 1", "-p", "x", "1"], "there is no parameter $x in the query: it has none"),
        (["select $x"], "the query has a parameter $x without a value: give it with -p x VALUE"),
        (["select $x", "-p", "x", "1", "-p", "X", "2"], "the parameter X has two values: give one -p X VALUE"),
        (["select $x", "-p", "x"], 'Command "sql" parameter -p requires 2 positional arguments.'),
    ],
    ids=["both", "missing", "folder", "encoding", "unknown", "without a value", "twice", "half"],
)
def test_wrong_use_of_sql(
    published: Shell,
    at: Callable[..., Home],
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    message: str,
) -> None:
    at(published.home.root)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin1.sql").write_bytes("select 'é'".encode("latin-1"))
    outcome = command("sql", *arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.error_line.startswith(message)


def test_parameters_need_a_query(
    published: Shell, at: Callable[..., Home], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(published.home.root)
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    outcome = command("sql", "-p", "x", "1")
    assert outcome.status == 2
    assert outcome.error_line.startswith("-p needs a query")


@pytest.mark.parametrize(
    ("query", "value", "out"),
    [
        ("select count(*) as n from milestones where title = $x", "'; drop table milestones; --", "0"),
        ("select count(*) as n from milestones where length(title) > $x", "-1", "99"),
        ("select count(*) as n from milestones where start_date > $x", "2000-01-01", "99"),
        ("select n from (values (1), (2)) as t (n) order by n limit $x", "1", "1"),
        ("select n from (values ('007')) as t (n) where n = $X", "007", "007"),
        ("select $x as n", "007", "007"),
        ("select count(*) as n from milestones_starting_within($x::double)", "-1e5", "0"),
    ],
    ids=["quotes", "number", "time", "limit", "digits", "text", "cast"],
)
def test_a_parameter_takes_the_type_of_its_place(
    published: Shell, at: Callable[..., Home], command: Command, query: str, value: str, out: str
) -> None:
    at(published.home.root)
    outcome = command("sql", "-p", "x", value, query, "--format", "csv")
    assert (outcome.status, outcome.out, outcome.err) == (0, f"n\n{out}\n", "")


def test_statements_share_parameters(published: Shell, at: Callable[..., Home], command: Command) -> None:
    at(published.home.root)
    query = "set variable seen = $b; select $a as a; describe select $b as b; select getvariable('seen') as s"
    outcome = command("sql", query, "-p", "a", "1", "--param", "b", "2", "--format", "json")
    found = [json.loads(line) for line in outcome.out.splitlines()]
    assert (found[0], found[1][0]["column_name"], found[2]) == ([{"a": "1"}], "b", [{"s": "2"}])


def test_a_syntax_error_is_reported_before_a_parameter(
    published: Shell, at: Callable[..., Home], command: Command
) -> None:
    at(published.home.root)
    outcome = command("sql", "select 1 as a; selec $x", "-p", "x", "1", "--format", "csv")
    assert (outcome.status, outcome.out) == (1, "a\n1\n")
    assert "selec" in outcome.error_line


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


@pytest.mark.slow
@pytest.mark.parametrize("style", ["table", "csv"])
def test_a_reader_that_leaves_early_is_no_error(published: Shell, style: str) -> None:
    program = [sys.executable, "-m", "pipelines.cli", "sql", "--format", style]
    program.append("select range, repeat('x', 10000) as x from range(100)")
    variables = os.environ | environment(published.home.root, DEAD_URL)
    with subprocess.Popen(program, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline().startswith(b"range")
        running.stdout.close()
        assert (running.stderr.read(), running.wait()) == (b"", 0)


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


def test_a_calendar_is_exported_to_a_file_or_standard_output(
    published: Shell, tmp_path: Path, at: Callable[..., Home], command: Command
) -> None:
    at(published.home.root)
    file = tmp_path / "milestones.ics"
    query = ("--query", "SELECT milestone_id FROM milestones ORDER BY start_date LIMIT 3")
    assert command("export", *query, "--output", str(file)).err == f"3 events in {file}\n"
    assert file.read_bytes().count(b"\r\nBEGIN:VEVENT\r\n") == 3
    with file.open("rb") as written:
        assert written.readline() == b"BEGIN:VCALENDAR\r\n"
    outcome = command("export", "--format", "ics", "--table", "milestones")
    assert outcome.out.count("BEGIN:VEVENT") == 99
    for options, message in (
        (("--query", "SELECT 1 AS x"), "a calendar needs the column milestone_id: "),
        (("--raw",), "--raw applies to CSV only"),
    ):
        outcome = command("export", *options, "--output", str(file))
        assert (outcome.status, outcome.error_line.startswith(message)) == (2, True)
    assert file.read_bytes().count(b"\r\nBEGIN:VEVENT\r\n") == 3
