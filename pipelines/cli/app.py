"""Shared by all commands: the app that they register with, exit statuses, option types, errors on stderr."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.console import Console

EXIT_FAILED, EXIT_WRONG_USE, EXIT_INTERRUPTED = 1, 2, 130


def _version() -> str:
    from importlib.metadata import version

    return version("kalshi-milestones")


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
Port = Annotated[int, Parameter(validator=Number(gte=1, lte=65_535))]


def print_error(message: str) -> None:
    """Print an error or a warning on stderr."""
    from pipelines.escaping import one_line

    console = Console(stderr=True)
    for number, part in enumerate(message.splitlines()):
        # Messages quote data: a line break in the data must not start a line that looks like a message.
        start = "  " if number else "milestones: "
        console.print(f"{start}{one_line(part)}", highlight=False, markup=False, soft_wrap=True)
