"""What the commands print: for people, for programs, and nothing that a terminal or a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipelines.cli.report import display_text, print_result, print_status, print_sweep, status_json
from pipelines.reading.formats import FORMATS, Style, as_json
from pipelines.reading.results import NUMBER, Column, Kind, TextResult
from pipelines.reading.status import Status
from pipelines.storage.home import Home
from tests.support import NOON

HOSTILE = "a\x1b[31m\x07\u202e\x9b\r\n\x00|z"


def printed(result: TextResult, style: Any, *, is_terminal: bool = False, **options: Any) -> str:
    file = Terminal() if is_terminal else io.StringIO()
    print_result(Console(file=file, width=80, force_terminal=is_terminal), result, Style(style, **options))
    return file.getvalue()


def result(names: list[str], rows: list[tuple[Any, ...]], **kinds: Kind) -> TextResult:
    """A result with text columns, except those in `kinds`."""
    return TextResult([Column(name, kinds.get(name, Kind())) for name in names], rows)


class Terminal(io.StringIO):
    """A text file that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("plain é 東京 🏀", "plain é 東京 🏀"),
        (NOON + timedelta(microseconds=5), "2026-11-23 12:00:00Z"),
        ("two\nlines\ttab", "two\\nlines\\ttab"),
        (HOSTILE, "a\\x1b[31m\\x07\\u202e\\x9b\\r\\n\\x00|z"),
        ("\ud800", "\\ud800"),
    ],
    ids=[
        "null",
        "text",
        "time",
        "whitespace",
        "controls",
        "surrogate",
    ],
)
def test_display_text(value: Any, text: str) -> None:
    assert display_text(value) == text


@given(st.text())
def test_display_text_is_printable(text: str) -> None:
    assert display_text(text).isprintable()


TIME = Kind("time")
RESULT = result(
    ["title", "n", "at"], [(HOSTILE, "1", "2026-11-23 12:00:00.25+00"), (None, "22", None)], n=NUMBER, at=TIME
)


def test_a_table() -> None:
    text = printed(RESULT, "table")
    lines = text.splitlines()
    assert lines[0].split() == ["title", "n", "at"]
    assert "a\\x1b[31m\\x07\\u202e\\x9b\\r\\n\\x00|z" in lines[2]
    assert "    1   2026-11-23 12:00:00Z" in lines[2]
    assert lines[-1] == "2 rows"
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(("rows", "line"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows")], ids=str)
def test_the_number_of_rows(rows: int, line: str) -> None:
    assert printed(result(["a"], [("1",)] * rows), "table").splitlines()[-1] == line


def test_cells_in_a_file_are_complete() -> None:
    long = "x" * 500
    assert long in printed(result(["a", "b"], [(long, long)]), "table")


def test_rich_markup_is_text() -> None:
    assert "[red]not red[/red]" in printed(result(["[b]"], [("[red]not red[/red]",)]), "table")
    assert "[b]" in printed(result(["[b]"], [("x",)]), "table")


FORMULAS = ["=1+1", "+1+1", "-1-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0"]


@pytest.mark.parametrize(
    "formula",
    FORMULAS,
    ids=repr,
)
def test_csv_formulas_are_escaped(formula: str) -> None:
    text = printed(result(["a", "b"], [(formula, "x")]), "csv")
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["a", "b"], [f"'{formula}", "x"]]


@pytest.mark.parametrize("formula", FORMULAS, ids=repr)
def test_csv_formulas_in_names_are_escaped(formula: str) -> None:
    """A PIVOT makes column names out of data."""
    text = printed(result([formula], [("x",)]), "csv")
    assert next(csv.reader(io.StringIO(text, newline=""))) == [f"'{formula}"]


@pytest.mark.parametrize("text", ["-3.5", "+150", "1e5", "-1,234", "-.5", "+2.50e-3", "-12%"], ids=repr)
def test_csv_numbers_as_text_are_not_escaped(text: str) -> None:
    assert printed(result(["a"], [(text,)]), "csv").splitlines()[1].strip('"') == text


@pytest.mark.parametrize("text", ["-1+1", "+1,23", "-", "+", "-e5", "-1 ", "-1\n=1", "--1", "-٣"], ids=repr)
def test_csv_text_that_is_almost_a_number_is_escaped(text: str) -> None:
    out = printed(result(["a"], [(text,)]), "csv")
    assert list(csv.reader(io.StringIO(out, newline="")))[1] == [f"'{text}"]


def test_raw_csv_is_not_escaped() -> None:
    assert printed(result(["=a"], [("=1",)]), "csv", raw=True) == "=a\n=1\n"


def test_csv_keeps_numbers_times_and_quotes() -> None:
    rows = [("-1", "2026-11-23 12:00:00+00", 'a "quoted", text\nover lines', None, "true", "-01:30:00")]
    kinds = {"a": NUMBER, "b": TIME, "e": Kind("boolean"), "f": Kind("other")}
    text = printed(result(list("abcdef"), rows, **kinds), "csv")
    (_, row) = csv.reader(io.StringIO(text, newline=""))
    assert row == ["-1", "2026-11-23T12:00:00Z", 'a "quoted", text\nover lines', "", "true", "-01:30:00"]


def test_json_has_the_values_of_the_rows() -> None:
    rows = [(HOSTILE, "2026-11-23 12:00:00.5+00", "1.50")]
    text = printed(result(["title", "at", "exact"], rows, at=TIME, exact=NUMBER), "json")
    assert json.loads(text, parse_float=str) == [
        {"title": HOSTILE, "at": "2026-11-23T12:00:00.500000Z", "exact": "1.50"}
    ]
    assert printed(result(["a"], []), "json") == "[]\n"


def test_json_keeps_columns_of_the_same_name() -> None:
    assert json.loads(printed(result(["n", "n"], [("1", "2")]), "json")) == [{"n": "1", "n_2": "2"}]


def test_markdown_escapes_pipes_and_lines() -> None:
    text = printed(result(["a|b", "c"], [("x|y\nz", None)]), "markdown")
    assert text == "| a\\|b | c |\n| --- | --- |\n| x\\|y\\nz |  |\n"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", r"a\|b"),
        (r"a\|b", r"a\\\|b"),
        ("![x](http://evil.example/p.png)", r"![x]\(http://evil.example/p.png)"),
        ("<img src=x>", "&lt;img src=x>"),
        ("&lt;", "&amp;lt;"),
        ("`code", r"\`code"),
        ('["a", null]', '["a", null]'),
        ("two\nlines", r"two\nlines"),
        ("\x1b[31m\u202e", r"\x1b[31m\u202e"),
    ],
    ids=["pipe", "escaped pipe", "image", "html", "entity", "code", "list", "lines", "controls"],
)
def test_markdown_is_escaped(text: str, escaped: str) -> None:
    lines = printed(result([text], [(text,)]), "markdown").splitlines()
    assert lines == [f"| {escaped} |", "| --- |", f"| {escaped} |"]


@given(st.text())
def test_json_is_printable_and_keeps_its_value(text: str) -> None:
    written = as_json({text: text})
    assert all(character.isprintable() or character == "\n" for character in written)
    assert json.loads(written) == {text: text}


@pytest.mark.parametrize("style", FORMATS)
def test_no_control_character_reaches_the_terminal(style: str) -> None:
    text = printed(result([HOSTILE], [(HOSTILE,)]), style, is_terminal=True)
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)  # rich's own colours
    assert all(character.isprintable() or character == "\n" for character in text), repr(text)


def test_json_of_python_values() -> None:
    text = as_json({"at": NOON, "path": Path("/x"), "é": {1}, "n": float("nan"), "f": 0.5, "none": []})
    assert json.loads(text) == {"at": "2026-11-23T12:00:00Z", "path": "/x", "é": "{1}", "n": None, "f": 0.5, "none": []}


# Status and summary

SWEEP: dict[str, Any] = {
    "sweep_id": "000002-20261123T120000Z",
    "mode": "full",
    "status": "loaded",
    "started_at": NOON - timedelta(seconds=2.5),
    "finished_at": NOON,
    "records": 1_234,
    "pages": 3,
    "requests": 4,
    "retries": 1,
    "rate_limited": 0,
    "new": 1_000,
    "changed": 200,
    "unchanged": 30,
    "superseded": 3,
    "quarantined": 1,
    "vanished": 0,
    "is_complete": True,
}
STATUS = Status(
    published_file="/home/published/milestones.duckdb",
    bytes=12_345_678,
    rows={"milestones": 1_234},
    sweeps=[SWEEP],
    watermark=NOON - timedelta(hours=5),
    last_full_at=NOON - timedelta(days=3),
    last_sweep_at=NOON - timedelta(minutes=4),
    newest_update=NOON - timedelta(seconds=90),
    quarantined_by_reason=[{"reason": HOSTILE, "field": None, "records": 1}],
    missing={"title": 1_200, "details": 3},
    drift=[{"type": "t", "path": HOSTILE, "kinds": "string", "first_seen_at": NOON}],
    sizes={"raw": 1_500_000},
    unpublished={"sweep_id": "000003", "mode": "full", "state": "failed", "error": HOSTILE},
    lateness={"rows": 1_234, "seconds_p99": 37.2, "seconds_max": 1240.0, "overlap_used_seconds": 12.0},
)


def status_text(status: Status) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_status(console, status, NOON, Style())
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_the_status_shows_ages_and_counts() -> None:
    text = status_text(STATUS)
    assert "/home/published/milestones.duckdb (12.3 MB)" in text
    assert "(3 days ago)" in text
    assert "(5 hours ago)" in text
    assert "(90 seconds ago)" in text
    assert "1,234  milestones" in text
    assert "99 % within 37 s of their update, the latest after 1,240 s (1,234 rows of incremental sweeps)" in text
    assert "12 s of the overlap were needed" in text
    assert "000002-20261123T120000Z" in text
    assert "1 x a\\x1b[31m" in text
    assert "1,200 x title, 3 x details" in text
    assert "000003 failed: a\\x1b[31m" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_the_status_without_data() -> None:
    empty = Status("/x", 0, {}, [], None, None, None, None, [], {}, [], {}, None, {"rows": 0})
    text = status_text(empty)
    assert text.count("never") == 4
    assert "not published" not in text
    assert "missing values" not in text
    assert "rows arrive" not in text


def test_the_status_as_json() -> None:
    text = json.loads(status_json(STATUS))
    assert text["watermark"] == "2026-11-23T07:00:00Z"
    assert text["sweeps"][0]["started_at"] == "2026-11-23T11:59:57.500000Z"
    assert text["unpublished"]["error"] == HOSTILE
    assert text["rows"] == {"milestones": 1234}


def summary_text(home: Home, not_found: list[str], *, archived: int = 0) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_sweep(console, SWEEP, {"milestones": 1_234}, home, not_found, archived=archived)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_the_summary_of_a_run() -> None:
    text = summary_text(Home(Path("/home")), [HOSTILE])
    assert "000002-20261123T120000Z (full, 2.5 s until loaded)" in text
    assert "1,234 records on 3 pages, 4 requests (1 retry, 0 rate limited)" in text
    assert "1,000 new, 200 changed; 30 unchanged, 3 superseded" in text
    assert "1 (table quarantine)" in text
    assert "a\\x1b[31m" in text
    assert "/home/published/milestones.duckdb" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_the_summary_counts_archived_milestones() -> None:
    assert "archived" not in summary_text(Home(Path("/home")), [])
    assert "41,000 no longer listed (table archived_milestones)" in summary_text(
        Home(Path("/home")), [], archived=41_000
    )


def test_a_home_with_brackets_is_not_markup() -> None:
    assert "/home/[bold]/published/milestones.duckdb" in summary_text(Home(Path("/home/[bold]")), [])


def test_times_in_utc() -> None:
    assert display_text(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01 00:00:00Z"
