"""The five stages as Dagster assets: each calls its stage and reports the result to Dagster.

No `from __future__ import annotations` here and in checks.py: Dagster reads the annotations at run time.
"""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
import msgspec

from pipelines.orchestration.config import SweepConfig
from pipelines.orchestration.endpoints import ENDPOINT_ASSETS
from pipelines.orchestration.keys import (
    CODE_VERSIONS,
    FLAT_KEYS,
    OWNERS,
    PAGES_KEY,
    POOL,
    PUBLISHED_GROUP,
    PUBLISHED_KEYS,
    RAW_GROUP,
    RECORDS_KEY,
    TABLES_GROUP,
    WAREHOUSE_GROUP,
    WAREHOUSE_KEY,
)
from pipelines.orchestration.metadata import (
    lineage,
    run_metadata,
    static_metadata,
    table_schema,
    typed_tables_metadata,
)
from pipelines.orchestration.resources import KalshiResource
from pipelines.orchestration.stage_checks import (
    DRIFT_CHECK,
    FIELDS_CHECK,
    RULES_CHECK,
    SHARE_CHECK,
    drift_check,
    fields_check,
    rules_check,
    share_check,
)
from pipelines.sweep.progress_listener import ProgressListener
from pipelines.sweep.staged_sweep import MAX_REFUSED_SHARE
from pipelines.sweep.stages import Stages
from schemas.api import EXPECTED_FIELDS
from schemas.tables import (
    FLAT_TABLES,
    MILESTONE_DETAILS,
    MILESTONE_TABLES,
    MILESTONE_VERSIONS,
    PAGES,
    RECORDS,
)

FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=26), warn_window=timedelta(minutes=30))
"""Warns after six missed polls; fails after a day without even the daily full sweep."""


@dg.asset(
    pool=POOL,
    key=PAGES_KEY,
    group_name=RAW_GROUP,
    owners=OWNERS,
    kinds={"python", "parquet"},
    code_version=CODE_VERSIONS["pages"],
    metadata=static_metadata(PAGES),
    description="Raw responses of the Kalshi API, stored page by page before they are decoded.",
)
def pages(
    config: SweepConfig,
    stages: dg.ResourceParam[Stages],
    kalshi: KalshiResource,
    progress: dg.ResourceParam[ProgressListener],
) -> dg.MaterializeResult[None]:
    """Fetch a sweep and land its pages."""
    with kalshi.client(stages.home) as api:
        landing = stages.land(api, config.request(), progress)
    sweep = landing.sweep
    return dg.MaterializeResult(
        data_version=dg.DataVersion(sweep.sweep_id),
        metadata=run_metadata(rows=sweep.pages, where=landing.folder)
        | {
            "sweep_id": sweep.sweep_id,
            "mode": sweep.mode,
            "filters": msgspec.to_builtins(sweep.filters),
            "requests": sweep.traffic.requests,
            "retries": sweep.traffic.retries,
            "rate_limited": sweep.traffic.rate_limited,
            "bytes": sweep.traffic.bytes,
            "not_found": sweep.not_found,
            "other_competitions": sweep.other_competitions,
            "archived": sweep.archived,
            "null_lists": sweep.null_lists,
        },
    )


@dg.asset(
    pool=POOL,
    key=RECORDS_KEY,
    deps=[PAGES_KEY],
    group_name=RAW_GROUP,
    owners=OWNERS,
    kinds={"python", "parquet"},
    code_version=CODE_VERSIONS["records"],
    metadata=static_metadata(RECORDS),
    description="Strictly decoded milestones, with canonical JSON and content hash; others are quarantined.",
    check_specs=[
        dg.AssetCheckSpec(
            FIELDS_CHECK,
            asset=RECORDS_KEY,
            description="Every record has the fields that the API documents as required: "
            f"{', '.join(EXPECTED_FIELDS)}.",
        )
    ],
)
def records(stages: dg.ResourceParam[Stages]) -> Iterator[dg.MaterializeResult[None]]:
    """Decode the landed pages."""
    sweep, decoded = stages.stage_records()
    yield dg.MaterializeResult(
        data_version=dg.DataVersion(sweep.sweep_id),
        metadata=run_metadata(rows=decoded.decoded, where=stages.home.staging(sweep.sweep_id))
        | {
            "sweep_id": sweep.sweep_id,
            "received": decoded.received,
            "quarantined": decoded.quarantined,
            "missing_fields": decoded.missing_fields,
            "unknown_fields": decoded.unknown_fields,
            "dagster/column_lineage": lineage(RECORDS, {"": [(PAGES_KEY, "body")]}),
        },
        check_results=[fields_check(decoded)],
    )


@dg.multi_asset(
    pool=POOL,
    specs=[
        dg.AssetSpec(
            FLAT_KEYS[table.name],
            deps=[RECORDS_KEY],
            group_name=TABLES_GROUP,
            owners=OWNERS,
            kinds={"python", "arrow", "pandera"},
            code_version=CODE_VERSIONS["tables"],
            # No dagster/table_name: only the published asset is a table that can be queried.
            metadata={"dagster/column_schema": table_schema(table)},
            description=f"Staged: {table.description} New and changed milestones of one sweep, validated.",
        )
        for table in FLAT_TABLES
    ],
    check_specs=[
        *(
            dg.AssetCheckSpec(
                RULES_CHECK,
                asset=FLAT_KEYS[table.name],
                description="pandera: " + "; ".join(rule.description for rule in table.all_rules),
            )
            for table in FLAT_TABLES
        ),
        dg.AssetCheckSpec(
            SHARE_CHECK,
            asset=FLAT_KEYS[FLAT_TABLES[0].name],
            blocking=True,
            description=f"At most {MAX_REFUSED_SHARE:.0%} of a sweep's records are refused.",
        ),
        dg.AssetCheckSpec(
            DRIFT_CHECK,
            asset=FLAT_KEYS[MILESTONE_DETAILS.name],
            description="The details of known types have no new field and no new kind.",
        ),
    ],
)
def tables(stages: dg.ResourceParam[Stages]) -> Iterator[dg.MaterializeResult[None]]:
    """Flatten and validate new and changed milestones."""
    sweep, summary = stages.stage_tables()
    for table in FLAT_TABLES:
        checks = [rules_check(table.name, summary)]
        if table is FLAT_TABLES[0]:
            checks.append(share_check(summary))
        if table is MILESTONE_DETAILS:
            checks.append(drift_check(summary))
        yield dg.MaterializeResult(
            asset_key=FLAT_KEYS[table.name],
            data_version=dg.DataVersion(sweep.sweep_id),
            metadata=run_metadata(
                rows=summary.flattened.rows.get(table.name, 0), where=stages.home.staging(sweep.sweep_id)
            )
            | {
                "sweep_id": sweep.sweep_id,
                "dagster/column_lineage": lineage(table, {"": [(RECORDS_KEY, "record")]}),
            },
            check_results=checks,
        )


@dg.asset(
    pool=POOL,
    key=WAREHOUSE_KEY,
    deps=list(FLAT_KEYS.values()),
    group_name=WAREHOUSE_GROUP,
    owners=OWNERS,
    kinds={"duckdb"},
    code_version=CODE_VERSIONS["warehouse"],
    metadata={"dagster/column_schema": table_schema(MILESTONE_VERSIONS)},
    description="The private DuckDB file: version log, derived tables and ledger, loaded in one transaction.",
)
def warehouse(stages: dg.ResourceParam[Stages]) -> dg.MaterializeResult[None]:
    """Load the staged sweep."""
    ledger = stages.load()
    from_records = {
        name: [(RECORDS_KEY, name)] for name in ("milestone_id", "content_hash", "last_updated_ts", "record")
    }
    rows, typed_tables = stages.loaded()
    return dg.MaterializeResult(
        data_version=dg.DataVersion(ledger.sweep_id),
        metadata=run_metadata(rows=rows[MILESTONE_VERSIONS.name], where=stages.home.warehouse_file)
        | {
            "typed_tables": typed_tables_metadata(typed_tables),
            "sweep_id": ledger.sweep_id,
            "new": ledger.new,
            "changed": ledger.changed,
            "unchanged": ledger.unchanged,
            "superseded": ledger.superseded,
            "vanished": ledger.vanished,
            "quarantined": ledger.quarantined,
            "watermark": ledger.watermark.isoformat() if ledger.watermark else None,
            "dagster/column_lineage": lineage(
                MILESTONE_VERSIONS, from_records | {"valid_from": [(PAGES_KEY, "fetched_at")]}
            ),
        },
    )


@dg.multi_asset(
    pool=POOL,
    specs=[
        dg.AssetSpec(
            PUBLISHED_KEYS[table.name],
            deps=[WAREHOUSE_KEY],
            group_name=PUBLISHED_GROUP,
            owners=OWNERS,
            kinds={"duckdb", "parquet"},
            code_version=CODE_VERSIONS["published"],
            metadata=static_metadata(table),
            description=f"Published: {table.description} In the DuckDB file and as Parquet.",
            # Publish after every load, also of the warehouse alone, but never after a failed blocking check.
            automation_condition=dg.AutomationCondition.eager()
            & dg.AutomationCondition.all_deps_blocking_checks_passed(),
            freshness_policy=FRESHNESS,
        )
        for table in MILESTONE_TABLES
    ],
)
def published(stages: dg.ResourceParam[Stages]) -> Iterator[dg.MaterializeResult[None]]:
    """Publish the warehouse."""
    snapshot = stages.publish()
    for table in MILESTONE_TABLES:
        made_from = FLAT_KEYS.get(table.name) or (WAREHOUSE_KEY if table is MILESTONE_VERSIONS else None)
        upstream = {c.name: [(made_from, c.name)] for c in table.columns} if made_from else {}
        yield dg.MaterializeResult(
            asset_key=PUBLISHED_KEYS[table.name],
            data_version=dg.DataVersion(snapshot.data_version(table.name)),
            metadata=run_metadata(rows=snapshot.rows[table.name], where=snapshot.folder / table.name)
            | {"snapshot": snapshot.manifest.snapshot, "dagster/column_lineage": lineage(table, upstream)},
        )


ALL_ASSETS = [pages, records, tables, warehouse, published, *ENDPOINT_ASSETS]
