"""Text formats of a result: what each writes for each kind of value, and which options it accepts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

import pytest

from pipelines.errors import WrongUse
from pipelines.reading.formats import (
    Style,
    as_json,
    cell_text,
    csv_lines,
    json_lines,
    json_rows,
    markdown_lines,
)
from pipelines.reading.results import NUMBER, TEXT, Column, Kind, TextResult
from tests.support import NOON

TIME, JSON = Kind("time"), Kind("json")
COLUMNS = (Column("title"), Column("rows", NUMBER), Column("at", TIME), Column("live", Kind("boolean")))
ROW = ("=1+1", "1.50", "2026-11-23 12:00:00.25+00", "true")


def result(columns: Sequence[Column], *rows: Sequence[Any]) -> TextResult:
    return TextResult(columns, rows)


def test_csv() -> None:
    assert list(csv_lines(result(COLUMNS, ROW, (None, "-7", None, "false")), Style("csv"))) == [
        "title,rows,at,live\n",
        "'=1+1,1.50,2026-11-23T12:00:00.250000Z,true\n",
        ",-7,,false\n",
    ]


def test_raw_csv_is_not_escaped() -> None:
    lines = list(csv_lines(result((Column("=a"),), ("=1+1",)), Style("csv", raw=True)))
    assert lines == ["=a\n", "=1+1\n"]


@pytest.mark.parametrize(
    ("text", "line"),
    [("a,b", '"a,b"\n'), ('a"b', '"a""b"\n'), ("a\nb", '"a\nb"\n'), ("a\rb", '"a\rb"\n')],
    ids=["comma", "quote", "line feed", "carriage return"],
)
def test_csv_quotes(text: str, line: str) -> None:
    assert list(csv_lines(result((Column("x"),), (text,)), Style("csv")))[1] == line


def test_json_lines_keep_digits_types_and_repeated_names() -> None:
    columns = (*COLUMNS, Column("title"), Column("details", JSON))
    (line,) = json_lines(result(columns, (*ROW, None, '{"a": 1.10}')), Style("jsonl"))
    assert line == (
        '{"title": "=1+1", "rows": 1.50, "at": "2026-11-23T12:00:00.250000Z", "live": true, "title_2": null, '
        '"details": {"a": 1.10}}\n'
    )


def test_json_as_text_does_not_nest() -> None:
    (line,) = json_lines(result((Column("details", JSON),), ('{"a": 1}',)), Style("jsonl", json_as_text=True))
    assert json.loads(line) == {"details": '{"a": 1}'}


def test_json_rows() -> None:
    columns = (Column("a", NUMBER), Column("details", JSON))
    assert "".join(json_rows(result(columns), Style("json"))) == "[]\n"
    text = "".join(json_rows(result(columns, ("1", "[2]"), ("inf", None)), Style("json")))
    assert json.loads(text) == [{"a": 1, "details": [2]}, {"a": "inf", "details": None}]
    assert text.startswith('[\n  {\n    "a": 1,\n')


def test_markdown() -> None:
    assert list(
        markdown_lines(result((Column("a|b"), Column("at", TIME)), ("<b>", ROW[2]), (None, None)), Style())
    ) == [
        "| a\\|b | at |\n",
        "| --- | --- |\n",
        "| &lt;b> | 2026-11-23 12:00:00Z |\n",
        "|  |  |\n",
    ]


@pytest.mark.parametrize("lines", [json_lines, json_rows], ids=["jsonl", "json"])
def test_json_is_printable(lines: Any) -> None:
    text = "".join(lines(result((Column("\u202ea"),), ("\x1b[2J",)), Style("json")))
    assert all(character.isprintable() or character == "\n" for character in text)
    assert json.loads(text) in ({"\u202ea": "\x1b[2J"}, [{"\u202ea": "\x1b[2J"}])


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (TEXT, None, ""),
        (TEXT, "a\x1bb", r"a\x1bb"),
        (TEXT, "2026-11-23 12:00:00.25+00", "2026-11-23 12:00:00.25+00"),
        (TIME, "2026-11-23 12:00:00.25+00", "2026-11-23 12:00:00Z"),
        (TIME, "infinity", "infinity"),
    ],
    ids=["NULL", "control character", "text like a time", "time", "infinity"],
)
def test_a_cell(kind: Kind, value: str | None, text: str) -> None:
    assert cell_text(kind, value) == text


def test_json_of_python_values() -> None:
    assert json.loads(as_json({"at": NOON, "rows": float("nan"), "text": "\x1b"})) == {
        "at": "2026-11-23T12:00:00Z",
        "rows": None,
        "text": "\x1b",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"raw": True}, "--raw applies to CSV only: leave it out for the format table"),
        ({"json_columns": ("x",)}, "--json-columns applies to JSON only: leave it out for the format table"),
        (
            {"format": "json", "json_columns": ("x",), "json_as_text": True},
            "--json-columns and --json-as-text exclude each other: leave one of them out",
        ),
        ({"json_as_text": True}, "--json-as-text applies to JSON only: leave it out for the format table"),
        (
            {"format": "csv", "all_rows": True},
            "--all applies to tables only: leave it out, as the format csv has every row",
        ),
    ],
    ids=["raw", "json columns", "json columns as text", "json as text", "all rows"],
)
def test_an_option_of_another_format_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(WrongUse) as caught:
        Style(**options)
    assert str(caught.value) == message


@pytest.mark.parametrize("format_", ["json", "jsonl"])
def test_json_as_text_is_accepted_for_json(format_: Literal["json", "jsonl"]) -> None:
    assert Style(format_, json_as_text=True).json_as_text


def test_raw_is_accepted_for_csv_and_all_for_tables() -> None:
    assert Style("csv", raw=True).raw
    assert Style("table", all_rows=True).all_rows
