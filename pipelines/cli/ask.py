"""The verbs that only ask: `status`, `sql`, `export`, `verify`, `quarantine`. They load neither Arrow nor Dagster."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from pipelines.cli.app import EXIT_FAILED, FLAG, NOT_NEGATIVE, app, complain, quarantine
from pipelines.errors import WrongUse
from pipelines.storage.home import Home, expanded
from pipelines.wording import counted

_All = Annotated[bool, Parameter(name="--all", negative=())]


@app.command
def status(*, all_: _All = False, json: Annotated[bool, FLAG] = False) -> int:
    """Show freshness, rows per table, the last sweeps and what was refused.

    Parameters
    ----------
    all_
        Show every column of the sweeps, however narrow the terminal is.
    json
        Print it as JSON.
    """
    from datetime import UTC, datetime

    from pipelines.cli.report import print_status, status_json
    from pipelines.reading.formats import Style
    from pipelines.reading.status import status as status_of

    found = status_of(Home.from_environment())
    if json:
        sys.stdout.write(status_json(found) + "\n")
    else:
        print_status(Console(), found, datetime.now(UTC), Style(all_rows=all_))
    return 0


@app.command
def sql(
    query: str | None = None,
    /,
    *,
    format: Literal["table", "csv", "json", "markdown"] = "table",  # noqa: A002 - the name of the option
    all_: _All = False,
    raw: Annotated[bool, FLAG] = False,
    json_as_text: Annotated[bool, FLAG] = False,
) -> int:
    """Run SQL on the published file, read-only; without a query a prompt, or what standard input holds.

    Parameters
    ----------
    query
        A statement, or several with semicolons between them. The first that fails ends it with exit status 1.
    format
        How to print the answers. At a terminal a table is fitted to the window.
    all_
        Print all rows and columns of a table, at a terminal too.
    raw
        Leave CSV as the data are. Without it, text that a spreadsheet would run as a formula begins with an apostrophe.
    json_as_text
        Leave JSON columns (details, extra, record, filters, type JSON) text in JSON. Without it they are nested.
    """
    from pipelines.cli.prompt import run_prompt, run_script
    from pipelines.reading.formats import Style
    from pipelines.reading.query_errors import NOT_A_QUERY, QueryFailed

    style = Style(format, all_rows=all_, raw=raw, json_as_text=json_as_text)
    home = Home.from_environment()
    if query is None:
        run_prompt(home, style)
    elif query.strip():
        run_script(Console(), home, query, style)
    else:
        raise QueryFailed(NOT_A_QUERY)
    return 0


@app.command
def export(
    *,
    format: Literal["csv", "jsonl", "parquet"] | None = None,  # noqa: A002
    query: str | None = None,
    table: str | None = None,
    output: Path | None = None,
    raw: Annotated[bool, FLAG] = False,
    json_as_text: Annotated[bool, FLAG] = False,
) -> int:
    """Write a table, or the answer of a query, as CSV, JSON lines or Parquet; the milestones unless told otherwise.

    Parameters
    ----------
    format
        What to write; else what the name of the file says, else CSV.
    query
        What to ask of the published file.
    table
        A table or view to write whole.
    output
        The file, there whole or not at all; standard output without it.
    raw
        Leave CSV as the data are. Without it, text that a spreadsheet would run as a formula begins with an apostrophe.
    json_as_text
        Leave JSON columns (details, extra, record, filters, type JSON) text in JSON lines. Without it they are nested.
    """
    from pipelines.reading import export as exporting
    from pipelines.reading.formats import Style
    from pipelines.reading.published import open_published

    output = expanded(output) if output else None
    style = Style(format or exporting.export_format(output), raw=raw, json_as_text=json_as_text)
    asked = exporting.export_query(query, table)
    if output is None and style.format == "parquet":
        raise WrongUse("Parquet goes into a file: name it with --output")
    home = Home.from_environment()
    if output is not None:
        exporting.check_output(home, output)
    with open_published(home) as connection:
        if output is None:
            exporting.export_text(connection, asked, style, sys.stdout)
            return 0
        rows = exporting.export_file(connection, asked, style, output)
    Console(stderr=True).print(f"{counted(rows, 'row')} in {output}", highlight=False, markup=False, soft_wrap=True)
    return 0


@app.command
def verify() -> int:
    """Check every published file against its manifest; exit status 1 and the file's name when one differs."""
    from pipelines.publish.manifest import verify as verify_published

    found = verify_published(Home.from_environment())
    for difference in found.differences:
        complain(difference)
    if found.differences:
        return EXIT_FAILED
    Console().print(
        f"snapshot {found.snapshot}: {counted(found.files, 'file')}, {counted(found.bytes, 'byte')}, all as published",
        highlight=False,
    )
    return 0


@quarantine.default
def quarantine_list(
    *,
    format: Literal["table", "csv", "json", "markdown"] = "table",  # noqa: A002 - the name of the option
    limit: Annotated[int, NOT_NEGATIVE] = 20,
    all_: _All = False,
) -> int:
    """List refused records with their reasons, newest first; of failed sweeps too, which are not published.

    Parameters
    ----------
    format
        How to print them.
    limit
        How many at most.
    all_
        Print every column of a table whole, at a terminal too.
    """
    from pipelines.cli.report import print_result
    from pipelines.reading.formats import Style
    from pipelines.reading.published import refused_records

    style = Style(format, all_rows=all_)
    print_result(Console(), refused_records(Home.from_environment(), limit=limit), style)
    return 0
