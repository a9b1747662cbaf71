"""The data of `milestones status`."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipelines.reading.published import open_published, row_counts
from pipelines.reading.status import status
from pipelines.storage.home import Home
from pipelines.storage.landing import Landing
from pipelines.warehouse.database import open_warehouse
from tests.support import NOON, Shell, as_bytes, milestone, serving_shells


def test_the_status_of_a_published_home(published: Shell) -> None:
    found = status(published.home)
    assert found.published_file == str(published.home.published_duckdb)
    assert found.bytes == published.home.published_duckdb.stat().st_size
    with open_published(published.home) as connection:
        assert found.rows == row_counts(connection)
    assert [(sweep["mode"], sweep["status"]) for sweep in found.sweeps] == [
        ("incremental", "loaded"),
        ("full", "loaded"),
    ]
    assert found.watermark == published.value("SELECT max(watermark) FROM sweeps")
    assert found.last_full_at == published.value("SELECT finished_at FROM sweeps WHERE mode = 'full'")
    assert found.last_sweep_at == published.value("SELECT max(finished_at) FROM sweeps")
    assert found.newest_update == published.value("SELECT max(last_updated_ts) FROM milestones")
    assert found.quarantined_by_reason == [
        {"reason": "Expected `str | null`, got `int`", "field": "title", "records": 2}
    ]
    assert found.drift == []
    assert found.missing == {}
    assert found.unpublished is None
    assert len(status(published.home, sweeps=1).sweeps) == 1


@pytest.mark.slow
def test_drift_lists_new_fields_of_known_types(tmp_path: Path) -> None:
    grown = [milestone(2, details={"x": 2, "y": "s"}), milestone(3, type="game", details={"z": 1})]
    with serving_shells() as shells:
        shell = shells(tmp_path / "home", [milestone(1, details={"x": 1})])
        shell.sweep(mode="full")
        shell.world.load(as_bytes(grown))
        shell.sweep(mode="full")
    shell.stages.publish()
    found = status(shell.home).drift
    assert [(field["type"], field["path"], field["kinds"]) for field in found] == [("football_game", "y", "string")]


def test_a_sweep_after_the_last_publish_is_unpublished(home: Home) -> None:
    newest = Landing.newest(home.raw)
    assert newest is not None
    later = Landing.begin(home.raw, mode="full", filters=newest.sweep.filters, ids=[], now=newest.sweep.started_at)
    later.sweep.state, later.sweep.error = "failed", "the API is failing"
    later.save()
    assert status(home).unpublished == {
        "sweep_id": later.sweep.sweep_id,
        "mode": "full",
        "state": "failed",
        "error": "the API is failing",
    }


def updated(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


@pytest.mark.slow
def test_lateness(tmp_path: Path) -> None:
    """Updates in time, late, in the future, at the zero time and after a pause; full sweeps do not count."""
    with serving_shells() as shells:
        shell = shells(tmp_path / "home", [milestone(0, last_updated_ts=updated(NOON - timedelta(seconds=5000)))])
        shell.sweep(mode="full")
        shell.stages.publish()
        no_rows = {"rows": 0, "seconds_p99": None, "seconds_max": None, "overlap_used_seconds": None}
        assert status(shell.home).lateness == no_rows
        shell.world.load(as_bytes([milestone(1, last_updated_ts=updated(NOON - timedelta(seconds=10)))]))
        shell.sweep()
        for number, seconds in ((2, 200.0), (3, -3600.0)):
            shell.world.load(as_bytes([milestone(number, last_updated_ts=updated(NOON - timedelta(seconds=seconds)))]))
        shell.sweep()
        # What an incremental sweep finds after days without one. The sandbox never lists the zero time to one.
        for number, text in ((4, updated(NOON - timedelta(days=2))), (5, "0001-01-01T00:00:00Z")):
            shell.world.load(as_bytes([milestone(number, last_updated_ts=text)]))
        shell.sweep(mode="full")
    with open_warehouse(shell.home.warehouse_file) as connection:
        connection.execute(
            "UPDATE milestone_versions SET sweep_id = (SELECT max(sweep_id) FROM sweeps WHERE mode = 'incremental') "
            "WHERE milestone_id IN (?, ?)",
            [milestone(4)["id"], milestone(5)["id"]],
        )
    shell.stages.rebuild()
    shell.stages.publish()
    found = status(shell.home).lateness
    assert found["rows"] == 2
    assert found["seconds_p99"] == found["seconds_max"] == pytest.approx(200, abs=1)
    assert found["overlap_used_seconds"] == pytest.approx(190, abs=1)


def test_lateness_covers_recent_sweeps_only(home: Home) -> None:
    before = status(home).lateness["rows"]
    assert before == 1
    with open_warehouse(home.published_duckdb) as connection:
        connection.execute("UPDATE sweeps SET started_at = started_at - INTERVAL 8 DAY")
        connection.execute(
            "INSERT INTO sweeps BY NAME SELECT * REPLACE ('000009-20261124T120000Z' AS sweep_id, "
            "started_at + INTERVAL 8 DAY AS started_at) FROM sweeps WHERE mode = 'incremental'"
        )
    assert status(home).lateness["rows"] == 0
