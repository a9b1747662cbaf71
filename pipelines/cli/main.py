"""The entry point of the `milestones` command: maps errors to one line and an exit status.

Exit status: 0 success; 1 failure; 2 wrong use; 75 another run holds the warehouse; 130 interrupted.
Slow imports (Dagster, Arrow) are inside the commands that need them, so that the others start fast. Commands that only
read are in `ask`, `ingest` is in `write`, those for damage and backups in `recover`.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from cyclopts import CycloptsError, Parameter
from rich.console import Console

from pipelines.cli import ask as cli_ask  # noqa: F401 - registers its commands with the app
from pipelines.cli import cluster as cli_cluster  # noqa: F401
from pipelines.cli import completion as cli_completion  # noqa: F401
from pipelines.cli import doctor as cli_doctor  # noqa: F401
from pipelines.cli import mcp as cli_mcp  # noqa: F401
from pipelines.cli import publish as cli_publish  # noqa: F401
from pipelines.cli import rebuild as cli_rebuild  # noqa: F401
from pipelines.cli import recover as cli_recover  # noqa: F401
from pipelines.cli import serve as cli_serve  # noqa: F401
from pipelines.cli.app import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_WRONG_USE,
    FLAG,
    NOT_NEGATIVE,
    POSITIVE,
    Port,
    app,
    print_error,
    quarantine,
)
from pipelines.cli.write import run_sweep
from pipelines.errors import DiskFull, MilestonesError, WrongUse, is_disk_full
from pipelines.storage.home import HOME_VARIABLE, Home, expanded

__all__ = ("app", "main", "run")

SANDBOX_PORT = 8799
UI_PORT = 3000
DASHBOARD_PORT = 8501

_PARAMETER = ("-p", "--param")
_OPTION = re.compile(r"--[a-z][a-z-]*(=.*)?", re.DOTALL)


@quarantine.command(name="retry")
def quarantine_retry(*, json: Annotated[bool, FLAG] = False) -> int:
    """Process every refused record with the current code; accepted records leave the quarantine.

    Parameters
    ----------
    json
        Print the outcome as JSON.
    """
    from pipelines.storage.leftovers import writer_session
    from pipelines.warehouse.database import Warehouse
    from pipelines.warehouse.ledger import quarantined

    home = Home.from_environment()
    home.preflight()
    warehouse = Warehouse(home)
    warehouse.check_not_lost()
    with writer_session(home, purpose="milestones quarantine retry"), warehouse.reading() as connection:
        is_empty = not quarantined(connection)
    if is_empty:
        Console().print("the quarantine is empty: there is nothing to retry")
        return 0
    return run_sweep(home, {"mode": "retry"}, as_json=json)


@app.command
def sandbox(
    *,
    port: int = SANDBOX_PORT,
    rows: Annotated[int | None, NOT_NEGATIVE] = None,
    seed: int = 1,
    records: Path | None = None,
    requests_per_second: Annotated[float | None, POSITIVE] = None,
    changes: Annotated[int, NOT_NEGATIVE] = 0,
    habit: Annotated[tuple[str, ...], Parameter(negative=())] = (),
) -> int:
    """Serve a local sandbox of the Kalshi API on loopback until interrupted.

    Parameters
    ----------
    port
        The port on 127.0.0.1.
    rows
        Number of milestones to generate (10,000 unless --records is given).
    seed
        The same seed generates the same milestones.
    records
        Serve the milestones in the JSON files of this folder instead.
    requests_per_second
        Respond with 429 to more requests than this.
    changes
        Before each full crawl but the first, make this many changes of each of ten kinds.
    habit
        A deviation from what is known of the API, such as order-by-id; repeatable. A wrong name lists them.
    """
    import sandbox as local_api

    try:
        served = local_api.build(
            rows=rows,
            seed=seed,
            records=expanded(records) if records else None,
            requests_per_second=requests_per_second,
            changes=changes,
            habits=habit,
            tell=lambda evolution: Console().print(f"changed: {evolution.counts()}", highlight=False, soft_wrap=True),
        )
        for note in served.state.notes:
            print_error(str(note))
        local_api.serve(served, port, announce=lambda running: _print_address(running.base_url))
    except (local_api.NoRecordsError, local_api.UnknownHabitError, local_api.PortUnavailableError, OSError) as error:
        raise WrongUse(str(error)) from error
    return 0


def _print_address(base_url: str) -> None:
    console = Console()
    console.print(f"the sandbox serves {base_url}", highlight=False, soft_wrap=True)
    console.print(f"in another shell: KALSHI_BASE_URL={base_url} milestones ingest", highlight=False, soft_wrap=True)


@app.command
def ui(*, port: Port = UI_PORT) -> int:
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
        f"Dagster's UI will be at {address} in a few seconds; Ctrl-C stops it", highlight=False, soft_wrap=True
    )
    from pipelines.cli.ui import serve_ui

    # Ctrl-C is the normal way to stop it.
    with suppress(KeyboardInterrupt):
        serve_ui(home, port)
    return 0


@app.command
def dashboard(*, port: Port = DASHBOARD_PORT) -> int:
    """Start the dashboard over the published file, on loopback.

    Parameters
    ----------
    port
        The port on 127.0.0.1.
    """
    from pipelines.cli.dashboard import run_dashboard

    run_dashboard(Home.from_environment(), port)
    return 0


@app.command
def demo() -> int:
    """Run the whole job against the sandbox, into data/demo: a week of history and a first result."""
    from pipelines.cli.demo import run_demo

    return run_demo(run)


def _drop_output() -> None:
    """Discard further output, also at exit: the reader of the pipe, such as `head`, has closed it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """The entry point of the console script."""
    status = run(sys.argv[1:])
    for stream in filter(None, (sys.stdout, sys.stderr)):
        # The reader may have closed the pipe.
        with suppress(OSError):
            stream.flush()
    # Everything is closed. A normal exit would take a fifth of a second to tear down modules, mainly Dagster's.
    os._exit(status)


def run(arguments: list[str]) -> int:
    """Run one command; its exit status. An error that a user can act on is one line, without a traceback."""
    from pipelines.kalshi.errors import KalshiError

    try:
        outcome = app(_with_queries(arguments), exit_on_error=False, print_error=False, result_action="return_value")
        # Flush here: at exit, a closed pipe would show a traceback.
        sys.stdout.flush()
    except CycloptsError as error:
        print_error(f"{error} Try: milestones --help".replace("\n", " "))
        return EXIT_WRONG_USE
    except MilestonesError as error:
        print_error(str(error))
        return error.exit_status
    except KalshiError as error:
        print_error(str(error))
        return EXIT_FAILED
    except BrokenPipeError:
        _drop_output()
        return 0
    except KeyboardInterrupt:
        print_error("interrupted; the published files are unchanged")
        return EXIT_INTERRUPTED
    except Exception as error:
        if is_disk_full(error):
            print_error(str(DiskFull(Home.from_environment().root)))
            return EXIT_FAILED
        if _is_duckdb_error(error):
            first = str(error).strip().partition("\n")[0]
            print_error(f"DuckDB failed ({first}): check the disk of {Home.from_environment().root}, then run again")
            return EXIT_FAILED
        if not isinstance(error, OSError):
            raise
        where = f" {error.filename}" if error.filename else ""
        print_error(
            f"cannot read or write{where} ({error.strerror or error}): "
            f"set {HOME_VARIABLE} to a writable folder on a disk with free space"
        )
        return EXIT_FAILED
    return outcome if isinstance(outcome, int) else 0


def _with_queries(arguments: list[str]) -> list[str]:
    """The arguments, with a space before SQL that starts with a comment, as the parser takes `--` for an option."""
    if arguments[:1] not in (["sql"], ["export"]):
        return arguments
    return [
        f" {argument}"
        if argument.startswith("--")
        and argument != "--"
        and not _OPTION.fullmatch(argument)
        # The value of -p NAME VALUE is bound as it is.
        and arguments[max(index - 2, 0)] not in _PARAMETER
        else argument
        for index, argument in enumerate(arguments)
    ]


def _is_duckdb_error(error: BaseException) -> bool:
    """Whether DuckDB raised the error. Does not import DuckDB: if it is not loaded, it raised nothing."""
    duckdb = sys.modules.get("duckdb")
    return duckdb is not None and isinstance(error, duckdb.Error)


if __name__ == "__main__":
    main()
