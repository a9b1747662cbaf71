"""`milestones ingest`, and `run_sweep` for every command that runs a sweep through Dagster."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from pipelines.cli.app import AT_LEAST_ONE, EXIT_FAILED, EXIT_INTERRUPTED, FLAG, app, print_error
from pipelines.errors import WrongUse
from pipelines.storage.home import Home

if TYPE_CHECKING:
    from pipelines.sweep.options import SweepOptions

MILESTONES = "milestones"


_SPELLED = {"ids": "--id", "mode": "--full"}
"""Options with another name than their field."""


@app.command
def ingest(
    *,
    full: Annotated[bool, FLAG] = False,
    ids: Annotated[list[str] | None, Parameter(name="--id", negative=())] = None,
    category: str | None = None,
    type: str | None = None,  # noqa: A002 - the name of the option
    event: str | None = None,
    source_id: str | None = None,
    competition: str | None = None,
    since: str | None = None,
    until: str | None = None,
    max_pages: Annotated[int | None, AT_LEAST_ONE] = None,
    allow_shrink: Annotated[bool, FLAG] = False,
    start_anew: Annotated[bool, FLAG] = False,
    only: str | None = None,
    dry_run: Annotated[bool, FLAG] = False,
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
    event
        Fetch only the milestones of this event ticker.
    source_id
        Fetch only the milestones with this id of a provider.
    competition
        Fetch only this competition, by the API's code, for example NFL or EPL.
    since
        Fetch only milestones that start at or after this date or time (UTC unless it has an offset).
    until
        Fetch only milestones that start before this date or time (UTC unless it has an offset).
    max_pages
        Stop after this many pages. What was fetched is loaded and published; the next sweep is not changed by it.
    allow_shrink
        Accept a full sweep that returns far fewer milestones than before.
    start_anew
        Create a new warehouse without history, if the old one is lost.
    only
        Refresh only this: milestones, targets, events, series or live.
    dry_run
        Show what would be fetched. Sends no request and writes nothing.
    json
        Print the summary as JSON.
    """
    with _importing():
        from pipelines.sweep.options import SweepOptions

    options = SweepOptions(
        mode="full" if full else "auto",
        ids=tuple(ids or ()),
        category=category,
        type=type,
        event=event,
        source_id=source_id,
        competition=competition,
        since=since,
        until=until,
        max_pages=max_pages,
        allow_shrink=allow_shrink,
        start_anew=start_anew,
    )
    request = options.request(_spelled)
    is_other = only not in (None, MILESTONES)
    if is_other and options != SweepOptions(allow_shrink=allow_shrink, start_anew=start_anew):
        raise WrongUse(f"--only {only} excludes the options that choose milestones: leave them out")
    home = Home.from_environment()
    if dry_run:
        from pipelines.cli.dry_run import print_plan

        return print_plan(home, request, only=only, as_json=json)
    if only is not None and is_other:
        return _refresh(home, only, as_json=json)
    status = run_sweep(home, options.config(), as_json=json, with_others=only is None)
    return status or _status_of_filters(home, options)


def _spelled(field: str) -> str:
    return _SPELLED.get(field, f"--{field.replace('_', '-')}")


def _status_of_filters(home: Home, options: SweepOptions) -> int:
    """Explain a filtered sweep without milestones; EXIT_FAILED if a filter value is unknown, so probably misspelled."""
    from pipelines.reading.connection import run_query
    from pipelines.reading.filter_values import VALUES
    from pipelines.reading.published import open_published
    from pipelines.reading.unknown_filters import unknown_filters

    if not options.given_filters():
        return 0
    newest = "SELECT sweep_id, records FROM sweeps WHERE status = 'loaded' ORDER BY sweep_id DESC LIMIT 1"
    with open_published(home) as connection:
        sweep_id, records = run_query(connection, newest).rows[0]
        if records:
            _print_other_competitions(home, sweep_id)
            return 0
        unknown = unknown_filters(connection, **{option: getattr(options, option) for option in VALUES})
    for line in unknown or [_nothing_matches(options)]:
        print_error(f"0 milestones were fetched: {line}")
    return EXIT_FAILED if unknown else 0


def _print_other_competitions(home: Home, sweep_id: str) -> None:
    """Warn of what a filter by competition returned under other names: a code of the API, or an ignored filter."""
    from pipelines.reading.unknown_filters import LISTED
    from pipelines.storage.landing import Landing

    sweep = Landing.open(home.raw, sweep_id).sweep
    if others := sweep.other_competitions:
        more = f" and {len(others) - LISTED:,} more" if len(others) > LISTED else ""
        print_error(
            f"for the competition {sweep.filters.competition} the API returned milestones of "
            f"{', '.join(others[:LISTED])}{more}; they are stored: if you mean others, use --type or --event"
        )


def _nothing_matches(options: SweepOptions) -> str:
    line = "no milestone of the API matches all of these filters, although each value exists"
    if options.competition is not None:
        line += "; the API is known to find nothing by competition at times: try --type or --category"
    return line


def run_sweep(home: Home, config: dict[str, object], *, as_json: bool, with_others: bool = False) -> int:
    """Run a sweep and print its summary; the exit status. Raises MilestonesError, KalshiError.

    `with_others` also refreshes what the sweep made unknown of other endpoints.
    """
    from pipelines.cli.progress import LogProgress, progress_for
    from pipelines.observability.logs import log_format
    from pipelines.reading.published import pages_of_last_full_sweep

    _prepare(home)
    console = Console(stderr=True)
    expected_pages = pages_of_last_full_sweep(home) if console.is_terminal else None
    _import_dagster()
    from pipelines.cli.refresh import refresh_unknown
    from pipelines.cli.run_job import run_ingest

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
    with _importing():
        import pipelines.cli.run_job
        import pipelines.orchestration.history_storage  # noqa: F401 - Dagster would import it, and much with it, later


@contextmanager
def _importing() -> Iterator[None]:
    """Without garbage collection: the modules make no garbage, and collecting takes a fifth of their import."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _interrupted(home: Home) -> str:
    from pipelines.storage.landing import Landing

    newest = Landing.newest(home.raw)
    if newest is None or (command := newest.sweep.command_to_resume) is None:
        return "interrupted; the published files are unchanged"
    where = f"page {newest.landed_pages} of sweep {newest.sweep.sweep_id}"
    return f"interrupted after {where}: the next {command} resumes there"


def _print_summary(home: Home, others: list[dict[str, Any]], *, as_json: bool) -> None:
    from pipelines.cli.refresh import print_refreshed
    from pipelines.cli.report import print_sweep
    from pipelines.reading.connection import run_query
    from pipelines.reading.formats import as_json as to_json
    from pipelines.reading.published import open_published, row_counts
    from pipelines.storage.landing import Landing

    with open_published(home) as connection:
        query = "SELECT * FROM sweeps WHERE status = 'loaded' ORDER BY sweep_id DESC LIMIT 1"
        newest = run_query(connection, query).records[0]
        rows = row_counts(connection)
    sweep = Landing.open(home.raw, newest["sweep_id"]).sweep
    if as_json:
        files = {"duckdb": str(home.published_duckdb), "parquet": str(home.latest_snapshot)}
        summary = {
            "sweep": newest,
            "archived": sweep.archived,
            "not_found": sweep.not_found,
            "other_competitions": sweep.other_competitions,
            "endpoints": others,
            "rows": rows,
            "files": files,
        }
        sys.stdout.write(to_json(summary) + "\n")
    else:
        print_sweep(Console(), newest, rows, home, sweep.not_found, archived=sweep.archived)
        print_refreshed(Console(), others)
