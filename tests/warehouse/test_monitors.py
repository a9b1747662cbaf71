"""Watches: every one is seen to pass and seen to fail."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from pipelines.warehouse.monitors import MONITORS, Monitor, evaluate
from schemas.tables import MILESTONES, SWEEPS

MILESTONE = "milestone_id, category, category_group, type, title, notification_message, details, content_hash"
FULL = "'full', 'loaded', now(), now(), '{}'"

USUAL = [
    f"""INSERT INTO milestones ({MILESTONE}, last_updated_ts, is_simulated, has_placeholder_dates, has_future_update,
        first_seen_at, last_changed_at, start_date, start_is_tentative, status, status_group)
        SELECT range::VARCHAR, 'Sports', 'Sports', 't', 't', '', '{{}}', 'h', now(), false, false, false, now(), now(),
               now(), false, 'closed', 'ended' FROM range(200)""",
    f"""INSERT INTO sweeps SELECT range::VARCHAR, {FULL}, 1, 200, 0, 0, 200, 0, 0, 0, 1, 0, 0, 1, NULL, true, NULL
        FROM range(6)""",
]
UNUSUAL = {
    "data_is_fresh": "UPDATE milestones SET last_updated_ts = now() - INTERVAL 25 HOUR",
    "volume_is_usual": "UPDATE sweeps SET records = 150 WHERE sweep_id = '5'",
    "placeholders_are_few": "UPDATE milestones SET has_placeholder_dates = true WHERE milestone_id::INT < 3",
    "statuses_are_grouped": """UPDATE milestones SET status = 'Innings Break', status_group = 'unknown'
        WHERE milestone_id::INT < 11""",
    "categories_are_grouped": "UPDATE milestones SET category_group = 'sports' WHERE milestone_id = '7'",
}


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        for table in (MILESTONES, SWEEPS):
            table.create(opened.execute)
        yield opened


@pytest.mark.parametrize("monitor", MONITORS, ids=lambda monitor: monitor.name)
def test_a_monitor_passes_usual_and_fails_unusual_figures(
    monitor: Monitor, connection: duckdb.DuckDBPyConnection
) -> None:
    for statement in USUAL:
        connection.execute(statement)
    usual = evaluate(connection, monitor)
    assert (usual.passed, bool(usual.figures)) == (True, True)
    connection.execute(UNUSUAL[monitor.name])
    unusual = evaluate(connection, monitor)
    assert not unusual.passed
    assert unusual.figures != usual.figures


@pytest.mark.parametrize("monitor", MONITORS, ids=lambda monitor: monitor.name)
def test_only_freshness_fails_on_an_empty_warehouse(monitor: Monitor, connection: duckdb.DuckDBPyConnection) -> None:
    assert evaluate(connection, monitor).passed == (monitor.name != "data_is_fresh")


UNKNOWN = "status = 'Innings Break', status_group = 'unknown' WHERE milestone_id::INT < 50"


@pytest.mark.parametrize(
    "change",
    [
        f"start_date = now() - INTERVAL 25 HOUR, {UNKNOWN}",
        f"is_simulated = true, {UNKNOWN}",
        "status = NULL, status_group = NULL WHERE milestone_id::INT > 9",
        "status = 'P', status_group = 'unknown' WHERE milestone_id::INT < 10",
    ],
    ids=["started long ago", "simulated", "no status", "few"],
)
def test_unknown_statuses_that_do_not_count(connection: duckdb.DuckDBPyConnection, change: str) -> None:
    for statement in (*USUAL, f"UPDATE milestones SET {change}"):
        connection.execute(statement)
    (monitor,) = [one for one in MONITORS if one.name == "statuses_are_grouped"]
    assert evaluate(connection, monitor).passed


def test_unknown_statuses_are_listed_by_frequency(connection: duckdb.DuckDBPyConnection) -> None:
    for statement in (*USUAL, f"UPDATE milestones SET {UNKNOWN}"):
        connection.execute(statement)
    connection.execute("UPDATE milestones SET status = 'P' WHERE milestone_id::INT < 3")
    (monitor,) = [one for one in MONITORS if one.name == "statuses_are_grouped"]
    assert evaluate(connection, monitor).figures == "50 of 200 have an unknown status: Innings Break, P"


STALE = "UPDATE milestones SET last_updated_ts = now() - INTERVAL 25 HOUR"
NOT_FRESH = {
    "simulated": "is_simulated = true",
    "vanished": "vanished_at = now()",
    "in the future": "last_updated_ts = now() + INTERVAL 1 YEAR",
    "in the future when it was fetched": "has_future_update = true",
}


@pytest.mark.parametrize("change", NOT_FRESH.values(), ids=NOT_FRESH)
def test_only_possible_updates_of_real_milestones_count_as_fresh(
    change: str, connection: duckdb.DuckDBPyConnection
) -> None:
    (monitor,) = (one for one in MONITORS if one.name == "data_is_fresh")
    for statement in USUAL:
        connection.execute(statement)
    connection.execute(f"{STALE} WHERE milestone_id <> '7'")
    assert evaluate(connection, monitor).passed
    connection.execute(f"UPDATE milestones SET {change} WHERE milestone_id = '7'")
    assert not evaluate(connection, monitor).passed
