"""The Dagster definitions. Tests and the command line replace resources: `build_defs(kalshi=...)`."""

from __future__ import annotations

import warnings
from typing import Any

import dagster as dg

from pipelines.orchestration.assets import ALL_ASSETS
from pipelines.orchestration.checks import ALL_CHECKS
from pipelines.orchestration.endpoints import EndpointsResource
from pipelines.orchestration.jobs import ALL_JOBS
from pipelines.orchestration.resources import HomeResource, KalshiResource
from pipelines.orchestration.schedules import ALL_SCHEDULES
from pipelines.orchestration.sensors import ALL_SENSORS
from pipelines.sweep.progress_listener import NullProgress


def build_defs(**overrides: Any) -> dg.Definitions:
    """All assets, checks, jobs, schedules, sensors and resources; `overrides` replaces resources by name."""
    return dg.Definitions(
        assets=_with_code_references(),
        asset_checks=ALL_CHECKS,
        jobs=ALL_JOBS,
        schedules=ALL_SCHEDULES,
        sensors=ALL_SENSORS,
        resources={"stages": HomeResource(), "kalshi": KalshiResource(), "progress": NullProgress()}
        | {"endpoints": EndpointsResource()}
        | overrides,
        # In process: starting a process for each step takes seven times as long as the run.
        executor=dg.in_process_executor,
    )


def _with_code_references() -> list[dg.AssetsDefinition]:
    """The assets, each with a link to its source lines."""
    with warnings.catch_warnings():
        # Beta in Dagster 1.13, which is pinned; a breaking change would only affect these links.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return [asset for asset in dg.with_source_code_references(ALL_ASSETS) if isinstance(asset, dg.AssetsDefinition)]


@dg.definitions
def defs() -> dg.Definitions:
    """The entry point that Dagster loads."""
    return build_defs()
