"""The commands that only read: `status`, `sql`, `export`, `verify`, `quarantine`. They do not import Dagster."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from pipelines.cli.app import EXIT_FAILED, FLAG, NOT_NEGATIVE, Duration, OutputConsole, app, print_error, quarantine
from pipelines.errors import WrongUse
from pipelines.storage.home import Home, expanded
from pipelines.wording import counted, duration

if TYPE_CHECKING:
    from pipelines.publish.manifest import Verified

_All = Annotated[bool, Parameter(name="--all", negative=())]
_Parameters = Annotated[
    # A value may begin with a hyphen.
    tuple[tuple[str, str], ...], Parameter(name=("--param", "-p"), negative=(), allow_leading_hyphen=True)
]


@app.command
def status(
    *,
    max_age: Duration | None = None,
    all_: _All = False,
    json: Annotated[bool, FLAG] = False,
) -> int:
    """Show freshness, rows per table, the last sweeps and refused records.

    Parameters
    ----------
    max_age
        Exit with status 1 if the last full or incremental sweep is older than this: 90s, 10m, 2h, 1d.
    all_
        Show every column of the sweeps, even in a narrow terminal.
    json
        Print the status as JSON.
    """
    from pipelines.cli.report import print_status, status_json
    from pipelines.reading.formats import Style
    from pipelines.reading.status import status as status_of

    current, now = status_of(Home.from_environment()), datetime.now(UTC)
    if json:
        sys.stdout.write(status_json(current) + "\n")
    else:
        print_status(Console(), current, now, Style(all_rows=all_))
    if max_age is not None and (fault := too_old(current.last_sweep_at, max_age, now)):
        print_error(fault)
        return EXIT_FAILED
    return 0


def too_old(last_sweep_at: datetime | None, max_age: timedelta, now: datetime) -> str | None:
    """Why the data are too old, with advice; None where they are not."""
    if last_sweep_at is None:
        return "no full or incremental sweep was ever published: run milestones ingest"
    age = now - last_sweep_at
    if age <= max_age:
        return None
    return (
        f"the data are {duration(age)} old (last sweep {last_sweep_at:%Y-%m-%d %H:%M:%SZ}), older than --max-age "
        "allows: run milestones ingest, or find the cause with milestones doctor"
    )


@app.command
def sql(
    query: str | None = None,
    /,
    *,
    format: Literal["table", "csv", "json", "markdown"] = "table",  # noqa: A002 - the name of the option
    all_: _All = False,
    raw: Annotated[bool, FLAG] = False,
    json_as_text: Annotated[bool, FLAG] = False,
    json_columns: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    file: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    parameters: _Parameters = (),
    no_pager: Annotated[bool, FLAG] = False,
) -> int:
    """Run SQL on the published file, read-only. Without a query, start a prompt or run the SQL from standard input.

    Parameters
    ----------
    query
        One or more statements, separated by semicolons. The first one that fails ends the command with exit status 1.
    format
        Output format. At a terminal, tables are fitted to the window. Several results are separated by an empty line;
        as JSON, each is an array on one line.
    all_
        Print all rows and columns of a table, also at a terminal, where it opens in a pager.
    raw
        Do not escape CSV. By default, text that a spreadsheet would run as a formula gets a leading apostrophe.
    json_as_text
        Write JSON columns (details, extra, record, filters, type JSON) as text in JSON. By default they are nested.
    json_columns
        A text column of the result that holds JSON and is nested in JSON too, such as player_id_mapping; repeatable.
    file
        Run the SQL in this file; - is standard input.
    parameters
        The value of a parameter $NAME of the query, as -p NAME VALUE; repeatable. It is bound as text, which takes the
        type that it is compared with; cast it where a function needs a number ($hours::double).
    no_pager
        Do not open a pager. By default, output at a terminal that is not a fitted table goes through $PAGER, or less.
    """
    from pipelines.cli.prompt import read_script, run_prompt, run_script
    from pipelines.reading.formats import Style
    from pipelines.reading.parameters import as_values
    from pipelines.reading.query_errors import NOT_A_QUERY, QueryFailed

    style = Style(
        format, all_rows=all_, raw=raw, json_as_text=json_as_text, json_columns=json_columns, no_pager=no_pager
    )
    values = as_values(parameters)
    home = Home.from_environment()
    if query is not None and file is not None:
        raise WrongUse("a query and --file exclude each other: leave one of them out")
    if query is None and file is None and sys.stdin.isatty():
        if values:
            raise WrongUse("-p needs a query: give it as an argument, with --file or on standard input")
        if json_columns:
            raise WrongUse("--json-columns needs a query: give it as an argument, with --file or on standard input")
        run_prompt(home, style)
    elif query is None:
        run_script(OutputConsole(), home, read_script(file or "-"), style, values)
    elif query.strip():
        run_script(OutputConsole(), home, query, style, values)
    else:
        raise QueryFailed(NOT_A_QUERY)
    return 0


@app.command
def export(
    *,
    format: Literal["csv", "jsonl", "parquet", "xlsx", "ics"] | None = None,  # noqa: A002
    query: str | None = None,
    table: str | None = None,
    output: Path | None = None,
    raw: Annotated[bool, FLAG] = False,
    json_as_text: Annotated[bool, FLAG] = False,
    bom: Annotated[bool, FLAG] = False,
) -> int:
    """Write a table or a query result as CSV, JSON lines, Parquet, Excel or a calendar. The default: table milestones.

    Parameters
    ----------
    format
        Output format. The default is taken from the suffix of the file; CSV without one. ics is a calendar of the
        milestones whose milestone_id the query returns; without a query and a table, the one that milestones serve has.
    query
        The query to run on the published file.
    table
        The table or view to write.
    output
        The file, written atomically. The default is standard output.
    raw
        Do not escape CSV. By default, text that a spreadsheet would run as a formula gets a leading apostrophe.
    json_as_text
        Write JSON columns (details, extra, record, filters, type JSON) as text. By default they are nested.
    bom
        Begin CSV with a byte order mark, so that Excel reads it as UTF-8.
    """
    from pipelines.reading import export as exporting
    from pipelines.reading.formats import Style
    from pipelines.reading.published import open_published

    output = expanded(output) if output else None
    style = Style(format or exporting.export_format(output), raw=raw, json_as_text=json_as_text, bom=bom)
    statement = exporting.export_query(query, table)
    if output is None and style.format in exporting.FILES_ONLY:
        raise WrongUse(f"{exporting.FILES_ONLY[style.format]} needs a file: name it with --output")
    home = Home.from_environment()
    if output is not None:
        exporting.check_output(home, output)
    if style.format == "ics":
        return _export_calendar(home, statement if query or table else None, output)
    with open_published(home) as connection:
        if output is None:
            exporting.export_text(connection, statement, style, sys.stdout)
            return 0
        rows = exporting.export_file(connection, statement, style, output)
    Console(stderr=True).print(f"{counted(rows, 'row')} in {output}", highlight=False, markup=False, soft_wrap=True)
    return 0


def _export_calendar(home: Home, statement: str | None, output: Path | None) -> int:
    from pipelines.reading.export import write_output
    from pipelines.reading.published import open_published
    from pipelines.serving.export import export_calendar

    with open_published(home) as connection:
        calendar = export_calendar(connection, statement)
    if output is None:
        # The line ends of a calendar are CRLF, which a text stream could change.
        sys.stdout.buffer.write(calendar)
        return 0
    write_output(output, lambda path: path.write_bytes(calendar))
    events = counted(calendar.count(b"BEGIN:VEVENT\r\n"), "event")
    Console(stderr=True).print(f"{events} in {output}", highlight=False, markup=False, soft_wrap=True)
    return 0


@app.command
def verify() -> int:
    """Check every published file against its manifest, in the lake (MILESTONES_LAKE) too.

    Exit with 1 and name each file that differs.
    """
    from pipelines.publish.lake import verify_lake
    from pipelines.publish.manifest import verify as verify_published
    from pipelines.settings import Settings

    lake = Settings.from_environment().data_lake()
    status = _print_verified(verify_published(Home.from_environment()))
    return status if lake is None else max(status, _print_verified(verify_lake(lake), where=f" in {lake}"))


def _print_verified(verified: Verified, where: str = "") -> int:
    for difference in verified.differences:
        print_error(difference)
    if verified.differences:
        return EXIT_FAILED
    Console().print(
        f"snapshot {verified.snapshot}{where}: {counted(verified.files, 'file')}, {counted(verified.bytes, 'byte')}, "
        "all as published",
        highlight=False,
        soft_wrap=True,
    )
    return 0


@quarantine.default
def quarantine_list(
    *,
    format: Literal["table", "csv", "json", "markdown"] = "table",  # noqa: A002 - the name of the option
    limit: Annotated[int, NOT_NEGATIVE] = 20,
    all_: _All = False,
) -> int:
    """List refused records with their reasons, newest first, including those of failed sweeps.

    Parameters
    ----------
    format
        Output format.
    limit
        Maximum number of records.
    all_
        Print all columns of a table in full, also at a terminal.
    """
    from pipelines.cli.report import print_result
    from pipelines.reading.formats import Style
    from pipelines.reading.published import refused_records

    style = Style(format, all_rows=all_)
    print_result(Console(), refused_records(Home.from_environment(), limit=limit), style)
    return 0
