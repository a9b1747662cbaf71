"""`milestones ingest`, and what else runs a sweep through Dagster."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from pipelines.cli.app import EXIT_FAILED, EXIT_INTERRUPTED, FLAG, app, complain
from pipelines.errors import WrongUse
from pipelines.storage.home import Home


@app.command
def ingest(
    *,
    full: Annotated[bool, FLAG] = False,
    ids: Annotated[list[str] | None, Parameter(name="--id", negative=())] = None,
    category: str | None = None,
    type: str | None = None,  # noqa: A002 - the name of the option
    since: str | None = None,
    allow_shrink: Annotated[bool, FLAG] = False,
    start_anew: Annotated[bool, FLAG] = False,
    json: Annotated[bool, FLAG] = False,
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
    for option, value in (("--id", ids), ("--category", [category]), ("--type", [type])):
        if any(one is not None and not one.strip() for one in value or ()):
            raise WrongUse(f"{option} is empty: give a value, or leave it out")
    if ids and (full or category or type or since):
        raise WrongUse("--id stands alone: leave --full, --category, --type and --since out")
    if full and (category or type or since):
        raise WrongUse("--full reads everything: leave --category, --type and --since out")
    config: dict[str, object] = {
        "mode": "full" if full else "auto",
        "ids": ids or [],
        "category": category,
        "type": type,
        "since": since,
        "allow_shrink": allow_shrink,
        "start_anew": start_anew,
    }
    home = Home.from_environment()
    status = run_sweep(home, config, as_json=json)
    return status or _status_of_filters(home, category, type)


def _status_of_filters(home: Home, category: str | None, type_: str | None) -> int:
    """Say why a limited sweep brought nothing; a failure where its filters are not known to be spelled right."""
    from pipelines.cli.unknown_filters import unknown_filters
    from pipelines.reading.published import query_home

    if category is None and type_ is None:
        return 0
    newest = "SELECT records FROM sweeps WHERE status = 'loaded' ORDER BY sweep_id DESC LIMIT 1"
    if query_home(home, newest).rows[0][0]:
        return 0
    unknown = unknown_filters(home, category=category, type=type_)
    for line in unknown or ["the API has no milestone that passes these filters; each of them is known by itself"]:
        complain(f"0 milestones were read: {line}")
    return EXIT_FAILED if unknown else 0


def run_sweep(home: Home, config: dict[str, object], *, as_json: bool) -> int:
    """Run a sweep and print its outcome; its exit status. Raises MilestonesError, KalshiError."""
    import gc
    import logging
    import signal

    from pipelines.cli.progress import LogProgress, progress_on
    from pipelines.kalshi.base_url import check_base_url
    from pipelines.observability.logs import configure, log_format
    from pipelines.reading.published import pages_of_last_full_sweep
    from pipelines.settings import Settings

    # Validate settings before importing Dagster, which takes seconds.
    check_base_url(Settings.from_environment().api_base_url)
    home.preflight()
    expected_pages = pages_of_last_full_sweep(home)

    # Two thousand modules, nothing of which will ever be garbage: looking for some takes a fifth of the time.
    gc.disable()
    from pipelines.cli.run_job import run_ingest

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
        complain(_interrupted(home))
        return EXIT_INTERRUPTED
    if ran.warning:
        complain(ran.warning)
    _print_outcome(home, as_json=as_json)
    return 0


def _interrupted(home: Home) -> str:
    from pipelines.storage.landing import Landing

    newest = Landing.newest(home.raw)
    if newest is None or not (newest.sweep.is_interrupted or newest.sweep.is_fetched_not_loaded):
        return "interrupted; what was published stays as it was"
    where = f"page {newest.landed_pages} of sweep {newest.sweep.sweep_id}"
    return f"interrupted after {where}: the next milestones ingest goes on from there"


def _print_outcome(home: Home, *, as_json: bool) -> None:
    from pipelines.cli.report import print_sweep
    from pipelines.reading.formats import as_json as to_json
    from pipelines.reading.published import query_home, table_rows
    from pipelines.storage.landing import Landing

    newest = query_home(home, "SELECT * FROM sweeps WHERE status = 'loaded' ORDER BY sweep_id DESC LIMIT 1").records[0]
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
