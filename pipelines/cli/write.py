"""`milestones ingest`, and `run_sweep` for every command that runs a sweep through Dagster."""

from __future__ import annotations

import sys
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from pipelines.cli.app import EXIT_FAILED, EXIT_INTERRUPTED, FLAG, app, print_error
from pipelines.errors import WrongUse
from pipelines.storage.home import Home

MILESTONES = "milestones"


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
    only: str | None = None,
    json: Annotated[bool, FLAG] = False,
) -> int:
    """Run one sweep through Dagster, from the API to the published tables. The first one is a full sweep.

    Then request the structured targets and events that are not known yet, at most KALSHI_ENDPOINT_REQUESTS each.

    Parameters
    ----------
    full
        Fetch every milestone, not only those updated since the last sweep.
    ids
        Fetch only this milestone; may be given several times.
    category
        Fetch only this category, spelled as in the API.
    type
        Fetch only this type, for example football_game.
    since
        Fetch only milestones that start at or after this date or time (UTC unless it has an offset).
    allow_shrink
        Accept a full sweep that returns far fewer milestones than before.
    start_anew
        Create a new warehouse without history, if the old one is lost.
    only
        Refresh only this: milestones, targets, events, series or live.
    json
        Print the summary as JSON.
    """
    is_other = only not in (None, MILESTONES)
    if is_other and (full or ids or category or type or since):
        raise WrongUse(f"--only {only} excludes the options that choose milestones: leave them out")
    for option, value in (("--id", ids), ("--category", [category]), ("--type", [type])):
        if any(text is not None and not text.strip() for text in value or ()):
            raise WrongUse(f"{option} is empty: give a value, or leave it out")
    if ids and (full or category or type or since):
        raise WrongUse("--id excludes --full, --category, --type and --since: leave them out")
    if full and (category or type or since):
        raise WrongUse("--full fetches every milestone: leave --category, --type and --since out")
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
    if only is not None and is_other:
        return _refresh(home, only, as_json=json)
    status = run_sweep(home, config, as_json=json, with_others=only is None)
    return status or _status_of_filters(home, category, type)


def _status_of_filters(home: Home, category: str | None, type_: str | None) -> int:
    """Explain a filtered sweep without milestones; EXIT_FAILED if a filter value is unknown, so probably misspelled."""
    from pipelines.reading.connection import run_query
    from pipelines.reading.published import open_published
    from pipelines.reading.unknown_filters import unknown_filters

    if category is None and type_ is None:
        return 0
    newest = "SELECT records FROM sweeps WHERE status = 'loaded' ORDER BY sweep_id DESC LIMIT 1"
    with open_published(home) as connection:
        if run_query(connection, newest).rows[0][0]:
            return 0
        unknown = unknown_filters(connection, category=category, type=type_)
    for line in unknown or ["no milestone of the API matches all of these filters, although each value exists"]:
        print_error(f"0 milestones were fetched: {line}")
    return EXIT_FAILED if unknown else 0


def run_sweep(home: Home, config: dict[str, object], *, as_json: bool, with_others: bool = False) -> int:
    """Run a sweep and print its summary; the exit status. Raises MilestonesError, KalshiError.

    `with_others` also refreshes what the sweep made unknown of other endpoints.
    """
    from pipelines.cli.progress import LogProgress, progress_for
    from pipelines.observability.logs import log_format
    from pipelines.reading.published import pages_of_last_full_sweep

    _prepare(home)
    expected_pages = pages_of_last_full_sweep(home)
    _import_dagster()
    from pipelines.cli.refresh import refresh_unknown
    from pipelines.cli.run_job import run_ingest

    console = Console(stderr=True)
    others: list[dict[str, Any]] = []
    try:
        progress_display = (
            LogProgress() if log_format() == "json" else progress_for(console, expected_pages=expected_pages)
        )
        with progress_display as progress:
            completed = run_ingest(home, config, progress)
        if with_others:
            others = refresh_unknown(home)
    except KeyboardInterrupt:
        print_error(_interrupted(home))
        return EXIT_INTERRUPTED
    if completed.warning:
        print_error(completed.warning)
    _print_summary(home, others, as_json=as_json)
    return 0


def _refresh(home: Home, name: str, *, as_json: bool) -> int:
    """Refresh one endpoint beside milestones and print what it stored; the exit status. Raises WrongUse."""
    from pipelines.cli.refresh import check_name, print_refreshed, refresh_only
    from pipelines.reading.formats import as_json as to_json

    check_name(name)
    _prepare(home)
    _import_dagster()
    try:
        rows = refresh_only(home, name)
    except KeyboardInterrupt:
        print_error("interrupted; the next refresh loads the landed pages")
        return EXIT_INTERRUPTED
    if as_json:
        sys.stdout.write(to_json({"endpoints": rows}) + "\n")
    elif rows:
        print_refreshed(Console(), rows)
    else:
        Console().print(f"{name}: nothing to request", highlight=False)
    return 0


def _prepare(home: Home) -> None:
    """Check settings and the home folder, set up logs and signals: before Dagster, which takes seconds to import."""
    import logging
    import signal

    from pipelines.kalshi.base_url import check_base_url
    from pipelines.observability.logs import configure, log_format
    from pipelines.settings import Settings

    check_base_url(Settings.from_environment().api_base_url)
    home.preflight()
    # Retries are in the run's log. At a terminal they are printed too, to explain a wait.
    logs_json = log_format() == "json"
    text_level = logging.WARNING if Console(stderr=True).is_terminal else logging.CRITICAL
    configure(sys.stderr, as_json=logs_json, level=logging.INFO if logs_json else text_level)
    # Service managers send SIGTERM; Dagster shuts down cleanly on SIGINT.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def _import_dagster() -> None:
    import gc

    # The import creates two thousand modules and no garbage; collecting would take a fifth of its time.
    gc.disable()
    import pipelines.cli.run_job  # noqa: F401

    gc.freeze()
    gc.enable()


def _interrupted(home: Home) -> str:
    from pipelines.storage.landing import Landing

    newest = Landing.newest(home.raw)
    if newest is None or not (newest.sweep.is_interrupted or newest.sweep.is_fetched_not_loaded):
        return "interrupted; the published files are unchanged"
    where = f"page {newest.landed_pages} of sweep {newest.sweep.sweep_id}"
    return f"interrupted after {where}: the next milestones ingest resumes there"


def _print_summary(home: Home, others: list[dict[str, Any]], *, as_json: bool) -> None:
    from pipelines.cli.refresh import print_refreshed
    from pipelines.cli.report import print_sweep
    from pipelines.reading.formats import as_json as to_json
    from pipelines.reading.published import query_home, table_rows
    from pipelines.storage.landing import Landing

    newest = query_home(home, "SELECT * FROM sweeps WHERE status = 'loaded' ORDER BY sweep_id DESC LIMIT 1").records[0]
    rows = table_rows(home)
    sweep = Landing.open(home.raw, newest["sweep_id"]).sweep
    if as_json:
        files = {"duckdb": str(home.published_duckdb), "parquet": str(home.latest_snapshot)}
        summary = {
            "sweep": newest,
            "archived": sweep.archived,
            "not_found": sweep.not_found,
            "endpoints": others,
            "rows": rows,
            "files": files,
        }
        sys.stdout.write(to_json(summary) + "\n")
    else:
        print_sweep(Console(), newest, rows, home, sweep.not_found, archived=sweep.archived)
        print_refreshed(Console(), others)
