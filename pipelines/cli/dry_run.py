"""`milestones ingest --dry-run`: what the command would fetch, from the published file and `raw/`.

It sends no request, writes nothing and takes no lock, so that it can be run beside a sweep and in a home that does not
exist yet.
"""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.cli.report import display_text
from pipelines.endpoints.plan import plan as plan_endpoint
from pipelines.errors import WarehouseBusy
from pipelines.kalshi.base_url import check_base_url
from pipelines.reading.connection import NothingPublished, run_query
from pipelines.reading.filter_values import matching_milestones
from pipelines.reading.formats import as_json as to_json
from pipelines.reading.published import open_published
from pipelines.settings import Settings
from pipelines.storage.home import Home
from pipelines.storage.lock import REFRESH, inspecting
from pipelines.sweep.options import FILTERS
from pipelines.sweep.request import PlannedSweep, SweepRequest, plan_sweep
from pipelines.warehouse.database import Warehouse
from pipelines.wording import counted
from schemas.endpoint import Endpoint
from schemas.endpoints import ENDPOINTS, MILESTONES_ENDPOINT

CATCH_UP_PAGES = 1
"""A full or filtered sweep ends with at least one page of what changed meanwhile."""

_LEDGER = """
    SELECT max(watermark) AS watermark, max(sweep_id) AS newest,
           arg_max(pages, sweep_id) FILTER (mode = 'full' AND is_complete) AS full_pages,
           arg_max(pages, sweep_id) FILTER (mode = 'incremental' AND status = 'loaded') AS incremental_pages
    FROM sweeps
"""


def print_plan(home: Home, request: SweepRequest, *, only: str | None, as_json: bool) -> int:
    """Print the plan of a sweep, or of a refresh of one endpoint; the exit status.

    Raises MilestonesError, KalshiError for what would end the command before its first request.
    """
    from pipelines.cli.refresh import check_name

    if only is not None:
        check_name(only)
    settings = Settings.from_environment()
    endpoint = next((one for one in ENDPOINTS if one.name == only), None)
    planned = _refresh(home, settings, endpoint) if endpoint else _sweep(home, settings, request, only=only)
    plan = planned | _surroundings(home, settings, planned["expected_requests"])
    if as_json:
        sys.stdout.write(to_json(plan) + "\n")
    else:
        _print(plan)
    return 0


def _surroundings(home: Home, settings: Settings, requests: int | None) -> dict[str, Any]:
    """Where and how fast, in every plan."""
    pace = settings.requests_per_second
    with inspecting(home.lock_file) as holder:
        lock = None if holder is None else {"holder": holder.description, "since": holder.since}
    return {
        "requests_per_second": pace,
        "expected_seconds": requests / pace if requests is not None and pace else None,
        "base_url": check_base_url(settings.api_base_url),
        "home": str(home.root),
        "lock": lock,
    }


def _sweep(home: Home, settings: Settings, request: SweepRequest, *, only: str | None) -> dict[str, Any]:
    if not request.start_anew:
        Warehouse(home).check_not_lost()
    ledger = _ledger(home)
    watermark = None if request.start_anew and not home.warehouse_file.exists() else ledger["watermark"]
    planned = plan_sweep(
        home,
        request,
        watermark=watermark,
        newest=ledger["newest"],
        now=datetime.now(UTC),
        overlap_seconds=settings.overlap_seconds,
    )
    resumed = planned.resumed
    others = [one.name for one in settings.kept_endpoints() if one.by_keys is None or not one.by_keys.is_repeated]
    return {
        "endpoint": MILESTONES_ENDPOINT.name,
        "mode": planned.mode,
        "filters": msgspec.to_builtins(planned.filters),
        "ids": list(request.ids),
        "max_pages": request.max_pages,
        "watermark": watermark,
        "overlap_seconds": settings.overlap_seconds,
        "page_limit": settings.page_limit,
        "resumes": resumed and {"sweep_id": resumed.sweep.sweep_id, "pages": resumed.landed_pages},
        "expected_requests": _expected_pages(home, settings, request, planned, ledger),
        "then_refreshes": others if only is None else [],
    }


def _ledger(home: Home) -> dict[str, Any]:
    """What the published ledger says, with None for every value where nothing is published."""
    try:
        with open_published(home) as connection:
            return run_query(connection, _LEDGER).records[0]
    except NothingPublished:
        return dict.fromkeys(("watermark", "newest", "full_pages", "incremental_pages"))


def _expected_pages(
    home: Home, settings: Settings, request: SweepRequest, planned: PlannedSweep, ledger: dict[str, Any]
) -> int | None:
    """An estimate, from earlier sweeps or from the published milestones; None where there are none."""
    match planned.mode:
        case "by_id":
            return len(request.ids)
        case "partial":
            # Before a full sweep, what is published says nothing of the whole.
            pages = _pages_of_filters(home, settings, request) if ledger["full_pages"] is not None else None
        case "full":
            pages = ledger["full_pages"]
        case _:
            pages = ledger["incremental_pages"]
    if request.max_pages is not None:
        return min(request.max_pages, pages or request.max_pages)
    if pages is not None and planned.resumed is not None:
        return max(pages - planned.resumed.landed_pages, 0)
    return pages


def _pages_of_filters(home: Home, settings: Settings, request: SweepRequest) -> int | None:
    given = {option: value for option in FILTERS if (value := getattr(request, option)) is not None}
    try:
        with open_published(home) as connection:
            matching = matching_milestones(connection, given)
    except NothingPublished:
        return None
    if not matching and request.competition is not None:
        # The API's code may be spelled otherwise in details.
        return None
    return max(1, math.ceil(matching / settings.page_limit)) + CATCH_UP_PAGES


def _refresh(home: Home, settings: Settings, endpoint: Endpoint) -> dict[str, Any]:
    planned = plan_endpoint(home, endpoint, now=datetime.now(UTC), overlap_seconds=settings.overlap_seconds)
    by_keys = endpoint.by_keys
    requests = math.ceil(len(planned.keys) / by_keys.at_most) if by_keys else 0
    return {
        "endpoint": endpoint.name,
        "mode": None if planned.is_empty else planned.mode,
        "keys": len(planned.keys),
        "max_requests": settings.endpoint_requests,
        # How many pages a list has is not known.
        "expected_requests": min(requests, settings.endpoint_requests) if planned.list is None else None,
    }


def _print(plan: dict[str, Any]) -> None:
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in _lines(plan):
        table.add_row(name, Text(display_text(text)))
    console = Console()
    console.print(table)
    console.print("dry run: no request was sent and nothing was written", highlight=False)


def _lines(plan: dict[str, Any]) -> list[tuple[str, str]]:
    lines = [("would fetch", _what(plan))]
    if plan["endpoint"] == MILESTONES_ENDPOINT.name:
        lines += _lines_of_sweep(plan)
    requests, seconds = plan["expected_requests"], plan["expected_seconds"]
    expected = "unknown" if requests is None else f"about {counted(requests, 'request')}"
    expected += f", {seconds:,.0f} s" if seconds is not None else ""
    pace = plan["requests_per_second"]
    lines.append(("expected", f"{expected} at {pace:g} a second" if pace else f"{expected}, without a pace"))
    lines += [("base URL", plan["base_url"]), ("home", plan["home"])]
    lock = plan["lock"]
    held = lock and f"held by {lock['holder']} since {display_text(lock['since'])}: the command would {_then(lock)}"
    return [*lines, ("lock", held or "free")]


def _then(lock: dict[str, Any]) -> str:
    return "wait for it" if REFRESH in lock["holder"] else f"end with exit status {WarehouseBusy.exit_status}"


def _what(plan: dict[str, Any]) -> str:
    if plan["endpoint"] != MILESTONES_ENDPOINT.name:
        if plan["mode"] is None:
            return f"{plan['endpoint']}: nothing to request"
        return f"{plan['endpoint']}, {plan['mode']} sweep: {counted(plan['keys'], 'key')}"
    if plan["resumes"]:
        resumed = plan["resumes"]
        return f"the rest of {plan['mode']} sweep {resumed['sweep_id']}, after page {resumed['pages']}"
    return f"{plan['mode']} sweep of milestones"


def _lines_of_sweep(plan: dict[str, Any]) -> list[tuple[str, str]]:
    filters = ", ".join(f"{name}={value}" for name, value in plan["filters"].items())
    lines = [("filters", filters or "none")]
    if plan["ids"]:
        lines.append(("ids", ", ".join(plan["ids"])))
    if plan["max_pages"] is not None:
        lines.append(("stops after", counted(plan["max_pages"], "page")))
    watermark = plan["watermark"]
    read = f"{display_text(watermark)}, overlap {plan['overlap_seconds']} s" if watermark else "never"
    lines.append(("read up to", read))
    if plan["then_refreshes"]:
        lines.append(("then", f"what is unknown of {', '.join(plan['then_refreshes'])}"))
    return lines
