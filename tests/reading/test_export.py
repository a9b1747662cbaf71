"""Exports: every format keeps all rows, and a file is written atomically."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from pipelines.cli.main import run
from pipelines.errors import MilestonesError, WrongUse
from pipelines.reading.export import Format, export_file, export_format, export_query, export_text
from pipelines.reading.formats import Style
from pipelines.reading.published import open_published
from pipelines.reading.query_errors import QueryFailed
from pipelines.reading.results import ROWS_PER_FETCH
from tests.support import Shell, milestone, milestone_id, serving_shells, tree

HOSTILE = '=HYPERLINK("https://example.com"), "x"\n'
ROWS = 120


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    with serving_shells() as shells:
        rows = [milestone(1, title=HOSTILE), *(milestone(number) for number in range(2, ROWS + 1))]
        shell = shells(tmp_path_factory.mktemp("published"), rows)
        shell.sweep()
        shell.stages.publish()
    return shell


@pytest.fixture
def connection(published: Shell) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_published(published.home) as connection:
        yield connection


@pytest.fixture
def command(published: Shell, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MILESTONES_HOME", str(published.home.root))
    return lambda *arguments: run(["export", *map(str, arguments)])


TYPES = """
    SELECT 'é ''x''' AS text, NULL AS nothing, true AS yes, -7 AS whole, 0.5::DOUBLE AS number,
           TIMESTAMPTZ '2026-11-23 12:00:00.25+00' AS moment, DATE '2026-11-23' AS day, [1, 2] AS list,
           INTERVAL '-90' MINUTE AS span, 2 AS whole
"""


@pytest.mark.slow
def test_csv_of_every_type(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    assert export_file(connection, TYPES, Style("csv"), tmp_path / "types.csv") == 1
    lines = list(csv.reader(io.StringIO((tmp_path / "types.csv").read_text())))
    assert lines == [
        ["text", "nothing", "yes", "whole", "number", "moment", "day", "list", "span", "whole"],
        ["é 'x'", "", "true", "-7", "0.5", "2026-11-23T12:00:00.250000Z", "2026-11-23", "[1, 2]", "-01:30:00", "2"],
    ]


def test_json_lines_of_every_type(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    assert export_file(connection, TYPES, Style("jsonl"), tmp_path / "types.jsonl") == 1
    assert json.loads((tmp_path / "types.jsonl").read_text()) == {
        "text": "é 'x'",
        "nothing": None,
        "yes": True,
        "whole": -7,
        "number": 0.5,
        "moment": "2026-11-23T12:00:00.250000Z",
        "day": "2026-11-23",
        "list": [1, 2],
        "span": "-01:30:00",
        "whole_2": 2,
    }


@pytest.mark.parametrize("style", ["csv", "jsonl", "parquet"])
def test_an_interval_of_a_view_is_text_and_a_number(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, style: Format
) -> None:
    file = tmp_path / "freshness"
    ((last_sweep_at,),) = connection.execute("SELECT last_sweep_at FROM freshness").fetchall()
    at_time = last_sweep_at + timedelta(minutes=90, seconds=30)
    assert export_file(connection, f"FROM freshness(at_time := '{at_time.isoformat()}')", Style(style), file) == 1
    rows: dict[Format, Callable[[], Any]] = {
        "csv": lambda: next(csv.DictReader(io.StringIO(file.read_text()))),
        "jsonl": lambda: json.loads(file.read_text()),
        "parquet": lambda: pq.read_table(file).to_pylist()[0],
    }
    row = rows[style]()
    assert isinstance(row["lag"], str)
    assert row["lag_minutes"] == ("90.5" if style == "csv" else 90.5)


def test_parquet_of_every_type(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    assert export_file(connection, TYPES, Style("parquet"), tmp_path / "types.parquet") == 1
    (row,) = pq.read_table(tmp_path / "types.parquet").to_pylist()
    assert (row["text"], row["yes"], row["whole"], row["list"], row["whole_2"]) == ("é 'x'", True, -7, [1, 2], 2)
    assert row["moment"] == datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)
    assert row["span"] == "-01:30:00"


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_nan_and_infinity_are_text_in_json_lines(connection: duckdb.DuckDBPyConnection, value: str) -> None:
    file = io.StringIO()
    export_text(connection, f"SELECT '{value}'::DOUBLE AS x", Style("jsonl"), file)
    assert file.getvalue() == f'{{"x": "{value}"}}\n'


NESTED = """
    SELECT ['a "b"', NULL, 'ü'] AS list, {'x': 'nan'::DOUBLE, 'at': TIMESTAMPTZ '2026-11-23 12:00:00+00'} AS struct,
           MAP {TIMESTAMPTZ '2026-11-23 12:00:00+00': 1} AS moments, MAP {1.5::DOUBLE: ['inf'::DOUBLE]} AS numbers
"""
NESTED_JSON = {
    "list": ['a "b"', None, "ü"],
    "struct": {"x": "nan", "at": "2026-11-23T12:00:00Z"},
    "moments": {"2026-11-23 12:00:00+00": 1},
    "numbers": {"1.5": ["inf"]},
}


def test_nested_values_are_nested_in_json_lines(connection: duckdb.DuckDBPyConnection) -> None:
    file = io.StringIO()
    export_text(connection, NESTED, Style("jsonl"), file)
    assert json.loads(file.getvalue(), parse_constant=pytest.fail) == NESTED_JSON


def test_nested_values_are_spelled_by_duckdb_in_csv(connection: duckdb.DuckDBPyConnection) -> None:
    file = io.StringIO()
    export_text(connection, NESTED, Style("csv"), file)
    spelled = connection.execute(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({NESTED})").fetchall()[0]
    names, cells = csv.reader(io.StringIO(file.getvalue()))
    assert (names, tuple(cells)) == (["list", "struct", "moments", "numbers"], spelled)


@pytest.mark.parametrize("style", ["csv", "jsonl", "parquet"])
def test_more_rows_than_one_batch(connection: duckdb.DuckDBPyConnection, tmp_path: Path, style: Any) -> None:
    rows = ROWS_PER_FETCH * 2 + 1
    file = tmp_path / "many"
    assert export_file(connection, f"SELECT range AS number FROM range({rows}) ORDER BY 1", Style(style), file) == rows
    if style == "parquet":
        numbers = pq.read_table(file)["number"].to_pylist()
    elif style == "csv":
        numbers = [int(line) for line in file.read_text().splitlines()[1:]]
    else:
        numbers = [json.loads(line)["number"] for line in file.read_text().splitlines()]
    assert numbers == list(range(rows))


@pytest.mark.parametrize("style", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT CAST(if(range = 50000, 'x', '1') AS INTEGER) AS n FROM range(60000)", "Could not convert"),
        ("FROM nowhere", "there is no table or view nowhere"),
        ("COPY milestones TO 'stolen.csv'", "disabled by configuration"),
    ],
    ids=["late", "table", "copy"],
)
def test_a_failed_query_keeps_the_existing_file(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, style: Any, query: str, message: str
) -> None:
    (tmp_path / "kept").write_text("as it was")
    before = tree(tmp_path)
    with pytest.raises(MilestonesError, match=message):
        export_file(connection, query, Style(style), tmp_path / "kept")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("style", ["csv", "jsonl", "parquet"])
def test_a_result_without_rows_makes_a_file(connection: duckdb.DuckDBPyConnection, tmp_path: Path, style: Any) -> None:
    assert export_file(connection, "SELECT 1 AS x WHERE false", Style(style), tmp_path / "empty") == 0
    assert (tmp_path / "empty").exists()


@pytest.mark.parametrize("name", ["warehouse/warehouse.duckdb", "published/milestones.duckdb", "raw/x.csv"])
def test_the_pipelines_own_files_are_not_overwritten(published: Shell, command: Any, name: str) -> None:
    before = tree(published.home.root)
    assert command("--output", published.home.root / name) == 2
    assert tree(published.home.root) == before


def test_a_pipe_is_not_replaced(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MilestonesError, match="is not a regular file"):
        export_file(connection, "SELECT 1", Style("csv"), tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_the_target_of_a_link_is_written(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    export_file(connection, "SELECT 1 AS x", Style("csv"), tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "x\n1\n"


@pytest.mark.parametrize("name", ["", "missing/file.csv"], ids=["folder", "missing folder"])
def test_a_file_that_cannot_be_written(connection: duckdb.DuckDBPyConnection, tmp_path: Path, name: str) -> None:
    with pytest.raises(MilestonesError, match=r"cannot write .*--output"):
        export_file(connection, "SELECT 1", Style("csv"), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", "csv"),
        ("a.JSONL", "jsonl"),
        ("a.ndjson", "jsonl"),
        ("a.parquet", "parquet"),
        ("a.xlsx", "xlsx"),
        ("a.txt", "csv"),
        ("a", "csv"),
        (".hidden", "csv"),
    ],
)
def test_the_format_of_a_suffix(name: str, expected: str) -> None:
    assert export_format(Path(name)) == expected
    assert export_format(None) == "csv"


@pytest.mark.parametrize("name", ["a.json", "a.csv.gz", "a.xls"])
def test_a_suffix_of_another_format_is_no_csv(name: str) -> None:
    with pytest.raises(WrongUse, match=rf"no format has the suffix \{Path(name).suffix}: choose one with --format"):
        export_format(Path(name))


def test_the_statement_to_export() -> None:
    assert export_query(None, None) == 'FROM "milestones"'
    assert export_query(None, 'a"b') == 'FROM "a""b"'
    assert export_query("-- first\nSELECT ';';", None) == "-- first\nSELECT ';'"
    with pytest.raises(WrongUse):
        export_query("SELECT 1", "milestones")
    with pytest.raises(WrongUse, match="has 2 statements"):
        export_query("SELECT 1; SELECT 2", None)
    for nothing in ("", "-- a comment"):
        with pytest.raises(QueryFailed, match="there is no query"):
            export_query(nothing, None)


def test_a_statement_without_a_result_is_not_exported(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryFailed, match="there is no query"):
        export_text(connection, "SET VARIABLE x = 1", Style("csv"), io.StringIO())


def test_details_are_nested_in_json_lines(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "--format",
        "jsonl",
        "--query",
        f"-- one\nSELECT details FROM milestones WHERE milestone_id = '{milestone_id(2)}'",
    ]
    assert command(*arguments) == 0
    nested = json.loads(capsys.readouterr().out)["details"]
    assert isinstance(nested, dict)
    assert command(*arguments, "--json-as-text") == 0
    assert json.loads(json.loads(capsys.readouterr().out)["details"]) == nested


# The command


def test_a_table_as_csv_on_standard_output(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--table", "milestones") == 0
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (len(rows), err) == (ROWS, "")
    assert {row["title"] for row in rows if row["milestone_id"] == milestone_id(1)} == {f"'{HOSTILE}"}


def test_raw_csv_is_not_escaped(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--raw", "--query", "SELECT '=1' AS \"+a\", '-3.5' AS b, '+x' AS c") == 0
    assert capsys.readouterr().out == "+a,b,c\n=1,-3.5,+x\n"
    assert command("--query", "SELECT '=1' AS \"+a\", '-3.5' AS b, '+x' AS c") == 0
    assert capsys.readouterr().out == "'+a,b,c\n'=1,-3.5,'+x\n"


def test_csv_with_a_byte_order_mark(command: Any, tmp_path: Path) -> None:
    file = tmp_path / "marked.csv"
    assert command("--bom", "--query", "SELECT 'é' AS a", "--output", file) == 0
    assert file.read_bytes() == b"\xef\xbb\xbfa\n\xc3\xa9\n"


@pytest.mark.parametrize("style", ["csv", "jsonl"])
def test_names_and_values_are_escaped_for_a_terminal(connection: duckdb.DuckDBPyConnection, style: Any) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    query = "SELECT 'a' || chr(27) || '[31m' || chr(8238) AS kind, 1 AS n"
    pivot = f"PIVOT (SELECT *, chr(155) AS c FROM ({query})) ON kind USING any_value(c)"
    terminal, file = Terminal(), io.StringIO()
    export_text(connection, pivot, Style(style), terminal)
    export_text(connection, pivot, Style(style), file)
    assert all(character.isprintable() or character == "\n" for character in terminal.getvalue())
    spelled = "a\\x1b[31m\\u202e" if style == "csv" else "a\\u001b[31m\\u202e"
    assert spelled in terminal.getvalue()
    assert "a\x1b[31m\u202e" in file.getvalue() or style == "jsonl"


def test_a_view_is_exported_to_a_file(command: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "starts.parquet"
    assert command("--table", "event_starts", "--output", file) == 0
    assert capsys.readouterr().err == f"{2 * ROWS} rows in {file}\n"
    assert pq.read_metadata(file).num_rows == 2 * ROWS
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--raw", "--format", "jsonl"], "--raw applies to CSV only: leave it out for the format jsonl"),
        (["--json-as-text"], "--json-as-text applies to JSON only: leave it out for the format csv"),
        (["--format", "parquet"], "Parquet needs a file: name it with --output"),
        (["--query", "SELECT 1", "--table", "sweeps"], "--query and --table exclude each other: leave one of them out"),
        (["--table", ""], "--table is empty: name a table or view"),
    ],
    ids=["raw JSON", "CSV with JSON as text", "parquet on standard output", "query and table", "no table"],
)
def test_wrong_use(command: Any, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert command(*arguments) == 2
    assert capsys.readouterr() == ("", f"milestones: {message}\n")


@pytest.mark.parametrize("table", ["event_start", "Event Starts"])
def test_an_unknown_table_is_named_with_similar_ones(
    command: Any, capsys: pytest.CaptureFixture[str], table: str
) -> None:
    assert command("--table", table) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"milestones: there is no table or view {table}; did you mean event_starts")


def test_a_closed_pipe_ends_the_export_without_an_error(published: Shell) -> None:
    program = [sys.executable, "-m", "pipelines.cli", "export", "--query", "SELECT range FROM range(300000)"]
    environment = {"MILESTONES_HOME": str(published.home.root)}
    with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"range\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
