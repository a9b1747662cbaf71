"""The prompt of `milestones sql`: a query ends with a semicolon, answers as the command prints them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from rich.console import Console

from pipelines.home import Home
from pipelines.published import QueryFailed, ask_home
from pipelines.report import print_answer, shown

PROMPT, CONTINUED = "milestones> ", "       ...> "


def run_prompt(home: Home, *, style: str) -> int:
    """Read and answer queries until the input ends. The file is opened anew for every query, so answers are fresh."""
    # Line editing and history, where Python was built with it.
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401
    console = Console()
    if sys.stdin.isatty():
        console.print("end a query with a semicolon, leave with Ctrl-D; tables: show tables;", style="dim")
    for query in _queries():
        try:
            print_answer(console, ask_home(home, query), style)
        except QueryFailed as error:
            Console(stderr=True).print(shown(str(error)), markup=False, highlight=False, soft_wrap=True)
    return 0


def _queries() -> Iterator[str]:
    lines: list[str] = []
    while True:
        try:
            lines.append(input((CONTINUED if lines else PROMPT) if sys.stdin.isatty() else ""))
        except EOFError:
            break
        if lines[-1].rstrip().endswith(";"):
            yield "\n".join(lines)
            lines = []
    if "".join(lines).strip():
        yield "\n".join(lines)
