"""Headline figures: correct, and replaced together with their snapshot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.publish.snapshot import publish
from pipelines.reading.published import open_published
from pipelines.storage.home import Home
from pipelines.warehouse.database import open_warehouse
from tests.support import NOON, Shell, copied, milestone, milestone_id, serving_shells

NOW = NOON + timedelta(hours=2)
"""The publish's clock."""


def starting(number: int, hours: float, **fields: Any) -> dict[str, Any]:
    return milestone(number, start_date=f"{NOW + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}", **fields)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    rows = [
        *(starting(number, 12) for number in (1, 2, 3)),
        starting(4, 48, category="mentions", type="one_off_milestone"),
        starting(5, -1),
        starting(6, -1, details={"session_id": "x"}),
        *(starting(number, -500, category="Politics", end_date="2026-11-05T00:00:00Z") for number in range(7, 140)),
        milestone(200, title=7),
    ]
    with serving_shells() as shells:
        shell = shells(tmp_path_factory.mktemp("summary"), rows)
        shell.sweep(mode="full")
        shell.clock.forward(hours=1)
        shell.world.reschedule(milestone_id(1), NOW + timedelta(hours=13))
        shell.world.remove(milestone_id(7))
        shell.sweep(mode="full")
        shell.sweep(mode="full")
        shell.clock.forward(minutes=30)
        shell.sweep()
        yield shell


@pytest.fixture
def home(loaded: Shell, tmp_path: Path) -> Home:
    return copied(loaded.home, tmp_path / "home")


def read(home: Home) -> dict[str, Any]:
    found = json.loads(home.published_summary.read_bytes())
    assert isinstance(found, dict)
    return found


@pytest.mark.slow
def test_the_figures_of_a_snapshot(loaded: Shell, home: Home) -> None:
    snapshot = publish(home, now=NOW)
    found = read(home)
    times = {name: found.pop(name) for name in list(found) if name.endswith("_at") or "update" in name}
    watermark = found.pop("watermark")
    assert found == {
        "snapshot": snapshot.folder.name,
        "milestones": 137,
        "quarantined": 3,
        "sweeps": 4,
        "last_sweep_pages": 1,
        "last_sweep_records": 1,
        "simulated": 1,
        "vanished": 1,
        "events": 2 * 137,
        "versions": 140,
        "live": 1,
        "upcoming": 4,
        "starting_within_24_hours": 3,
        "reschedules_of_7_days": 1,
        "by_category_group": {"Politics": 132, "Sports": 4, "Mentions": 1},
    }
    assert times["published_at"] == "2026-11-23T14:00:00Z"
    assert times.keys() == {
        "published_at",
        "last_full_sweep_at",
        "last_incremental_at",
        "last_sweep_at",
        "newest_update",
    }
    assert all(time.endswith("Z") for time in (*times.values(), watermark))


@pytest.mark.slow
def test_what_starts_next_is_counted_as_the_views_list_it(tmp_path: Path) -> None:
    rows = [
        starting(1, 0),
        starting(2, 24),
        starting(3, 24.001),
        starting(4, 1, details={"session_id": "x"}),
        starting(5, 1, details={"status": "closed"}),
        starting(6, 1, details={"status": "postponed"}),
        starting(7, 1, details={"status": "scheduled"}),
        starting(8, 1),
        *(starting(number, -500) for number in range(9, 140)),
    ]
    with serving_shells() as shells:
        shell = shells(tmp_path, rows)
        shell.sweep(mode="full")
        shell.world.remove(milestone_id(8))
        shell.sweep(mode="full")
        shell.sweep(mode="full")
        publish(shell.home, now=NOW)
    found = read(shell.home)
    assert (found["upcoming"], found["starting_within_24_hours"]) == (3, 2)
    with open_published(shell.home) as connection:
        at = f"at_time := '{NOW.isoformat()}'"
        counted = connection.execute(
            f"SELECT (SELECT count(*) FROM upcoming_milestones({at})), "
            f"(SELECT count(*) FROM milestones_starting_within(24, {at}))"
        ).fetchall()
    assert counted == [(3, 2)]


@pytest.mark.slow
def test_the_figures_of_an_empty_warehouse(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with open_warehouse(home.warehouse_file):
        pass
    publish(home, now=NOW)
    found = read(home)
    assert (found["milestones"], found["last_sweep_at"], found["by_category_group"]) == (0, None, {})


@pytest.mark.slow
def test_the_link_follows_the_newest_snapshot(home: Home) -> None:
    first = publish(home, now=NOW).folder
    assert read(home)["snapshot"] == first.name
    second = publish(home, now=NOW + timedelta(minutes=5)).folder
    assert read(home)["snapshot"] == second.name
    assert str(home.published_summary.readlink()) == "parquet/latest/summary.json"
    # A publish that dies before its last step: the figures are still those of the snapshot that is served.
    home.latest_snapshot.unlink()
    home.latest_snapshot.symlink_to(first.name)
    assert read(home)["snapshot"] == first.name
