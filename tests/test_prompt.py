"""The prompt of `milestones sql`: queries end with a semicolon, faults do not end it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from pipelines.home import Home
from pipelines.prompt import run_prompt
from pipelines.published import NothingPublished

from .support import milestone, serving_shells


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    with serving_shells() as shells:
        shell = shells(tmp_path_factory.mktemp("asked"), [milestone(1)])
        shell.sweep()
        shell.stations.publish()
    return shell.home


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What stands in standard input."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdin", stream)
    return stream


def ask(
    home: Home, typed: io.StringIO, text: str, capsys: pytest.CaptureFixture[str], style: str = "json"
) -> list[str]:
    typed.write(text)
    typed.seek(0)
    assert run_prompt(home, style=style) == 0
    captured = capsys.readouterr()
    return [captured.out, captured.err]


def test_one_query_after_the_other(home: Home, typed: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = ask(home, typed, "select 1 as a;\nselect count(*) as n\nfrom milestones;\n", capsys)
    decoder = json.JSONDecoder()
    first, end = decoder.raw_decode(out)
    assert (first, decoder.raw_decode(out[end:].lstrip())[0]) == ([{"a": 1}], [{"n": 1}])
    assert err == ""


def test_the_last_query_needs_no_semicolon(home: Home, typed: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = ask(home, typed, "select 1 as a", capsys)
    assert json.loads(out) == [{"a": 1}]


def test_a_semicolon_inside_a_line_does_not_end_it(
    home: Home, typed: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = ask(home, typed, "select 'a;\nb' as a;", capsys)
    assert "a;\\nb" not in out or json.loads(out) == [{"a": "a;\nb"}]


def test_a_fault_is_told_and_the_prompt_goes_on(
    home: Home, typed: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = ask(home, typed, "select nothing;\ndrop table milestones;\nselect 1 as a;\n", capsys)
    assert json.loads(out) == [{"a": 1}]
    first, second = err.splitlines()
    assert "nothing" in first
    assert "read-only" in second


@pytest.mark.parametrize("text", ["", "\n\n", "   \n"], ids=repr)
def test_nothing_typed(home: Home, typed: io.StringIO, capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert ask(home, typed, text, capsys) == ["", ""]


@pytest.mark.parametrize("text", [";\nselect 1 as a;", "-- a comment;\nselect 1 as a;"], ids=repr)
def test_a_statement_that_is_none(
    home: Home, typed: io.StringIO, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    out, _ = ask(home, typed, text, capsys)
    assert json.loads(out) == [{"a": 1}]


def test_answers_as_the_command_prints_them(home: Home, typed: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = ask(home, typed, "select 'a\x1b|' as a;", capsys, style="markdown")
    assert out == "| a |\n| --- |\n| a\\x1b\\| |\n"


def test_nothing_published(tmp_path: Path, typed: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NothingPublished):
        ask(Home(tmp_path), typed, "select 1;", capsys)
