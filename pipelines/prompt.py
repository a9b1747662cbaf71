"""The prompt of `milestones sql`: a query ends with a semicolon, answers as the command prints them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

from pipelines.escaping import one_line
from pipelines.home import Home
from pipelines.published import QueryFailed, ask_home
from pipelines.report import print_answer

PROMPT, CONTINUED = "milestones> ", "       ...> "
HISTORY_LINES = 1_000


def run_prompt(home: Home, *, style: str) -> int:
    """Read and answer queries until the input ends. The file is opened anew for every query, so answers are fresh."""
    console = Console()
    if not sys.stdin.isatty():
        for query in _queries():
            _answer(console, home, query, style)
        return 0
    console.print("end a query with a semicolon, leave with Ctrl-D; tables: show tables;", style="dim")
    with _history(home.sql_history):
        for query in _queries():
            # Ctrl-C ends a query that takes too long, not the prompt.
            with suppress(KeyboardInterrupt):
                _answer(console, home, query, style)
    console.print()
    return 0


def _answer(console: Console, home: Home, query: str, style: str) -> None:
    try:
        print_answer(console, ask_home(home, query), style)
    except QueryFailed as error:
        Console(stderr=True).print(one_line(str(error)), markup=False, highlight=False, soft_wrap=True)


def _queries() -> Iterator[str]:
    is_typed = sys.stdin.isatty()
    lines: list[str] = []
    while True:
        try:
            lines.append(input((CONTINUED if lines else PROMPT) if is_typed else ""))
        except EOFError:
            break
        except KeyboardInterrupt:
            if not is_typed:
                raise
            # As every shell does: what was begun is dropped.
            sys.stdout.write("\n")
            lines = []
            continue
        if not any(line.strip() for line in lines):
            lines = []
        elif lines[-1].rstrip().endswith(";"):
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)


@contextmanager
def _history(file: Path) -> Iterator[None]:
    """Line editing, and the lines of earlier prompts; neither where Python was built without it."""
    try:
        import readline
    except ImportError:
        yield
        return
    # A home that cannot be written has no history, and is read all the same.
    with suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(HISTORY_LINES)
    try:
        yield
    finally:
        with suppress(OSError):
            readline.write_history_file(file)
