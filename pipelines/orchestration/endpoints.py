"""The endpoints beside milestones in Dagster: one asset for each published table, one job and one schedule for each.

They are made from `schemas.endpoints.ENDPOINTS`: an endpoint more costs nothing here. No `from __future__ import
annotations`: Dagster reads the annotations at run time.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from pipelines.endpoints.refresh import EndpointRefresh
from pipelines.orchestration.keys import CODE_VERSIONS, OWNERS, PUBLISHED_GROUP, PUBLISHED_KEYS, refresh_job_name
from pipelines.orchestration.metadata import lineage, run_metadata, static_metadata
from pipelines.orchestration.resources import KalshiResource, utc_now
from pipelines.orchestration.run_history import fail_dead_runs
from pipelines.reading.connection import NothingPublished
from pipelines.settings import Settings
from pipelines.storage.home import Home, expanded
from pipelines.storage.retention import Retention
from pipelines.warehouse.endpoints import EndpointLedgerRow
from schemas.endpoint import Endpoint
from schemas.endpoints import ENDPOINTS
from schemas.table import Table
from schemas.tables import MILESTONE_ENTITIES, MILESTONE_EVENTS, MILESTONES

REFUSED_CHECK = "records_fit"
_DAY = timedelta(days=1)


def refresh_of(home: Home, endpoint: Endpoint) -> EndpointRefresh:
    """The refresh of an endpoint with the settings of the environment. Raises WrongSetting."""
    settings = Settings.from_environment()
    return EndpointRefresh(
        home,
        endpoint,
        now=utc_now,
        max_requests=settings.endpoint_requests,
        overlap_seconds=settings.overlap_seconds,
        retention=Retention(snapshots=settings.keep_snapshots, sweeps=settings.keep_sweeps),
        lake=settings.data_lake(),
    )


class EndpointsResource(dg.ConfigurableResource[None]):
    """The home folder of refreshes. It takes no lock: a refresh holds the writer's only to load and publish."""

    path: str | None = Field(default=None, description="The home folder; default: $MILESTONES_HOME or ./data.")

    def home(self) -> Home:
        """The home folder, checked to be writable. Raises HomeUnusable."""
        home = Home(expanded(self.path).absolute()) if self.path else Home.from_environment()
        home.preflight()
        return home


def _freshness(endpoint: Endpoint) -> dg.FreshnessPolicy | None:
    """None where sweeps come only when milestones name something new, or are live."""
    listing = endpoint.listing
    if listing is None:
        return None
    window = _DAY if listing.every is None else listing.every
    return dg.FreshnessPolicy.time_window(fail_window=window + _DAY)


def _asset(endpoint: Endpoint) -> dg.AssetsDefinition:
    tables = (endpoint.log, *endpoint.tables)
    named_by = {"targets": MILESTONE_ENTITIES, "events": MILESTONE_EVENTS, "live": MILESTONES}.get(endpoint.name)

    def upstream(table: Table) -> dict[str, list[tuple[dg.AssetKey, str]]]:
        """Tables are flattened from the records of the log, which come from the API."""
        return {} if table is endpoint.log else {"": [(PUBLISHED_KEYS[endpoint.log.name], "record")]}

    @dg.multi_asset(
        name=f"refresh_{endpoint.name}",
        pool=f"refresh_{endpoint.name}",
        specs=[
            dg.AssetSpec(
                PUBLISHED_KEYS[table.name],
                deps=[PUBLISHED_KEYS[named_by.name]] if named_by else [],
                group_name=PUBLISHED_GROUP,
                owners=OWNERS,
                kinds={"duckdb", "parquet"},
                code_version=CODE_VERSIONS["endpoints"],
                metadata=static_metadata(table),
                description=f"Published: {table.description} In the DuckDB file and as Parquet.",
                freshness_policy=_freshness(endpoint),
                # A refresh with nothing to request materializes nothing.
                skippable=True,
            )
            for table in tables
        ],
        check_specs=[
            dg.AssetCheckSpec(
                REFUSED_CHECK,
                asset=PUBLISHED_KEYS[endpoint.log.name],
                description=f"No record of the {endpoint.title} was refused in this sweep.",
            )
        ],
    )
    def refresh(
        context: dg.AssetExecutionContext, endpoints: EndpointsResource, kalshi: KalshiResource
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        home = endpoints.home()
        # Those of other jobs hold another lock, so that only the next sweep can tell.
        own_job = refresh_job_name(endpoint)
        fail_dead_runs(context.instance, home, own_run_id=context.run.run_id, now=utc_now(), job_name=own_job)
        with kalshi.client(home) as api:
            result = refresh_of(home, endpoint).run(api)
        if result is None:
            # Only assets can be skipped.
            yield dg.AssetCheckResult(
                check_name=REFUSED_CHECK,
                asset_key=PUBLISHED_KEYS[endpoint.log.name],
                passed=True,
                description="Nothing was requested.",
            )
            return
        row, snapshot = result
        for table in tables:
            yield dg.MaterializeResult(
                asset_key=PUBLISHED_KEYS[table.name],
                data_version=dg.DataVersion(snapshot.data_version(table.name)),
                metadata=run_metadata(rows=snapshot.rows[table.name], where=snapshot.folder / table.name)
                | {"snapshot": snapshot.manifest.snapshot, "dagster/column_lineage": lineage(table, upstream(table))}
                | _counts(row),
                check_results=[_check(row)] if table is endpoint.log else [],
            )

    return refresh


def _counts(row: EndpointLedgerRow) -> dict[str, Any]:
    return {
        "sweep_id": row.sweep_id,
        "mode": row.mode,
        "records": row.records,
        "new": row.new,
        "changed": row.changed,
        "unchanged": row.unchanged,
        "superseded": row.superseded,
        "quarantined": row.quarantined,
        "requested_keys": row.requested_keys,
        "unknown_keys": row.unknown_keys,
        "remaining_keys": row.remaining_keys,
        "requests": row.requests,
        "retries": row.retries,
    }


def _check(row: EndpointLedgerRow) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=REFUSED_CHECK,
        passed=row.quarantined == 0,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{row.quarantined} of {row.records} records were refused: see the table endpoint_quarantine."
        if row.quarantined
        else None,
        metadata={"quarantined": row.quarantined},
    )


def _schedule(endpoint: Endpoint, job: Any) -> dg.ScheduleDefinition:
    def evaluate(_: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Skip if there is nothing to request, or the settings leave the endpoint out."""
        if endpoint not in Settings.from_environment().kept_endpoints():
            return dg.SkipReason(f"MILESTONES_ENDPOINTS leaves {endpoint.name} out")
        try:
            is_due = refresh_of(Home.from_environment(), endpoint).is_due()
        except NothingPublished as error:
            return dg.SkipReason(str(error))
        return dg.RunRequest() if is_due else dg.SkipReason(f"no {endpoint.title} to request")

    return dg.ScheduleDefinition(
        name=refresh_job_name(endpoint),
        job=job,
        cron_schedule=endpoint.cron,
        execution_timezone="UTC",
        execution_fn=evaluate,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=f"Refreshes {endpoint.title} when there is something to request.",
    )


ENDPOINT_ASSETS = [_asset(endpoint) for endpoint in ENDPOINTS]

ENDPOINT_JOBS: list[Any] = [
    dg.define_asset_job(
        refresh_job_name(endpoint),
        selection=dg.AssetSelection.assets(*(PUBLISHED_KEYS[table.name] for table in (endpoint.log, *endpoint.tables))),
        description=f"Refreshes {endpoint.title}: plan, fetch, load, publish.",
    )
    for endpoint in ENDPOINTS
]

ENDPOINT_SCHEDULES = [_schedule(endpoint, job) for endpoint, job in zip(ENDPOINTS, ENDPOINT_JOBS, strict=True)]
