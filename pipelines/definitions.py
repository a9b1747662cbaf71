"""The whole graph on one page; `build_defs(kalshi=...)` swaps a part, in tests and in the CLI."""

from __future__ import annotations

from typing import Any

import dagster as dg

from pipelines.orchestration.assets import ALL_ASSETS
from pipelines.orchestration.checks import ALL_CHECKS
from pipelines.orchestration.jobs import ALL_JOBS
from pipelines.orchestration.resources import HomeResource, KalshiResource
from pipelines.orchestration.schedules import ALL_SCHEDULES
from pipelines.orchestration.sensors import ALL_SENSORS
from pipelines.sweep.progress_listener import NullProgress


def build_defs(**overrides: Any) -> dg.Definitions:
    """Assets, checks, jobs, schedules, sensors and resources; `overrides` replaces resources by name."""
    return dg.Definitions(
        assets=ALL_ASSETS,
        asset_checks=ALL_CHECKS,
        jobs=ALL_JOBS,
        schedules=ALL_SCHEDULES,
        sensors=ALL_SENSORS,
        resources={"stages": HomeResource(), "kalshi": KalshiResource(), "progress": NullProgress()} | overrides,
        # One process: on one machine starting a process for each step costs seven times the run.
        executor=dg.in_process_executor,
    )


defs = build_defs()
