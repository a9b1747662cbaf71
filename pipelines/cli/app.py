"""Shared by all commands: the app that they register with, exit statuses, option types, errors on stderr."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from cyclopts import App, Parameter, Token
from cyclopts.validators import Number
from rich.console import Console

EXIT_FAILED, EXIT_WRONG_USE, EXIT_INTERRUPTED = 1, 2, 130


def _version() -> str:
    from importlib.metadata import version

    return version("kalshi-milestones")


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration(_: object, tokens: Sequence[Token]) -> timedelta:
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", tokens[0].value)
    if match is None or not int(match[1]):
        raise ValueError(f'"{tokens[0].value}" is not a duration. Give a number and a unit: 90s, 10m, 2h or 1d.')
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


app = App(
    name="milestones",
    help="Kalshi's milestones in SQL: fetched, validated, published as DuckDB and Parquet.",
    version=_version,
    # The default, Markdown, takes a tenth of a second longer to load.
    help_format="plaintext",
)
quarantine = App(name="quarantine", help="List refused records, or process them again.")
app.command(quarantine)

FLAG = Parameter(negative=())
NOT_NEGATIVE = Parameter(validator=Number(gte=0))
AT_LEAST_ONE = Parameter(validator=Number(gte=1))
POSITIVE = Parameter(validator=Number(gt=0))
Duration = Annotated[timedelta, Parameter(converter=_duration)]
Port = Annotated[int, Parameter(validator=Number(gte=1, lte=65_535))]


class OutputConsole(Console):
    """A console whose reader, such as `head` or a pager, may leave early: rich would end the command with status 1."""

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError, as writing to a file does."""
        raise BrokenPipeError


def print_error(message: str) -> None:
    """Print an error or a warning on stderr."""
    from pipelines.escaping import one_line

    console = Console(stderr=True)
    for number, part in enumerate(message.splitlines()):
        # Messages quote data: a line break in the data must not start a line that looks like a message.
        start = "  " if number else "milestones: "
        console.print(f"{start}{one_line(part)}", highlight=False, markup=False, soft_wrap=True)
