"""What the verbs of the command share: the app they register with, kinds of options, one line on standard error."""

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
    # Markdown, the default, takes a tenth of a second to load and says nothing more.
    help_format="plaintext",
)
quarantine = App(name="quarantine", help="List refused records, or put them through again.")
app.command(quarantine)

FLAG = Parameter(negative=())
NOT_NEGATIVE = Parameter(validator=Number(gte=0))
POSITIVE = Parameter(validator=Number(gt=0))
Port = Annotated[int, Parameter(validator=Number(gte=1, lte=65_535))]


def complain(line: str) -> None:
    """Say what is wrong, on standard error."""
    from pipelines.escaping import one_line

    console = Console(stderr=True)
    for number, part in enumerate(line.splitlines()):
        # A line that data began does not pass for one of ours.
        start = "  " if number else "milestones: "
        console.print(f"{start}{one_line(part)}", highlight=False, markup=False, soft_wrap=True)
