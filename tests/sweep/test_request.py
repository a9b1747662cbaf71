"""Sweep requests: which mode they come to, and when an earlier sweep is resumed or reused."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.storage.home import Home
from pipelines.storage.landing import MAX_AGE_TO_RESUME, Filters, Landing
from pipelines.sweep.request import SweepRequest, begin, plan_sweep
from pipelines.warehouse.database import Warehouse
from tests.support import NOON


@pytest.mark.parametrize(
    ("request_", "watermark", "mode"),
    [
        ({}, None, "full"),
        ({}, NOON, "incremental"),
        ({"mode": "full"}, NOON, "full"),
        ({"mode": "incremental"}, None, "full"),
        ({"mode": "incremental"}, NOON, "incremental"),
        ({"ids": ("a",)}, NOON, "by_id"),
        ({"category": "Sports"}, NOON, "partial"),
        ({"type": "football_game"}, None, "partial"),
        ({"since": NOON}, NOON, "partial"),
        ({"until": NOON}, NOON, "partial"),
        ({"event": "KX"}, NOON, "partial"),
        ({"source_id": "s"}, NOON, "partial"),
        ({"competition": "NFL"}, NOON, "partial"),
        ({"max_pages": 1}, NOON, "incremental"),
        ({"mode": "retry"}, NOON, "retry"),
    ],
    ids=str,
)
def test_the_mode_of_a_request(request_: dict[str, Any], watermark: datetime | None, mode: str) -> None:
    assert SweepRequest(**request_).mode_after(watermark) == mode


def test_filters_are_the_parameters_of_the_api() -> None:
    later = NOON + timedelta(days=1)
    request = SweepRequest(
        category="Sports", type="x", event="KX", source_id="s", competition="NFL", since=NOON, until=later
    )
    assert request.filters == Filters(
        category="Sports",
        type="x",
        related_event_ticker="KX",
        source_id="s",
        competition="NFL",
        minimum_start_date=NOON,
        maximum_start_date=later,
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.preflight()
    return home


def begun(home: Home, *, now: datetime = NOON, **request: Any) -> Landing:
    return begin(home, Warehouse(home), SweepRequest(**request), now=now)


def interrupted(home: Home, mode: str = "full", **filters: Any) -> str:
    """Land a sweep that was killed while it fetched."""
    landing = Landing.begin(home.raw, mode=mode, filters=Filters(**filters), ids=[], now=NOON)  # type: ignore[arg-type]
    landing.save()
    return landing.sweep.sweep_id


def test_an_interrupted_sweep_of_the_same_kind_is_resumed(home: Home) -> None:
    sweep_id = interrupted(home)
    assert begun(home).sweep.sweep_id == sweep_id


def test_an_interrupted_sweep_of_another_kind_is_not_resumed(home: Home) -> None:
    sweep_id = interrupted(home, "partial", category="Sports")
    assert begun(home, category="Politics").sweep.sweep_id != sweep_id
    assert begun(home).sweep.mode == "full"


def test_an_old_sweep_is_not_resumed(home: Home) -> None:
    sweep_id = interrupted(home)
    later = NOON + MAX_AGE_TO_RESUME + timedelta(seconds=1)
    assert begun(home, now=later).sweep.sweep_id != sweep_id


def test_a_filtered_sweep_is_resumed_with_the_same_filters_only(home: Home) -> None:
    sweep_id = interrupted(home, "partial", related_event_ticker="KX", maximum_start_date=NOON)
    assert begun(home, event="KX", until=NOON).sweep.sweep_id == sweep_id
    assert begun(home, event="KX").sweep.sweep_id != sweep_id


def test_a_sweep_that_was_cut_is_never_reused(home: Home) -> None:
    landing = Landing.begin(home.raw, mode="partial", filters=Filters(category="x"), ids=[], now=NOON)
    landing.sweep.state, landing.sweep.landed_at = "landed", NOON
    landing.save()
    assert begun(home, category="x").sweep.sweep_id == landing.sweep.sweep_id
    landing.sweep.is_cut = True
    landing.save()
    assert begun(home, category="x").sweep.sweep_id != landing.sweep.sweep_id


def test_a_plan_writes_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    planned = plan_sweep(home, SweepRequest(), watermark=NOON, newest=None, now=NOON, overlap_seconds=60)
    assert (planned.mode, planned.filters.min_updated_ts, planned.resumed) == (
        "incremental",
        int(NOON.timestamp()) - 60,
        None,
    )
    assert not home.root.exists()


@pytest.mark.parametrize(
    "request_", [{"ids": ("a",)}, {"mode": "retry"}, {"max_pages": 2}], ids=["by id", "retry", "some pages"]
)
def test_some_requests_always_begin_a_sweep(home: Home, request_: dict[str, Any]) -> None:
    sweep_id = interrupted(home)
    assert begun(home, **request_).sweep.sweep_id != sweep_id
