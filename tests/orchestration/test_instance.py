"""The Dagster instance: its storage is below the home folder, its settings are those of the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dagster._core.instance.config import PoolGranularity

from pipelines.orchestration.instance import INSTANCE_FILE, point_dagster_at
from pipelines.orchestration.run_history import open_history
from pipelines.project_files import CHECKOUT
from pipelines.storage.home import Home


def test_dagster_uses_the_home_folder_with_current_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "/nowhere")
    home = Home(tmp_path / 'quoted "home"')
    home.dagster.mkdir(parents=True)
    copy = home.dagster / INSTANCE_FILE
    copy.write_text("of an earlier version")
    for _ in range(2):
        point_dagster_at(home)
        assert os.environ["DAGSTER_HOME"] == str(home.dagster)
        assert copy.read_text().startswith((CHECKOUT / INSTANCE_FILE).read_text())
        with open_history(home) as instance:
            assert instance.run_storage.has_run("1") is False
        assert (home.dagster / "history" / "runs.db").is_file()


def test_one_run_writes_at_a_time_and_a_run_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "/nowhere")
    home = Home(tmp_path)
    point_dagster_at(home)
    with open_history(home) as instance:
        concurrency = instance.get_concurrency_config().pool_config
        assert (concurrency.default_pool_limit, concurrency.pool_granularity) == (1, PoolGranularity.RUN)
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_max_runtime_seconds == 7_200
        # Failures inside a run are retried by the HTTP client only.
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure
