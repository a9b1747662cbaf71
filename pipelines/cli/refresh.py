"""Refreshes the endpoints beside milestones for `milestones ingest`, and prints what they stored."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from pipelines.cli.app import print_error
from pipelines.endpoints.plan import may_be_unknown
from pipelines.errors import MilestonesError, WrongUse
from pipelines.kalshi.errors import KalshiError
from pipelines.settings import Settings
from pipelines.storage.home import Home
from pipelines.wording import counted
from schemas.endpoint import Endpoint
from schemas.endpoints import ENDPOINTS, MILESTONES_ENDPOINT

NAMES = (MILESTONES_ENDPOINT.name, *(endpoint.name for endpoint in ENDPOINTS))


def check_name(name: str) -> None:
    """Raise WrongUse for an unknown name of an endpoint."""
    if name not in NAMES:
        raise WrongUse(f"--only {name} is unknown: give one of {', '.join(NAMES)}")


def refresh_only(home: Home, name: str) -> list[dict[str, Any]]:
    """Refresh one endpoint; its row of the ledger, none if there was nothing to request.

    Raises MilestonesError, KalshiError.
    """
    from pipelines.cli.run_job import run_refresh

    endpoint = next(one for one in ENDPOINTS if one.name == name)
    return _newest_rows(home, [endpoint]) if run_refresh(home, endpoint) else []


def refresh_unknown(home: Home) -> list[dict[str, Any]]:
    """Refresh what the newest sweep of milestones made unknown; the rows of the ledger.

    A fault here is printed and changes no exit status: the milestones are published.
    """
    from pipelines.cli.run_job import run_refresh
    from pipelines.orchestration.endpoints import refresh_of

    # Keys that are requested each time are never known for long: the endpoint's own schedule requests them.
    kept = [
        endpoint
        for endpoint in Settings.from_environment().kept_endpoints()
        if endpoint.by_keys is None or not endpoint.by_keys.is_repeated
    ]
    if not kept or not may_be_unknown(home, kept):
        return []
    refreshed = []
    for endpoint in kept:
        try:
            if not refresh_of(home, endpoint).unknown_plan().is_empty and run_refresh(home, endpoint):
                refreshed.append(endpoint)
        except (MilestonesError, KalshiError) as error:
            print_error(f"the milestones are published, but the {endpoint.title} were not refreshed: {error}")
    return _newest_rows(home, refreshed)


def print_refreshed(console: Console, rows: list[dict[str, Any]]) -> None:
    """Print one line for each refreshed endpoint."""
    for row in rows:
        line = (
            f"{row['endpoint']}: {counted(row['records'], 'record')}, {row['new']:,} new, {row['changed']:,} changed, "
            f"{row['quarantined']:,} refused{' (table endpoint_quarantine)' if row['quarantined'] else ''}"
        )
        if row["unknown_keys"]:
            line += f"; {row['unknown_keys']:,} of {row['requested_keys']:,} requested keys are unknown to the API"
        if row["remaining_keys"]:
            line += f"; {row['remaining_keys']:,} keys remain for the next sweep"
        if row["next_cursor"]:
            line += "; the next sweep reads the rest of the list"
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _newest_rows(home: Home, endpoints: list[Endpoint]) -> list[dict[str, Any]]:
    from pipelines.reading.published import query_home

    if not endpoints:
        return []
    newest = query_home(
        home,
        "SELECT * FROM endpoint_sweeps QUALIFY row_number() OVER (PARTITION BY endpoint ORDER BY sweep_id DESC) = 1",
    )
    by_name = {row["endpoint"]: row for row in newest.records}
    return [by_name[endpoint.name] for endpoint in endpoints if endpoint.name in by_name]
