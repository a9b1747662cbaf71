"""`milestones ingest --dry-run`: the plan of a sweep, without a request and without a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.storage.home import Home
from pipelines.storage.landing import Filters, Landing
from pipelines.storage.lock import writer_lock
from tests.cli.commands import DEAD_URL, Command
from tests.support import NOON, Shell, milestone_id, tree


@pytest.fixture
def plan(published: Shell, at: Callable[..., Home], command: Command) -> Callable[..., dict[str, Any]]:
    """The plan of a command in a published home with 100 milestones, whose API cannot be reached."""

    def plan_of(*arguments: str, **variables: str) -> dict[str, Any]:
        home = at(published.home.root, **variables)
        before = tree(home.root)
        outcome = command("ingest", "--dry-run", "--json", *arguments)
        assert (outcome.status, outcome.err) == (0, "")
        assert tree(home.root) == before
        planned: dict[str, Any] = json.loads(outcome.out)
        return planned

    return plan_of


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "mode", "requests"),
    [
        ([], "incremental", None),
        (["--full"], "full", 2),
        (["--full", "--max-pages", "1"], "full", 1),
        (["--max-pages", "7"], "incremental", 7),
        (["--id", milestone_id(1), "--id", milestone_id(2)], "by_id", 2),
        (["--type", "football_game"], "partial", 2),
        (["--type", "no such", "--until", "2026-12-01"], "partial", 2),
    ],
    ids=str,
)
def test_the_mode_and_the_expected_requests(
    plan: Callable[..., dict[str, Any]], arguments: list[str], mode: str, requests: int | None
) -> None:
    planned = plan(*arguments, KALSHI_REQUESTS_PER_SECOND="4")
    assert (planned["mode"], planned["expected_requests"]) == (mode, requests)
    assert planned["expected_seconds"] == (None if requests is None else requests / 4)


@pytest.mark.slow
def test_pages_of_filters_are_counted_in_the_published_milestones(plan: Callable[..., dict[str, Any]]) -> None:
    small = {"KALSHI_PAGE_LIMIT": "10"}
    assert plan("--category", "Sports", **small)["expected_requests"] == 11
    assert plan("--competition", "EPL", **small)["expected_requests"] is None, "details may spell the code otherwise"
    assert plan("--event", "KXGAME-7", **small)["expected_requests"] == 2
    since = f"{NOON + timedelta(days=7, minutes=70):%Y-%m-%dT%H:%M:%SZ}"
    assert plan("--since", since, **small)["expected_requests"] == 4


@pytest.mark.slow
def test_what_a_plan_holds(plan: Callable[..., dict[str, Any]], published: Shell) -> None:
    planned = plan(KALSHI_OVERLAP_SECONDS="60", MILESTONES_ENDPOINTS="events,live")
    watermark = published.value("SELECT CAST(epoch(max(watermark)) AS BIGINT) FROM sweeps")
    assert planned["filters"] == {"min_updated_ts": watermark - 60}
    assert (planned["base_url"], planned["home"], planned["lock"]) == (DEAD_URL, str(published.home.root), None)
    assert planned["then_refreshes"] == ["events"]
    assert plan("--only", "milestones")["then_refreshes"] == []


@pytest.mark.slow
def test_the_plan_of_another_endpoint(plan: Callable[..., dict[str, Any]]) -> None:
    planned = plan("--only", "events", KALSHI_ENDPOINT_REQUESTS="1")
    assert (planned["endpoint"], planned["mode"], planned["keys"]) == ("events", "by_key", 198)
    assert planned["expected_requests"] == 1


def test_a_home_that_does_not_exist_stays_so(tmp_path: Path, at: Callable[..., Home], command: Command) -> None:
    home = at(tmp_path / "home")
    outcome = command("ingest", "--dry-run")
    assert (outcome.status, outcome.err) == (0, "")
    assert "full sweep of milestones" in outcome.out
    assert "dry run: no request was sent and nothing was written" in outcome.out
    assert not home.root.exists()


def test_an_interrupted_sweep_and_the_lock_are_named(tmp_path: Path, at: Callable[..., Home], command: Command) -> None:
    home = at(tmp_path)
    landing = Landing.begin(home.raw, mode="partial", filters=Filters(category="x"), ids=[], now=NOON)
    landing.sweep.started_at = landing.sweep.started_at + timedelta(days=365 * 50)
    landing.save()
    with writer_lock(home, purpose="a test"):
        outcome = command("ingest", "--dry-run", "--category", "x")
    assert f"the rest of partial sweep {landing.sweep.sweep_id}, after page 0" in outcome.out
    assert "(a test) since " in outcome.out
    assert "would end with exit status 75" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "variables", "status", "message"),
    [
        (["--only", "teams"], {}, 2, "--only teams is unknown"),
        (["--only", "live"], {}, 1, "nothing is published"),
        ([], {"KALSHI_PAGE_LIMIT": "0"}, 2, "KALSHI_PAGE_LIMIT is '0'"),
        ([], {"KALSHI_BASE_URL": "http://example.com"}, 1, "cannot use the base URL"),
    ],
    ids=["endpoint", "nothing published", "setting", "base URL"],
)
def test_what_would_end_the_command_ends_the_plan(
    tmp_path: Path,
    at: Callable[..., Home],
    command: Command,
    arguments: list[str],
    variables: dict[str, str],
    status: int,
    message: str,
) -> None:
    home = at(tmp_path / "home", **variables)
    outcome = command("ingest", "--dry-run", *arguments)
    assert outcome.status == status
    assert message in outcome.error_line
    assert not home.root.exists()


def test_a_lost_warehouse_ends_the_plan(tmp_path: Path, at: Callable[..., Home], command: Command) -> None:
    home = at(tmp_path)
    home.published.mkdir()
    home.published_duckdb.touch()
    assert "milestones restore" in command("ingest", "--dry-run").error_line
