"""The `milestones` command: one verb a function, errors in one line, exit status as documented.

Exit status: 0 done; 1 the run failed; 2 wrong use; 75 another run holds the warehouse; 130 interrupted.
Heavy imports (Dagster, Arrow) stay inside the verbs that need them, so that the others answer at once.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number
from rich.console import Console

from pipelines.errors import DiskFull, MilestonesError, NothingToDo, WrongUse, is_disk_full
from pipelines.home import HOME_VARIABLE, Home

EXIT_FAILED, EXIT_WRONG_USE, EXIT_INTERRUPTED = 1, 2, 130
SANDBOX_PORT = 8799
UI_PORT = 3000
DASHBOARD_PORT = 8501

app = App(
    name="milestones",
    help="Kalshi's milestones in SQL: fetched, validated, published as DuckDB and Parquet.",
    # Markdown, the default, takes a tenth of a second to load and says nothing more.
    help_format="plaintext",
)
_Flag = Parameter(negative=())
_NotNegative = Parameter(validator=Number(gte=0))
_Positive = Parameter(validator=Number(gt=0))
_Port = Annotated[int, Parameter(validator=Number(gte=1, lte=65_535))]


@app.command
def ingest(
    *,
    full: Annotated[bool, _Flag] = False,
    ids: Annotated[list[str] | None, Parameter(name="--id", negative=())] = None,
    category: str | None = None,
    type: str | None = None,  # noqa: A002 - the name of the option
    since: str | None = None,
    allow_shrink: Annotated[bool, _Flag] = False,
    start_anew: Annotated[bool, _Flag] = False,
    json: Annotated[bool, _Flag] = False,
) -> int:
    """Run one sweep through Dagster, from the API to the published tables; a full one the first time.

    Parameters
    ----------
    full
        Read every milestone, not just what was updated since the last sweep.
    ids
        Read just this milestone; may be given several times.
    category
        Read just this category, spelled as the API spells it.
    type
        Read just this type, for example football_game.
    since
        Read just what starts at or after this date or time (UTC unless it says otherwise).
    allow_shrink
        Believe a full sweep that brings far fewer milestones than there were.
    start_anew
        Make a new warehouse, without history, where the one before was lost.
    json
        Print the outcome as JSON.
    """
    if ids and (full or category or type or since):
        raise WrongUse("--id stands alone: leave --full, --category, --type and --since out")
    if full and (category or type or since):
        raise WrongUse("--full reads everything: leave --category, --type and --since out")
    config: dict[str, object] = {
        "mode": "FULL" if full else "AUTO",
        "ids": ids or [],
        "category": category,
        "type": type,
        "since": since,
        "allow_shrink": allow_shrink,
        "start_anew": start_anew,
    }
    return _ingest(Home.from_environment(), config, as_json=json)


def _ingest(home: Home, config: dict[str, object], *, as_json: bool) -> int:
    import gc
    import logging
    import signal

    from pipelines import machine, settings
    from pipelines.kalshi.base_url import check_base_url
    from pipelines.logs import configure, log_format
    from pipelines.progress import LogProgress, progress_on
    from pipelines.published import pages_of_last_full_sweep

    # All that can be known to be wrong is said before Dagster, which takes seconds to load.
    check_base_url(settings.base_url())
    settings.requests_per_second()
    settings.deadline_seconds()
    settings.overlap_seconds()
    settings.network()
    settings.page_limit()
    machine.cores()
    home.preflight()
    expected_pages = pages_of_last_full_sweep(home)

    # Two thousand modules, nothing of which will ever be garbage: looking for some takes a fifth of the time.
    gc.disable()
    from pipelines.ingest import run_ingest

    gc.freeze()
    gc.enable()

    console = Console(stderr=True)
    # Retries are in the run's log; a person at a terminal also wants to know what is being waited for.
    logs_json = log_format() == "json"
    quietly = logging.WARNING if console.is_terminal else logging.CRITICAL
    configure(sys.stderr, as_json=logs_json, level=logging.INFO if logs_json else quietly)
    # A service manager's SIGTERM ends a run as Ctrl-C does: Dagster knows how to end on that.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        progress_shown = LogProgress() if logs_json else progress_on(console, expected_pages=expected_pages)
        with progress_shown as progress:
            ran = run_ingest(home, config, progress)
    except KeyboardInterrupt:
        _complain(_interrupted(home))
        return EXIT_INTERRUPTED
    if ran.warning:
        _complain(ran.warning)
    _print_outcome(home, as_json=as_json)
    return 0


def _interrupted(home: Home) -> str:
    from pipelines.landing import Landing

    newest = Landing.newest(home.raw)
    if newest is None or not (newest.sweep.is_interrupted or newest.sweep.is_left_unloaded):
        return "interrupted; what was published stays as it was"
    where = f"page {newest.landed_pages} of sweep {newest.sweep.sweep_id}"
    return f"interrupted after {where}: the next milestones ingest goes on from there"


def _print_outcome(home: Home, *, as_json: bool) -> None:
    from pipelines.landing import Landing
    from pipelines.published import ask_home, table_rows
    from pipelines.report import as_json as to_json
    from pipelines.report import print_sweep

    newest = ask_home(home, "SELECT * FROM sweeps WHERE status = 'loaded' ORDER BY sweep_id DESC LIMIT 1").records[0]
    rows = table_rows(home)
    sweep = Landing.open(home.raw, newest["sweep_id"]).sweep
    if as_json:
        files = {"duckdb": str(home.published_duckdb), "parquet": str(home.latest_snapshot)}
        outcome = {
            "sweep": newest,
            "archived": sweep.archived,
            "not_found": sweep.not_found,
            "rows": rows,
            "files": files,
        }
        sys.stdout.write(to_json(outcome) + "\n")
    else:
        print_sweep(Console(), newest, rows, home, sweep.not_found, archived=sweep.archived)


@app.command
def status(*, json: Annotated[bool, _Flag] = False) -> int:
    """Show freshness, rows per table, the last sweeps and what was refused.

    Parameters
    ----------
    json
        Print it as JSON.
    """
    from datetime import UTC, datetime

    from pipelines import published
    from pipelines.report import print_status, status_json

    found = published.status(Home.from_environment())
    if json:
        sys.stdout.write(status_json(found) + "\n")
    else:
        print_status(Console(), found, datetime.now(UTC))
    return 0


@app.command
def sql(query: str | None = None, /, *, format: Literal["table", "csv", "json", "markdown"] = "table") -> int:  # noqa: A002
    """Run SQL on the published file, read-only; without a query, a prompt.

    Parameters
    ----------
    query
        One query.
    format
        How to print the answer.
    """
    from pipelines.published import ask_home
    from pipelines.report import print_answer

    home = Home.from_environment()
    if query is None:
        from pipelines.prompt import run_prompt

        return run_prompt(home, style=format)
    print_answer(Console(), ask_home(home, query), format)
    return 0


@app.command
def export(
    *,
    format: Literal["csv", "jsonl", "parquet"] | None = None,  # noqa: A002
    query: str | None = None,
    table: str | None = None,
    output: Path | None = None,
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
    """
    from pipelines import export as exporting
    from pipelines.published import reading

    asked, style = exporting.query_of(query, table), format or exporting.format_of(output)
    if output is None and style == "parquet":
        raise WrongUse("Parquet goes into a file: name it with --output")
    home = Home.from_environment()
    if output is not None:
        exporting.check_output(home, output)
    with reading(home) as connection:
        if output is None:
            exporting.export_text(connection, asked, style, sys.stdout)
            return 0
        rows = exporting.export_file(connection, asked, style, output)
    Console(stderr=True).print(f"{rows:,} rows in {output}", highlight=False, markup=False, soft_wrap=True)
    return 0


@app.command
def verify() -> int:
    """Check every published file against its manifest; exit status 1 and the file's name when one differs."""
    from pipelines.publish.manifest import verify as verify_published

    found = verify_published(Home.from_environment())
    for difference in found.differences:
        _complain(difference)
    if found.differences:
        return EXIT_FAILED
    Console().print(
        f"snapshot {found.snapshot}: {found.files} files, {found.bytes:,} bytes, all as published", highlight=False
    )
    return 0


@app.command
def rebuild() -> int:
    """Derive every table again from the version log, and publish."""
    from pipelines.leftovers import writing
    from pipelines.resources import utc_now
    from pipelines.stations import Stations
    from pipelines.warehouse.database import check_not_lost

    home = Home.from_environment()
    check_not_lost(home)
    if not home.warehouse_file.exists():
        raise NothingToDo(f"there is no warehouse at {home.warehouse_file}: run milestones ingest first")
    home.preflight()
    stations = Stations(home, now=utc_now)
    with writing(home, purpose="milestones rebuild"):
        rows = stations.rebuild()
        snapshot = stations.publish()
    for name, count in rows.items():
        Console().print(f"{count:>9,}  {name}", highlight=False, markup=False)
    Console().print(f"published as {snapshot.folder}", highlight=False, soft_wrap=True)
    return 0


@app.command
def restore() -> int:
    """Make a lost or damaged warehouse again from what is published, history included, and publish."""
    from pipelines.leftovers import writing
    from pipelines.publish.restore import restore as restore_warehouse
    from pipelines.resources import utc_now
    from pipelines.stations import Stations

    home = Home.from_environment()
    home.preflight()
    with writing(home, purpose="milestones restore"):
        restored = restore_warehouse(home, now=utc_now())
        snapshot = Stations(home, now=utc_now).publish()
    console = Console()
    console.print(f"{home.warehouse_file} was made again from {restored.source}", highlight=False, soft_wrap=True)
    if restored.moved_to is not None:
        console.print(f"the damaged one is kept as {restored.moved_to}", highlight=False, soft_wrap=True)
    console.print(f"published as {snapshot.folder}", highlight=False, soft_wrap=True)
    return 0


quarantine = App(name="quarantine", help="List refused records, or put them through again.")
app.command(quarantine)


@quarantine.default
def quarantine_list(
    *,
    format: Literal["table", "csv", "json", "markdown"] = "table",  # noqa: A002 - the name of the option
    limit: Annotated[int, _NotNegative] = 20,
) -> int:
    """List refused records with their reasons, newest first; of failed sweeps too, which are not published.

    Parameters
    ----------
    format
        How to print them.
    limit
        How many at most.
    """
    from pipelines.published import refused
    from pipelines.report import print_answer

    print_answer(Console(), refused(Home.from_environment(), limit=limit), format)
    return 0


@quarantine.command(name="retry")
def quarantine_retry(*, json: Annotated[bool, _Flag] = False) -> int:
    """Put every refused record through today's code; what is accepted leaves the quarantine.

    Parameters
    ----------
    json
        Print the outcome as JSON.
    """
    from pipelines.leftovers import writing
    from pipelines.warehouse.database import check_not_lost, open_warehouse
    from pipelines.warehouse.load import quarantined

    home = Home.from_environment()
    home.preflight()
    check_not_lost(home)
    with writing(home, purpose="milestones quarantine retry"), open_warehouse(home.warehouse_file) as connection:
        is_empty = not quarantined(connection)
    if is_empty:
        Console().print("the quarantine is empty: there is nothing to try again")
        return 0
    return _ingest(home, {"mode": "RETRY"}, as_json=json)


@app.command
def sandbox(
    *,
    port: int = SANDBOX_PORT,
    rows: Annotated[int | None, _NotNegative] = None,
    seed: int = 1,
    records: Path | None = None,
    requests_per_second: Annotated[float | None, _Positive] = None,
    changes: Annotated[int, _NotNegative] = 0,
) -> int:
    """Serve a local stand-in for the Kalshi API on loopback, until interrupted.

    Parameters
    ----------
    port
        The port on 127.0.0.1.
    rows
        How many milestones to make up (10,000 unless --records is given).
    seed
        The same seed makes the same milestones.
    records
        Serve the milestones found in the JSON files of this folder instead.
    requests_per_second
        Answer 429 to more than this.
    changes
        Before every crawl of everything but the first, change this many milestones in each of eight ways.
    """
    import sandbox as local_api

    try:
        served = local_api.build(
            rows=rows,
            seed=seed,
            records=records,
            requests_per_second=requests_per_second,
            changes=changes,
            tell=lambda evolution: Console().print(f"changed: {evolution.counts()}", highlight=False, soft_wrap=True),
        )
        for note in served.state.notes:
            _complain(str(note))
        local_api.serve(served, port, announce=lambda running: _say_where(running.base_url))
    except (local_api.NoRecordsError, local_api.PortUnavailableError, OSError) as error:
        raise WrongUse(str(error)) from error
    return 0


def _say_where(base_url: str) -> None:
    console = Console()
    console.print(f"the sandbox answers at {base_url}", highlight=False, soft_wrap=True)
    console.print(f"in another shell: KALSHI_BASE_URL={base_url} milestones ingest", highlight=False, soft_wrap=True)


@app.command
def ui(*, port: _Port = UI_PORT) -> int:
    """Start Dagster's web server and daemon on loopback.

    Parameters
    ----------
    port
        The port on 127.0.0.1.
    """
    home = Home.from_environment()
    home.preflight()
    console = Console(stderr=True)
    address = f"http://127.0.0.1:{port}"
    console.print(
        f"Dagster's UI will answer at {address} in some seconds; Ctrl-C ends it", highlight=False, soft_wrap=True
    )
    from pipelines.ui import serve_ui

    # To be stopped is how it ends.
    with suppress(KeyboardInterrupt):
        serve_ui(home, port)
    return 0


@app.command
def dashboard(*, port: _Port = DASHBOARD_PORT) -> int:
    """Start the dashboard over the published file, on loopback.

    Parameters
    ----------
    port
        The port on 127.0.0.1.
    """
    import os

    from pipelines.instance import PROJECT_ROOT

    folder = PROJECT_ROOT / "dashboard"
    python = folder / ".venv" / "bin" / "python"
    if not python.exists():
        raise NothingToDo(f"there is no environment for the dashboard at {folder / '.venv'}: run make dashboard")
    os.environ["MILESTONES_HOME"] = str(Home.from_environment().root)
    # Streamlit reads its settings from the folder that it is started in; what keeps it private is said again here.
    os.chdir(folder)
    program = [str(python), "-m", "streamlit", "run", "app.py", "--server.address", "127.0.0.1"]
    program += ["--server.port", str(port), "--server.headless", "true", "--browser.gatherUsageStats", "false"]
    os.execv(python, program)  # noqa: S606 - the dashboard's own interpreter, no shell


@app.command
def demo() -> int:
    """Run the whole job against the sandbox, into data/demo: a week of history, and a first answer."""
    from pipelines.demo import run_demo

    return run_demo(run)


def _complain(line: str) -> None:
    from pipelines.escaping import one_line

    console = Console(stderr=True)
    for number, part in enumerate(line.splitlines()):
        # A line that data began does not pass for one of ours.
        start = "  " if number else "milestones: "
        console.print(f"{start}{one_line(part)}", highlight=False, markup=False, soft_wrap=True)


def _drop_output() -> None:
    """The reader has seen enough, as `head` does: what is still to be written goes nowhere, at exit too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """The console script."""
    status = run(sys.argv[1:])
    for stream in filter(None, (sys.stdout, sys.stderr)):
        # There may be nobody to read any more.
        with suppress(OSError):
            stream.flush()
    # All is done and closed; taking down what is loaded, Dagster above all, would take a fifth of a second.
    os._exit(status)


def run(arguments: list[str]) -> int:
    """Run one command; its exit status. No fault that a user can act on shows a traceback."""
    from pipelines.kalshi.errors import KalshiError

    try:
        outcome = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        # Here rather than at exit, where a reader that has gone could only be met with a traceback.
        sys.stdout.flush()
    except CycloptsError as error:
        _complain(f"{error} Try: milestones --help".replace("\n", " "))
        return EXIT_WRONG_USE
    except MilestonesError as error:
        _complain(str(error))
        return error.exit_status
    except KalshiError as error:
        _complain(str(error))
        return EXIT_FAILED
    except BrokenPipeError:
        _drop_output()
        return 0
    except KeyboardInterrupt:
        _complain("interrupted; what was published stays as it was")
        return EXIT_INTERRUPTED
    except Exception as error:
        if is_disk_full(error):
            _complain(str(DiskFull(Home.from_environment().root)))
            return EXIT_FAILED
        if _is_of_duckdb(error):
            first = str(error).strip().partition("\n")[0]
            _complain(f"DuckDB failed ({first}): check the disk of {Home.from_environment().root}, then run again")
            return EXIT_FAILED
        if not isinstance(error, OSError):
            raise
        where = f" {error.filename}" if error.filename else ""
        _complain(
            f"cannot read or write{where} ({error.strerror or error}): "
            f"{HOME_VARIABLE} must be a folder that you may use, with room on its disk"
        )
        return EXIT_FAILED
    return outcome if isinstance(outcome, int) else 0


def _is_of_duckdb(error: BaseException) -> bool:
    """Whether DuckDB raised it, without loading DuckDB: where it is not loaded, it did not."""
    duckdb = sys.modules.get("duckdb")
    return duckdb is not None and isinstance(error, duckdb.Error)


if __name__ == "__main__":
    main()
