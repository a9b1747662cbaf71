"""Output that is not fitted to a terminal goes through a pager there, and nowhere else."""

from __future__ import annotations

import io
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.cli.pager import LESS_OPTIONS, pager_command
from pipelines.storage.home import Home
from tests.cli.commands import HOSTILE, Command, Outcome
from tests.support import Shell

SAVE = "import os, sys; open(sys.argv[1], 'wb').write(os.environ['LESS'].encode() + b'\\n' + sys.stdin.buffer.read())"
LEAVE = "import sys; sys.stdin.readline()"
QUERY = "select title from milestones where title like '=%'"


class Terminal(io.StringIO):
    """A text file that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def paged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, published: Shell, at: Callable[..., Home]) -> Path:
    """What the pager reads is saved in this file, after its options."""
    at(published.home.root)
    file = tmp_path / "paged"
    monkeypatch.setenv("PAGER", shlex.join([sys.executable, "-c", SAVE, str(file)]))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("LESS", raising=False)
    return file


@pytest.fixture
def at_terminal(command: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command with a terminal as its standard output."""

    def run_command(*arguments: str) -> Outcome:
        stream = Terminal()
        # Not in the fixture: pytest sets its own stream between the setup and the test.
        monkeypatch.setattr("sys.stdout", stream)
        return replace(command(*arguments), out=stream.getvalue())

    return run_command


def test_a_complete_table_at_a_terminal_is_paged(paged: Path, at_terminal: Command) -> None:
    assert at_terminal("sql", "select *, title as again from milestones", "--all") == Outcome(0, "", "")
    options, *lines = paged.read_text().splitlines()
    assert options == LESS_OPTIONS
    assert (lines[-1], len(lines)) == ("99 rows", 102)
    assert "…" not in "".join(lines)


@pytest.mark.parametrize(
    ("style", "text"),
    [("csv", "title\n'=1+1|\\x1b[31m\n"), ("markdown", "| title |\n| --- |\n| =1+1\\|\\x1b[31m |\n")],
)
def test_what_is_paged_is_escaped_for_a_terminal(paged: Path, at_terminal: Command, style: str, text: str) -> None:
    assert "\x1b" in HOSTILE
    assert at_terminal("sql", QUERY, "--format", style).status == 0
    assert paged.read_text().partition("\n")[2] == text


def test_the_users_options_of_less_are_kept(paged: Path, at_terminal: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LESS", "-i")
    assert at_terminal("sql", QUERY, "--all").status == 0
    assert paged.read_text().splitlines()[0] == "-i"


@pytest.mark.parametrize("arguments", [[], ["--all", "--no-pager"]], ids=["fitted", "no pager"])
def test_a_fitted_table_is_not_paged(paged: Path, at_terminal: Command, arguments: list[str]) -> None:
    assert "1 row" in at_terminal("sql", QUERY, *arguments).out
    assert not paged.exists()


def test_a_pipe_is_not_paged(paged: Path, command: Command) -> None:
    assert command("sql", QUERY, "--format", "csv").out.startswith("title\n")
    assert not paged.exists()


def test_a_failed_query_prints_its_line_after_the_pager(paged: Path, at_terminal: Command) -> None:
    outcome = at_terminal("sql", "select 1 as a; from nowhere", "--format", "csv")
    assert outcome.status == 1
    assert outcome.error_line.startswith("there is no table or view nowhere")
    assert paged.read_text().partition("\n")[2] == "a\n1\n"


@pytest.mark.parametrize("style", [["--format", "csv"], ["--all"]], ids=["CSV", "table"])
def test_a_pager_that_is_left_early_ends_the_command(
    paged: Path, at_terminal: Command, monkeypatch: pytest.MonkeyPatch, style: list[str]
) -> None:
    monkeypatch.setenv("PAGER", shlex.join([sys.executable, "-c", LEAVE]))
    outcome = at_terminal("sql", "select range, repeat('x', 10000) from range(100)", *style)
    assert (outcome.status, outcome.err) == (0, "")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PAGER": f"{sys.executable} -x"}, [sys.executable, "-x"]),
        ({"PAGER": ""}, []),
        ({"PAGER": "cat"}, []),
        ({"PAGER": "no-such-pager"}, []),
        ({"PAGER": sys.executable, "TERM": "dumb"}, []),
    ],
    ids=["set", "empty", "cat", "not installed", "dumb terminal"],
)
def test_the_pager(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: list[str]) -> None:
    monkeypatch.setattr(os, "environ", {"PATH": os.environ["PATH"], "TERM": "xterm"} | variables)
    assert pager_command() == words


def test_the_pager_is_less_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "less").write_text("#!/bin/sh\n")
    (tmp_path / "less").chmod(0o755)
    monkeypatch.setattr(os, "environ", {"PATH": str(tmp_path), "TERM": "xterm"})
    assert pager_command() == ["less"]


def test_a_pager_with_an_open_quotation_mark(
    paged: Path, at_terminal: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGER", "'less -R")
    outcome = at_terminal("sql", QUERY, "--all")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.error_line == 'PAGER is "\'less -R" (No closing quotation): give a command, or use --no-pager'
