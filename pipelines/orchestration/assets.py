"""The five stages as assets: thin shims that turn a stage's result into what Dagster shows.

No postponed annotations here and in checks.py: Dagster reads them as they stand.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import dagster as dg
import msgspec
from pydantic import Field

from pipelines.errors import WrongUse
from pipelines.orchestration.metadata import lineage, run_metadata, static_metadata, table_schema
from pipelines.orchestration.resources import KalshiResource
from pipelines.staging.stage_records import Decoded
from pipelines.sweep.progress_listener import ProgressListener
from pipelines.sweep.request import SweepRequest
from pipelines.sweep.staged_sweep import MAX_REFUSED_SHARE, StagedSweep
from pipelines.sweep.stages import Stages
from pipelines.wording import counted
from schemas.api import EXPECTED_FIELDS
from schemas.tables import (
    FLAT_TABLES,
    MILESTONE_DETAILS,
    MILESTONE_VERSIONS,
    PAGES,
    PUBLISHED_TABLES,
    RECORDS,
    SCHEMA_VERSION,
)

CODE_VERSION = f"schema-{SCHEMA_VERSION}"
RAW_GROUP, TABLES_GROUP, WAREHOUSE_GROUP, PUBLISHED_GROUP = "raw", "tables", "warehouse", "published"
OWNERS = ["team:milestones"]

PAGES_KEY = dg.AssetKey("pages")
RECORDS_KEY = dg.AssetKey("records")
WAREHOUSE_KEY = dg.AssetKey("warehouse")
FLAT_KEYS = {table.name: dg.AssetKey(["tables", table.name]) for table in FLAT_TABLES}
PUBLISHED_KEYS = {table.name: dg.AssetKey(["published", table.name]) for table in PUBLISHED_TABLES}

FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=26), warn_window=timedelta(minutes=30))
"""Six missed polls are worth a look; a day without even the daily full sweep is a fault."""

POOL = "milestones_writer"
"""One at a time, limited in dagster.yaml; the kernel lock on the home is what really keeps two writers apart."""

RULES_CHECK = "rows_keep_rules"
FIELDS_CHECK = "expected_fields_are_there"
SHARE_CHECK = "refused_share"
DRIFT_CHECK = "details_keep_their_shape"


class SweepMode(StrEnum):
    """Which sweep to run."""

    AUTO = "auto"
    FULL = "full"
    INCREMENTAL = "incremental"
    RETRY = "retry"


class SweepConfig(dg.Config):
    """What to fetch; by default what changed since the last sweep, everything when there was none."""

    mode: SweepMode = Field(
        default=SweepMode.AUTO,
        description="auto: incremental once a full sweep was loaded; retry: the quarantine, not the API.",
    )
    ids: list[str] = Field(default_factory=list, description="Fetch just these milestones.")
    category: str | None = Field(default=None, description="Fetch just this category, as the API spells it.")
    type: str | None = Field(default=None, description="Fetch just this type.")
    allow_shrink: bool = Field(default=False, description="Believe a full sweep that brings far fewer milestones.")
    start_anew: bool = Field(
        default=False, description="Make a new warehouse, without history, where the one before was lost."
    )
    since: str | None = Field(
        default=None, description="Fetch what starts at or after this ISO 8601 date or time (UTC)."
    )

    def request(self) -> SweepRequest:
        """The request that the stages understand. Raises WrongUse."""
        if self.ids and (self.category or self.type or self.since):
            raise WrongUse("ids stand alone: leave category, type and since out")
        return SweepRequest(
            mode=self.mode.value,
            ids=tuple(dict.fromkeys(self.ids)),
            category=self.category,
            type=self.type,
            allow_shrink=self.allow_shrink,
            start_anew=self.start_anew,
            since=None if self.since is None else _time(self.since),
        )


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise WrongUse(f"{text!r} is not a date or time: write 2026-11-23 or 2026-11-23T18:00:00Z") from error


@dg.asset(
    pool=POOL,
    key=PAGES_KEY,
    group_name=RAW_GROUP,
    owners=OWNERS,
    kinds={"python", "parquet"},
    code_version=CODE_VERSION,
    metadata=static_metadata(PAGES),
    description="Raw answers of the Kalshi API, landed page by page before anything reads them.",
)
def pages(
    config: SweepConfig,
    stages: dg.ResourceParam[Stages],
    kalshi: KalshiResource,
    progress: dg.ResourceParam[ProgressListener],
) -> dg.MaterializeResult[None]:
    """Fetch a sweep."""
    with kalshi.client() as api:
        landing = stages.land(api, config.request(), progress)
    sweep = landing.sweep
    return dg.MaterializeResult(
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
            "archived": sweep.archived,
            "null_lists": sweep.null_lists,
        }
    )


@dg.asset(
    pool=POOL,
    key=RECORDS_KEY,
    deps=[PAGES_KEY],
    group_name=RAW_GROUP,
    owners=OWNERS,
    kinds={"python", "parquet"},
    code_version=CODE_VERSION,
    metadata=static_metadata(RECORDS),
    description="Milestones decoded strictly, with canonical JSON and content hash; what does not fit is quarantined.",
    check_specs=[
        dg.AssetCheckSpec(
            FIELDS_CHECK,
            asset=RECORDS_KEY,
            description=f"Every record has the fields that the API calls required: {', '.join(EXPECTED_FIELDS)}.",
        )
    ],
)
def records(stages: dg.ResourceParam[Stages]) -> Iterator[dg.MaterializeResult[None]]:
    """Decode the landed pages."""
    sweep, decoded = stages.stage_records()
    yield dg.MaterializeResult(
        metadata=run_metadata(rows=decoded.decoded, where=stages.home.staging(sweep.sweep_id))
        | {
            "sweep_id": sweep.sweep_id,
            "received": decoded.received,
            "quarantined": decoded.quarantined,
            "missing_fields": decoded.missing_fields,
            "unknown_fields": decoded.unknown_fields,
            "dagster/column_lineage": lineage(RECORDS, {"": [(PAGES_KEY, "body")]}),
        },
        check_results=[_fields_check(decoded)],
    )


def _fields_check(decoded: Decoded) -> dg.AssetCheckResult:
    """A record without an expected field is stored, its columns NULL: a warning, since readers may count on them."""
    missing = dict(sorted(decoded.missing_fields.items()))
    return dg.AssetCheckResult(
        check_name=FIELDS_CHECK,
        asset_key=RECORDS_KEY,
        passed=not missing,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(f"{name} is missing from {count} of {decoded.decoded}" for name, count in missing.items())
        or None,
        metadata={"missing_fields": missing},
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
            code_version=CODE_VERSION,
            # The published asset has the table's name: this one is no table that can be queried.
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
            description="The details of known types show no field and no kind that they never had before.",
        ),
    ],
)
def tables(stages: dg.ResourceParam[Stages]) -> Iterator[dg.MaterializeResult[None]]:
    """Flatten and validate what is new."""
    sweep, summary = stages.stage_tables()
    for table in FLAT_TABLES:
        checks = [_rules_check(table.name, summary)]
        if table is FLAT_TABLES[0]:
            checks.append(_share_check(summary))
        if table is MILESTONE_DETAILS:
            checks.append(_drift_check(summary))
        yield dg.MaterializeResult(
            asset_key=FLAT_KEYS[table.name],
            metadata=run_metadata(
                rows=summary.flattened.rows.get(table.name, 0), where=stages.home.staging(sweep.sweep_id)
            )
            | {
                "sweep_id": sweep.sweep_id,
                "dagster/column_lineage": lineage(table, {"": [(RECORDS_KEY, "record")]}),
            },
            check_results=checks,
        )


def _rules_check(table: str, summary: StagedSweep) -> dg.AssetCheckResult:
    """A record with a row that breaks a rule is refused whole: a warning, since the rest goes on."""
    broken = {rule: count for rule, count in summary.flattened.breaches.items() if rule.startswith(f"{table}.")}
    return dg.AssetCheckResult(
        check_name=RULES_CHECK,
        asset_key=FLAT_KEYS[table],
        passed=not broken,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(f"{counted(count, 'record')} refused by {rule}" for rule, count in broken.items())
        or None,
        metadata={"breaches": broken},
    )


def _drift_check(summary: StagedSweep) -> dg.AssetCheckResult:
    """Drift is taken in, unless a contract says otherwise; somebody should look at it all the same."""
    return dg.AssetCheckResult(
        check_name=DRIFT_CHECK,
        asset_key=FLAT_KEYS[MILESTONE_DETAILS.name],
        passed=not summary.drift,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(summary.drift[:5]) or None,
        metadata={"drift": summary.drift[:100], "drift_count": len(summary.drift)},
    )


def _share_check(summary: StagedSweep) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=SHARE_CHECK,
        asset_key=FLAT_KEYS[FLAT_TABLES[0].name],
        passed=summary.refusal is None,
        severity=dg.AssetCheckSeverity.ERROR,
        description=summary.refusal,
        metadata={
            "received": summary.decoded.received,
            "quarantined": summary.quarantined,
            "share": summary.refused_share,
        },
    )


@dg.asset(
    pool=POOL,
    key=WAREHOUSE_KEY,
    deps=list(FLAT_KEYS.values()),
    group_name=WAREHOUSE_GROUP,
    owners=OWNERS,
    kinds={"duckdb"},
    code_version=CODE_VERSION,
    metadata={"dagster/column_schema": table_schema(MILESTONE_VERSIONS)},
    description="The private DuckDB file: version log, derived tables and ledger, committed in one transaction.",
)
def warehouse(stages: dg.ResourceParam[Stages]) -> dg.MaterializeResult[None]:
    """Load the sweep."""
    ledger = stages.load()
    from_records = {
        name: [(RECORDS_KEY, name)] for name in ("milestone_id", "content_hash", "last_updated_ts", "record")
    }
    return dg.MaterializeResult(
        metadata=run_metadata(rows=stages.rows()[MILESTONE_VERSIONS.name], where=stages.home.warehouse_file)
        | {
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
        }
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
            code_version=CODE_VERSION,
            metadata=static_metadata(table),
            description=f"Published: {table.description} In the DuckDB file, and as Parquet.",
            # Publishing follows loading, also where the warehouse was materialized alone; never past a failed check.
            automation_condition=dg.AutomationCondition.eager()
            & dg.AutomationCondition.all_deps_blocking_checks_passed(),
            freshness_policy=FRESHNESS,
        )
        for table in PUBLISHED_TABLES
    ],
)
def published(stages: dg.ResourceParam[Stages]) -> Iterator[dg.MaterializeResult[None]]:
    """Publish the warehouse."""
    snapshot = stages.publish()
    for table in PUBLISHED_TABLES:
        made_from = FLAT_KEYS.get(table.name) or (WAREHOUSE_KEY if table is MILESTONE_VERSIONS else None)
        upstream = {c.name: [(made_from, c.name)] for c in table.columns} if made_from else {}
        yield dg.MaterializeResult(
            asset_key=PUBLISHED_KEYS[table.name],
            metadata=run_metadata(rows=snapshot.rows[table.name], where=snapshot.folder / table.name)
            | {"snapshot": snapshot.manifest.snapshot, "dagster/column_lineage": lineage(table, upstream)},
        )


ALL_ASSETS = [pages, records, tables, warehouse, published]
