"""Sweep requests: which mode they come to, and when an earlier sweep is resumed or reused."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.storage.home import Home
from pipelines.storage.landing import MAX_AGE_TO_RESUME, Filters, Landing
from pipelines.sweep.request import SweepRequest, begin
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
        ({"mode": "retry"}, NOON, "retry"),
    ],
    ids=str,
)
def test_the_mode_of_a_request(request_: dict[str, Any], watermark: datetime | None, mode: str) -> None:
    assert SweepRequest(**request_).mode_after(watermark) == mode


def test_filters_are_the_parameters_of_the_api() -> None:
    request = SweepRequest(category="Sports", type="football_game", since=NOON)
    assert request.filters == Filters(category="Sports", type="football_game", minimum_start_date=NOON)


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


@pytest.mark.parametrize("request_", [{"ids": ("a",)}, {"mode": "retry"}], ids=["by id", "retry"])
def test_requests_by_id_and_retries_always_begin_a_sweep(home: Home, request_: dict[str, Any]) -> None:
    sweep_id = interrupted(home)
    assert begun(home, **request_).sweep.sweep_id != sweep_id
