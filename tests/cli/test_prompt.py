"""The scripts and the prompt of `milestones sql`: queries end with a semicolon, errors do not end the prompt."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipelines.cli.prompt import PROMPT, read_script, run_script
from pipelines.errors import WrongUse
from pipelines.reading.connection import NothingPublished
from pipelines.reading.formats import Style
from pipelines.reading.query_errors import QueryFailed
from pipelines.storage.home import Home
from tests.support import milestone, serving_shells, umask


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    with serving_shells() as shells:
        shell = shells(tmp_path_factory.mktemp("published"), [milestone(1)])
        shell.sweep()
        shell.stages.publish()
    return shell.home


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """The standard input."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdin", stream)
    return stream


def run_input(
    home: Home, typed: io.StringIO, text: str, capsys: pytest.CaptureFixture[str], style: Any = "json"
) -> list[str]:
    typed.write(text)
    typed.seek(0)
    run_script(Console(), home, read_script("-"), Style(style))
    captured = capsys.readouterr()
    return [captured.out, captured.err]


@pytest.mark.slow
def test_several_queries(home: Home, typed: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run_input(home, typed, "select 1 as a;\nselect count(*) as n\nfrom milestones;\n", capsys)
    assert [json.loads(line) for line in out.splitlines()] == [[{"a": 1}], [{"n": 1}]]
    assert err == ""


def test_the_last_query_needs_no_semicolon(home: Home, typed: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run_input(home, typed, "select 1 as a", capsys)
    assert json.loads(out) == [{"a": 1}]


def test_a_semicolon_in_a_string_does_not_end_a_query(
    home: Home, typed: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = run_input(home, typed, "select 'a;\nb' as a;", capsys)
    assert json.loads(out) == [{"a": "a;\nb"}]


@pytest.mark.parametrize(
    ("bad", "message"), [("select nothing", "nothing"), ("drop table milestones", "read-only"), ("selec 1", "selec")]
)
def test_a_script_ends_at_the_first_error(
    home: Home, typed: io.StringIO, capsys: pytest.CaptureFixture[str], bad: str, message: str
) -> None:
    with pytest.raises(QueryFailed, match=message):
        run_input(home, typed, f"select 1 as a; {bad}; select 2 as a;", capsys)
    assert json.loads(capsys.readouterr().out) == [{"a": 1}]


def test_a_script_uses_one_connection(home: Home, typed: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run_input(home, typed, "create temp table t as select 7 as a;\nfrom t; -- done", capsys)
    assert (json.loads(out), err) == ([{"a": 7}], "")


def test_a_script_that_is_not_utf8_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"select '\xff'"), encoding="utf-8"))
    with pytest.raises(WrongUse, match="standard input is not UTF-8"):
        run_script(Console(), home, read_script("-"), Style())


@pytest.mark.parametrize("text", ["", "\n\n", "   \n", "-- a comment", "/* another */;"], ids=repr)
def test_input_without_statements(
    home: Home, typed: io.StringIO, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    assert run_input(home, typed, text, capsys) == ["", ""]


@pytest.mark.parametrize("text", [";\nselect 1 as a;", "-- a comment;\nselect 1 as a;"], ids=repr)
def test_empty_statements_are_skipped(
    home: Home, typed: io.StringIO, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    out, _ = run_input(home, typed, text, capsys)
    assert json.loads(out) == [{"a": 1}]


def test_results_have_the_format_of_the_command(
    home: Home, typed: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = run_input(home, typed, "select 'a\x1b|' as a;", capsys, style="markdown")
    assert out == "| a |\n| --- |\n| a\\x1b\\| |\n"


def test_nothing_is_published(tmp_path: Path, typed: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NothingPublished):
        run_input(Home(tmp_path), typed, "select 1;", capsys)


class Terminal:
    """`milestones sql` at a pseudo-terminal."""

    def __init__(self, home: Home, *options: str) -> None:
        self.end, other = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", "sql", *(options or ("--format", "csv"))],
            env=os.environ | {"MILESTONES_HOME": str(home.root), "TERM": "dumb", "COLUMNS": "200"},
            stdin=other,
            stdout=other,
            stderr=other,
        )
        os.close(other)
        self.unread = ""
        self.read_to(PROMPT)

    def read_to(self, text: str) -> str:
        """Output up to and including this text; the rest is kept for the next call."""
        while text not in self.unread:
            self.unread += os.read(self.end, 4_096).decode()
        before, _, self.unread = self.unread.partition(text)
        return before + text

    def type(self, keys: str) -> str:
        """Type keys; the output up to the next prompt."""
        os.write(self.end, keys.encode())
        return self.read_to(PROMPT)

    def leave(self) -> int:
        """Send Ctrl-D at a prompt; the exit status."""
        os.write(self.end, CONTROL_D.encode())
        status = self.process.wait()
        os.close(self.end)
        return status


CONTROL_D, UP = "\x04", "\x1b[A"


@pytest.fixture
def own_home(home: Home, tmp_path: Path) -> Home:
    own = Home(tmp_path / "home")
    own.published.mkdir(parents=True)
    shutil.copyfile(home.published_duckdb, own.published_duckdb)
    return own


@pytest.mark.slow
def test_the_history_is_kept(own_home: Home) -> None:
    with umask(0):
        first = Terminal(own_home)
        assert "a\r\n42\r\n" in first.type("select 42 as a;\n")
        assert first.leave() == 0
    assert own_home.sql_history.read_text().splitlines()[-1] == "select 42 as a;"
    assert own_home.sql_history.stat().st_mode & 0o077 == 0
    second = Terminal(own_home)
    assert "a\r\n42\r\n" in second.type(f"{UP}\n")
    assert second.leave() == 0


@pytest.mark.slow
def test_control_c_discards_the_line_and_keeps_the_prompt(own_home: Home) -> None:
    terminal = Terminal(own_home)
    os.write(terminal.end, b"select nothing")
    terminal.read_to("nothing")
    terminal.process.send_signal(signal.SIGINT)
    # A key wakes the prompt if the signal came just before it began to wait.
    os.write(terminal.end, b"\n")
    terminal.read_to(PROMPT)
    os.write(terminal.end, b"select 1 as a;\n")
    assert "Error" not in terminal.read_to("a\r\n1\r\n")
    terminal.read_to(PROMPT)
    assert terminal.leave() == 0


@pytest.mark.slow
def test_a_history_that_cannot_be_written_is_ignored(own_home: Home) -> None:
    own_home.sql_history.mkdir()
    terminal = Terminal(own_home)
    assert "a\r\n1\r\n" in terminal.type("select 1 as a;\n")
    assert terminal.leave() == 0


@pytest.mark.slow
def test_the_commands_of_the_prompt(own_home: Home) -> None:
    terminal = Terminal(own_home, "--format", "table")
    listed = terminal.type(".tables\n")
    assert re.search(r"^milestones +table +Every milestone", listed, re.MULTILINE)
    assert "milestones_starting_within(hours" in listed
    assert re.search(r"^title +VARCHAR +\S", terminal.type(".schema milestones\n"), re.MULTILINE)
    assert "there is no table or view milestons; did you mean milestones" in terminal.type(".schema milestons;\n")
    assert ".schema NAME" in terminal.type("help;\n")
    assert "more: --all shows them" in terminal.type("select range from range(100);\n")
    os.write(terminal.end, b"exit\n")
    assert terminal.process.wait() == 0
    os.close(terminal.end)
