"""Sends long output at a terminal through a pager, as git does. Pipes and files never get one."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console

from pipelines.cli.app import OutputConsole
from pipelines.errors import WrongUse
from pipelines.reading.formats import Style

DEFAULT_PAGER = "less"
LESS_OPTIONS = "FRSX"
"""Quit if it fits one screen, keep colours, scroll sideways instead of wrapping, leave the text on the screen."""


class _PagerInput(io.TextIOWrapper):
    """The input of a pager. It counts as a terminal, so that text from the API is escaped for one."""

    def isatty(self) -> bool:
        return True


@contextmanager
def paged(console: Console, style: Style) -> Iterator[Console]:
    """The console to print to: through the pager if `console` writes to a terminal and no table is fitted to it.

    Text is streamed. rich's and pydoc's pagers would collect all of it first, and wrap wide tables.
    """
    is_fitted = style.format == "table" and not style.all_rows
    program = [] if is_fitted or style.no_pager or not console.file.isatty() else pager_command()
    if not program:
        yield console
        return
    variables = {"LESS": LESS_OPTIONS, **os.environ}
    with subprocess.Popen(program, stdin=subprocess.PIPE, env=variables) as process:  # noqa: S603 - the user's $PAGER
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        file = _PagerInput(process.stdin, encoding="utf-8")
        try:
            # Left early, the pager closes the pipe.
            with suppress(BrokenPipeError):
                yield OutputConsole(file=file, force_terminal=False, width=console.width)
        finally:
            with suppress(BrokenPipeError):
                file.close()
            _wait(process)


def pager_command() -> list[str]:
    """The words of $PAGER, or less; empty for no pager: not installed, set to nothing or cat, or a dumb terminal.

    Raises WrongUse for a variable that has no words, such as one with an open quotation mark.
    """
    setting = os.environ.get("PAGER", DEFAULT_PAGER)
    try:
        program = shlex.split(setting)
    except ValueError as error:
        raise WrongUse(f"PAGER is {setting!r} ({error}): give a command, or use --no-pager") from error
    # On a dumb terminal, less would warn and wait for a key.
    if not program or program == ["cat"] or os.environ.get("TERM", "dumb") == "dumb":
        return []
    return program if shutil.which(program[0]) else []


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Wait until the pager ends. Ctrl-C is for the pager: without this, it would share the terminal with the shell."""
    while process.poll() is None:
        with suppress(KeyboardInterrupt):
            process.wait()
