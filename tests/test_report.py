"""What the commands print: for people, for programs, and nothing that a terminal or a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipelines.home import Home
from pipelines.published import Answer, Status
from pipelines.report import FORMATS, as_json, print_answer, print_status, print_sweep, shown, status_json

from .support import NOON

HOSTILE = "a\x1b[31m\x07\u202e\x9b\r\n\x00|z"


def printed(answer: Answer, style: str, *, is_terminal: bool = False) -> str:
    file = Screen() if is_terminal else io.StringIO()
    print_answer(Console(file=file, width=80, force_terminal=is_terminal), answer, style)
    return file.getvalue()


class Screen(io.StringIO):
    """A text file that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("plain é 東京 🏀", "plain é 東京 🏀"),
        (NOON + timedelta(microseconds=5), "2026-11-23 12:00:00Z"),
        (date(2026, 11, 23), "2026-11-23"),
        (Decimal("1.50"), "1.50"),
        (True, "true"),
        (timedelta(days=1, seconds=5), "1 day, 0:00:05"),
        (-timedelta(minutes=90), "-1:30:00"),
        (["a\n", None], '["a\\n", null]'),
        ("two\nlines\ttab", "two\\nlines\\ttab"),
        (HOSTILE, "a\\x1b[31m\\x07\\u202e\\x9b\\r\\n\\x00|z"),
        ("\ud800", "\\ud800"),
    ],
    ids=[
        "null",
        "text",
        "time",
        "day",
        "number",
        "boolean",
        "interval",
        "negative",
        "list",
        "white space",
        "controls",
        "surrogate",
    ],
)
def test_cells_for_people(value: Any, text: str) -> None:
    assert shown(value) == text


@given(st.text())
def test_what_is_shown_is_printable(text: str) -> None:
    assert shown(text).isprintable()


ANSWER = Answer(["title", "n", "at"], [(HOSTILE, 1, NOON), (None, 22, None)])


def test_a_table() -> None:
    text = printed(ANSWER, "table")
    lines = text.splitlines()
    assert lines[0].split() == ["title", "n", "at"]
    assert "a\\x1b[31m\\x07\\u202e\\x9b\\r\\n\\x00|z" in lines[2]
    assert lines[-1] == "2 rows"
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(("rows", "says"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows")], ids=str)
def test_the_number_of_rows(rows: int, says: str) -> None:
    assert printed(Answer(["a"], [(1,)] * rows), "table").splitlines()[-1] == says


def test_a_tables_cells_are_neither_cut_nor_folded() -> None:
    long = "x" * 500
    assert long in printed(Answer(["a", "b"], [(long, long)]), "table")


def test_marks_of_markup_are_text() -> None:
    assert "[red]not red[/red]" in printed(Answer(["[b]"], [("[red]not red[/red]",)]), "table")
    assert "[b]" in printed(Answer(["[b]"], [("x",)]), "table")


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0"]


@pytest.mark.parametrize(
    "formula",
    FORMULAS,
    ids=repr,
)
def test_csv_runs_no_formulas(formula: str) -> None:
    text = printed(Answer(["a", "b"], [(formula, "x")]), "csv")
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["a", "b"], [f"'{formula}", "x"]]


@pytest.mark.parametrize("formula", FORMULAS, ids=repr)
def test_a_column_name_is_no_formula_either(formula: str) -> None:
    """A PIVOT makes names of columns out of data."""
    text = printed(Answer([formula], [("x",)]), "csv")
    assert next(csv.reader(io.StringIO(text, newline=""))) == [f"'{formula}"]


def test_csv_keeps_numbers_times_and_quotes() -> None:
    rows = [(-1, NOON, 'a "quoted", text\nover lines', None, True, -0.5)]
    text = printed(Answer(list("abcdef"), rows), "csv")
    (_, row) = csv.reader(io.StringIO(text, newline=""))
    assert row == ["-1", "2026-11-23T12:00:00Z", 'a "quoted", text\nover lines', "", "true", "-0.5"]


def test_json_is_what_the_rows_say() -> None:
    text = printed(Answer(["title", "at", "exact"], [(HOSTILE, NOON, Decimal("1.50"))]), "json")
    assert json.loads(text) == [{"title": HOSTILE, "at": "2026-11-23T12:00:00Z", "exact": "1.50"}]


def test_json_loses_no_column() -> None:
    text = printed(Answer(["n", "n"], [(1, 2)]), "json")
    assert "1" in text
    assert "2" in text


def test_markdown_escapes_pipes_and_lines() -> None:
    text = printed(Answer(["a|b", "c"], [("x|y\nz", None)]), "markdown")
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
    ids=["pipe", "escaped pipe", "picture", "html", "entity", "code", "list", "lines", "controls"],
)
def test_markdown_cells_and_names_are_text(text: str, escaped: str) -> None:
    lines = printed(Answer([text], [(text,)]), "markdown").splitlines()
    assert lines == [f"| {escaped} |", "| --- |", f"| {escaped} |"]


@given(st.text())
def test_json_is_printable_and_means_the_same(text: str) -> None:
    written = as_json({text: text})
    assert all(character.isprintable() or character == "\n" for character in written)
    assert json.loads(written) == {text: text}


@pytest.mark.parametrize("style", FORMATS)
def test_no_control_character_reaches_the_terminal(style: str) -> None:
    text = printed(Answer([HOSTILE], [(HOSTILE,)]), style, is_terminal=True)
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)  # rich's own colours
    assert all(character.isprintable() or character == "\n" for character in text), repr(text)


def test_json_of_anything() -> None:
    text = as_json({"at": NOON, "path": Path("/x"), "é": {1}})
    assert json.loads(text) == {"at": "2026-11-23T12:00:00Z", "path": "/x", "é": "{1}"}


# Status and outcome

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
}
STATUS = Status(
    published_file="/home/published/milestones.duckdb",
    bytes=12_345_678,
    rows={"milestones": 1_234},
    sweeps=[SWEEP],
    watermark=NOON - timedelta(hours=5),
    last_full_at=NOON - timedelta(days=3),
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
    print_status(console, status, NOON)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_the_status_says_how_old_things_are() -> None:
    text = status_text(STATUS)
    assert "/home/published/milestones.duckdb (12.3 MB)" in text
    assert "(3 days ago)" in text
    assert "(5 hours ago)" in text
    assert "(90 seconds ago)" in text
    assert "1,234  milestones" in text
    assert "99 % within 37 s of their update, the last after 1,240 s (1,234 rows of polls)" in text
    assert "12 s of the overlap were used" in text
    assert "000002-20261123T120000Z" in text
    assert "1 x a\\x1b[31m" in text
    assert "1,200 x title, 3 x details" in text
    assert "000003 failed: a\\x1b[31m" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_the_status_of_what_never_was() -> None:
    nothing = Status("/x", 0, {}, [], None, None, None, [], {}, [], {}, None, {"rows": 0})
    text = status_text(nothing)
    assert text.count("never") == 3
    assert "not published" not in text
    assert "missing values" not in text
    assert "rows arrive" not in text


def test_the_status_as_json() -> None:
    text = json.loads(status_json(STATUS))
    assert text["watermark"] == "2026-11-23T07:00:00Z"
    assert text["sweeps"][0]["started_at"] == "2026-11-23T11:59:57.500000Z"
    assert text["unpublished"]["error"] == HOSTILE
    assert text["rows"] == {"milestones": 1234}


def outcome_text(home: Home, not_found: list[str], *, archived: int = 0) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_sweep(console, SWEEP, {"milestones": 1_234}, home, not_found, archived=archived)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_the_outcome_of_a_run() -> None:
    text = outcome_text(Home(Path("/home")), [HOSTILE])
    assert "000002-20261123T120000Z (full, 2.5 s until loaded)" in text
    assert "1,234 records on 3 pages, 4 requests (1 retries, 0 rate limited)" in text
    assert "1,000 new, 200 changed; 30 unchanged, 3 superseded" in text
    assert "1 (table quarantine)" in text
    assert "a\\x1b[31m" in text
    assert "/home/published/milestones.duckdb" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_the_outcome_says_how_many_were_archived() -> None:
    assert "archived" not in outcome_text(Home(Path("/home")), [])
    assert "41,000 no longer listed (table archived_milestones)" in outcome_text(
        Home(Path("/home")), [], archived=41_000
    )


def test_a_home_with_brackets_is_shown_as_it_is() -> None:
    assert "/home/[bold]/published/milestones.duckdb" in outcome_text(Home(Path("/home/[bold]")), [])


def test_times_in_utc() -> None:
    assert shown(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01 00:00:00Z"
