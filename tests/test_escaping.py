"""Escaping: untrusted text cannot control a terminal, a spreadsheet, a Markdown viewer or a log."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.escaping import escape_csv, escape_json, escape_markdown, one_line, printable, write

HOSTILE = "\x1b[2J\u202e\r\n\ud83c\x7f"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("東京 é, 1 – 2", "東京 é, 1 – 2"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\tb\r\nc", r"a\tb\r\nc"),
        ("\u202ereversed", r"\u202ereversed"),
        ("non\u00a0breaking", r"non\xa0breaking"),
        ("half a pair \ud83c", r"half a pair \ud83c"),
        ("", ""),
    ],
    ids=["printable", "ANSI", "whitespace", "bidi", "no-break space", "surrogate", "empty"],
)
def test_printable(text: str, expected: str) -> None:
    assert printable(text) == one_line(text) == expected


@given(st.text(st.characters()))
def test_any_text_becomes_one_printable_line(text: str) -> None:
    assert one_line(text).isprintable()
    assert escape_markdown(text).isprintable()


def test_json_keeps_its_meaning_and_its_line_ends() -> None:
    text = json.dumps({"title": HOSTILE, "plain": "東京"}, ensure_ascii=False, indent=2)
    escaped = escape_json(text)
    assert json.loads(escaped) == {"title": HOSTILE, "plain": "東京"}
    assert escaped.replace("\n", "").isprintable()
    assert "東京" in escaped


def test_printable_json_is_unchanged() -> None:
    assert escape_json('{\n  "title": "東京"\n}') == '{\n  "title": "東京"\n}'


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "+1,2,3", "-", "+٣"]
)
def test_a_formula_gets_an_apostrophe_in_csv(text: str) -> None:
    assert escape_csv(text) == f"'{text}"


@pytest.mark.parametrize("text", ["+150", "-3.5", "-1,234.5", "+1e5", "-.5", "+50%", "Lakers -3.5", "a=b", ""])
def test_numbers_and_plain_text_are_unchanged_in_csv(text: str) -> None:
    assert escape_csv(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", r"a\|b"),
        ("`code`", r"\`code\`"),
        ("<img src=x>", "&lt;img src=x>"),
        ("A & B", "A &amp; B"),
        ("[text](javascript:x)", r"[text]\(javascript:x)"),
        ("![](http://x)", r"![]\(http://x)"),
        (r"a\|b", r"a\\\|b"),
        (r"C:\games", r"C:\games"),
        ("two\nlines", r"two\nlines"),
        ("Game (7)", "Game (7)"),
    ],
    ids=["cell", "code", "HTML", "entity", "link", "image", "backslash", "plain backslash", "lines", "parentheses"],
)
def test_a_markdown_cell(text: str, expected: str) -> None:
    assert escape_markdown(text) == expected


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_write_escapes_for_a_terminal_only() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for file in (terminal, pipe):
        write(file, "one\x1b[2J\ntwo\u202e\n")
    assert terminal.getvalue() == "one\\x1b[2J\ntwo\\u202e\n"
    assert pipe.getvalue() == "one\x1b[2J\ntwo\u202e\n"
