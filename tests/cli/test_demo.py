"""The demo: its sweeps, the changes that they show, and how it treats an existing home."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.cli.demo import CHANGES, SWEEPS_BEFORE, run_demo
from pipelines.cli.main import run
from pipelines.errors import WrongUse
from pipelines.reading.published import query_home
from pipelines.storage.home import Home
from tests.demos import demo_home

pytestmark = pytest.mark.slow

ROWS = 600
"""Enough for every kind of change, and fast."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with demo_home(tmp_path_factory.mktemp("demo") / "home", rows=ROWS) as created:
        yield created


def rows_of_query(home: Home, query: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in query_home(home, query).rows]


def test_three_full_sweeps_end_now(home: Home) -> None:
    query = (
        "select mode, is_complete, date_diff('hour', started_at, max(started_at) over ()) from sweeps order by sweep_id"
    )
    hours = [before // timedelta(hours=1) for before in (*SWEEPS_BEFORE, timedelta())]
    assert rows_of_query(home, query) == [("full", True, hour) for hour in hours]


def test_the_last_sweep_is_a_run_of_dagster(home: Home) -> None:
    assert list(home.dagster.glob("history/**/*.db"))


@pytest.mark.parametrize(
    ("condition", "least"),
    [
        pytest.param("field = 'start_date'", 2 * CHANGES.reschedules, id="reschedules"),
        pytest.param("field = 'title'", 2 * CHANGES.title_edits, id="title edits"),
        pytest.param("field = 'related_event_tickers' and old is null", 2 * CHANGES.tickers_added, id="tickers added"),
        pytest.param(
            "field = 'related_event_tickers' and new is null", 2 * CHANGES.tickers_removed, id="tickers removed"
        ),
        pytest.param("field = 'details.status'", 2 * CHANGES.status_changes, id="statuses"),
        pytest.param("field = 'end_date'", 1, id="games played"),
        # Only milestones of the first removals were missing twice.
        pytest.param("field = 'vanished_at'", CHANGES.removals, id="vanished"),
    ],
)
def test_every_kind_of_change_is_recorded(home: Home, condition: str, least: int) -> None:
    ((found,),) = rows_of_query(home, f"select count(*) from milestone_changes where {condition}")
    assert isinstance(found, int)
    assert found >= least


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("select 1 from live_milestones", id="live"),
        pytest.param("select 1 from milestones_starting_within(1)", id="next hour"),
        pytest.param("select 1 from milestones_starting_within(24)", id="next day"),
        pytest.param("select 1 from live_milestones(at_time := now() + interval 2 day)", id="live for days"),
        pytest.param("select 1 from shared_events where milestones > 2", id="shared"),
        pytest.param("select 1 from event_starts where is_ambiguous", id="ambiguous start"),
        pytest.param("select 1 from reschedules where notice > interval 0 hour", id="moved ahead of the start"),
        pytest.param("select 1 from milestones where vanished_at is not null", id="vanished"),
        pytest.param("select 1 from quarantine", id="refused"),
    ],
)
def test_every_view_has_rows(home: Home, query: str) -> None:
    assert rows_of_query(home, query)


def test_a_demo_replaces_an_earlier_one_with_the_same_milestones(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    query = "select milestone_id, title from milestones order by all"
    before = rows_of_query(home, query)
    with demo_home(home.root, rows=ROWS):
        assert rows_of_query(home, query) == before
    assert rows_of_query(home, "select count(*) from sweeps") == [(3,)]
    assert "milestones sql " in capsys.readouterr().out


def test_a_home_with_other_sweeps_is_not_changed(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    for number in range(1, 5):
        (home.raw / f"{number:06d}-20261123T120000Z").mkdir(parents=True)
    with pytest.raises(WrongUse, match=f"{home.root} holds more sweeps than the demo makes: move it away"):
        run_demo(run, home=home, rows=ROWS)
    assert len(list(home.raw.iterdir())) == 4


def test_a_failed_command_ends_the_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def failing(words: list[str]) -> int:
        commands.append(words)
        return 1

    commands: list[list[str]] = []
    with pytest.MonkeyPatch.context() as environment:
        for name in ("KALSHI_BASE_URL", "KALSHI_REQUESTS_PER_SECOND", "MILESTONES_HOME"):
            environment.setenv(name, "")
        assert run_demo(failing, home=Home(tmp_path / "home"), rows=ROWS) == 1
    assert commands == [["ingest", "--full"]]
    assert "next" not in capsys.readouterr().out
