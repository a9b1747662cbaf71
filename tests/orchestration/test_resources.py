"""The Dagster resources: what comes from the environment reaches the stages and the client."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from pipelines.errors import WrongSetting
from pipelines.orchestration.resources import HomeResource, KalshiResource
from pipelines.storage.retention import Retention


def test_retention_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = HomeResource(path=str(tmp_path))
    for variable in ("MILESTONES_KEEP_SNAPSHOTS", "MILESTONES_KEEP_SWEEPS"):
        monkeypatch.setenv(variable, "")
    with home.yield_for_execution(dg.build_init_resource_context()) as stages:
        assert stages.retention == Retention(3, timedelta(hours=1), 20, timedelta(days=7))
    monkeypatch.setenv("MILESTONES_KEEP_SNAPSHOTS", "1")
    monkeypatch.setenv("MILESTONES_KEEP_SWEEPS", " 500\n")
    with home.yield_for_execution(dg.build_init_resource_context()) as stages:
        assert stages.retention == Retention(snapshots=1, sweeps=500)


def test_a_wrong_setting_fails_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILESTONES_KEEP_RUNS", "0")
    with (
        pytest.raises(WrongSetting, match="MILESTONES_KEEP_RUNS is '0': give a whole number, 1 or more"),
        HomeResource(path=str(tmp_path)).yield_for_execution(dg.build_init_resource_context()),
    ):
        raise AssertionError("the resource was made")


def test_configuration_of_the_client_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KALSHI_PAGE_LIMIT", "200")
    monkeypatch.setenv("KALSHI_BASE_URL", "http://127.0.0.1:1/trade-api/v2")
    with KalshiResource().client() as client:
        assert client.page_limit == 200
    with KalshiResource(page_limit=100).client() as client:
        assert client.page_limit == 100
