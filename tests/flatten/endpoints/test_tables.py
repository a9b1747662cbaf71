"""Flattening of each endpoint, from a record to rows, and of batches into Arrow tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from pipelines.flatten.endpoints.events import flatten_event
from pipelines.flatten.endpoints.live import flatten_live
from pipelines.flatten.endpoints.tables import FLATTEN, flatten_versions
from pipelines.flatten.endpoints.targets import flatten_target
from pipelines.records.canonical import canonical_json
from schemas.endpoints import ENDPOINTS
from schemas.live_data import LIVE_ENDPOINT
from schemas.targets import TARGETS

SEEN = datetime(2026, 11, 27, 12, tzinfo=UTC)


def versions(key_column: str, *records: dict[str, Any]) -> pa.Table:
    count = len(records)
    return pa.table(
        {
            key_column: [f"key {number}" for number in range(count)],
            "version": pa.array([1] * count, pa.int32()),
            "content_hash": ["0" * 32] * count,
            "last_updated_ts": pa.array([None] * count, pa.timestamp("us", tz="UTC")),
            "valid_from": pa.array([SEEN] * count, pa.timestamp("us", tz="UTC")),
            "valid_to": pa.array([None] * count, pa.timestamp("us", tz="UTC")),
            "sweep_id": ["000001-20261127T120000Z"] * count,
            "record": [canonical_json(record).decode() for record in records],
            "first_seen_at": pa.array([SEEN] * count, pa.timestamp("us", tz="UTC")),
            "last_changed_at": pa.array([SEEN] * count, pa.timestamp("us", tz="UTC")),
        }
    )


def test_every_endpoint_has_a_flatten_function_that_fills_its_tables() -> None:
    assert set(FLATTEN) == {endpoint.name for endpoint in ENDPOINTS}
    for endpoint in ENDPOINTS:
        tables = flatten_versions(endpoint, versions(endpoint.key_column, {endpoint.key: "key 0"}))
        assert set(tables) == {table.name for table in (endpoint.log, *endpoint.tables)}
        assert tables[endpoint.log.name].num_rows == 1
        for table in (endpoint.log, *endpoint.tables):
            assert tuple(tables[table.name].schema.names) == table.stored_columns


def test_rows_come_in_the_order_of_the_versions() -> None:
    tables = flatten_versions(TARGETS, versions("target_id", {"name": "A"}, {"name": "B", "source_ids": {"x": "1"}}))
    assert tables["structured_targets"]["name"].to_pylist() == ["A", "B"]
    assert tables["structured_target_sources"].to_pylist() == [
        {"target_id": "key 1", "provider": "x", "provider_id": "1"}
    ]
    assert tables["structured_targets"]["first_seen_at"].to_pylist() == [SEEN, SEEN]


def test_a_target_of_a_provider_has_names_of_its_own() -> None:
    (row,) = flatten_target(
        "id", {"name": "Toulouse FC", "details": {"short_name": "Toulouse", "abbreviation": "TFC", "league": ""}}
    )["structured_targets"]
    assert (row["name"], row["short_name"], row["abbreviation"], row["league"]) == (
        "Toulouse FC",
        "Toulouse",
        "TFC",
        None,
    )


@pytest.mark.parametrize(
    ("sent", "strike_date"),
    [("", None), (None, None), ("2026-11-27T12:00:00Z", 1_795_780_800_000_000), ("soon", None)],
)
def test_the_strike_date_of_an_event_may_be_empty_or_unreadable(sent: str | None, strike_date: int | None) -> None:
    (row,) = flatten_event("A", {"strike_date": sent})["events"]
    assert row["strike_date"] == strike_date


@pytest.mark.parametrize(
    ("details", "status_group", "scores"),
    [
        ({"status": "closed", "home_points": 20, "away_points": 24, "widget_status": "finished"}, "ended", (20, 24)),
        ({"status": "inprogress", "home_points": 56, "away_points": 67, "widget_status": "live"}, "live", (56, 67)),
        ({"status": "live", "home_same_game_score": 0, "away_same_game_score": 1}, "live", (0, 1)),
        ({"status": "live", "competitor1_overall_score": "2", "competitor2_overall_score": 1}, "live", (2, 1)),
        ({"status": "no such word", "widget_status": "live"}, "live", (None, None)),
        ({"status": "no such word", "widget_status": "none"}, "unknown", (None, None)),
        ({"widget_status": "finished"}, "ended", (None, None)),
        ({"status": "Event Closed   (MaxOv:0) (Bet Delay:0 seconds)"}, "ended", (None, None)),
        ({}, None, (None, None)),
    ],
)
def test_status_and_score_of_live_data(
    details: dict[str, Any], status_group: str | None, scores: tuple[float | None, float | None]
) -> None:
    (row,) = flatten_live("id", {"details": details, "type": "x"})["live_data"]
    assert row["status_group"] == status_group
    assert (row["home_score"], row["away_score"]) == scores


def test_live_data_without_details_are_kept() -> None:
    tables = flatten_versions(LIVE_ENDPOINT, versions("milestone_id", {"details": None}, {}))
    assert tables["live_data"]["details"].to_pylist() == [None, None]
