"""Checks of the whole warehouse after a load: failed audits block the publish, monitors only warn."""

from collections.abc import Iterator
from itertools import groupby

import dagster as dg

from pipelines.orchestration.keys import WAREHOUSE_KEY
from pipelines.publish.manifest import published_sweep
from pipelines.sweep.stages import Stages
from pipelines.warehouse.audits import Audit, audits, check_new_rows, check_typed_tables, limit_to_touched, run
from pipelines.warehouse.monitors import MONITORS, evaluate
from schemas.tables import DETAILS_FIELDS


def _table_of(audit: Audit) -> str:
    return audit.table


AUDITS_BY_TABLE = {table: list(of_table) for table, of_table in groupby(sorted(audits(), key=_table_of), key=_table_of)}


def _check_name(table: str) -> str:
    return f"{table}_is_sound"


# One check for each table and not for each audit: every check costs Dagster two commits.
@dg.multi_asset_check(
    name="warehouse_audit",
    specs=[
        dg.AssetCheckSpec(
            _check_name(table),
            asset=WAREHOUSE_KEY,
            blocking=True,
            description=f"{table}: " + "; ".join(audit.description for audit in of_table) + "; the rules of pandera",
        )
        for table, of_table in AUDITS_BY_TABLE.items()
    ],
)
def warehouse_audit(stages: dg.ResourceParam[Stages]) -> Iterator[dg.AssetCheckResult]:
    """Run every audit, grouped by table."""
    with stages.warehouse.reading() as connection:
        published = published_sweep(stages.home)
        limit_to_touched(connection, published)
        for table, of_table in AUDITS_BY_TABLE.items():
            findings = [run(connection, audit) for audit in of_table]
            if table == DETAILS_FIELDS.name:
                findings.append(check_typed_tables(connection))
            findings += check_new_rows(connection, table, published)
            failed = [finding for finding in findings if not finding.passed]
            yield dg.AssetCheckResult(
                check_name=_check_name(table),
                asset_key=WAREHOUSE_KEY,
                passed=not failed,
                severity=dg.AssetCheckSeverity.ERROR,
                description="; ".join(map(str, failed)) or None,
                metadata={finding.audit.name: finding.offences for finding in findings},
            )


@dg.multi_asset_check(
    name="warehouse_watch",
    specs=[
        dg.AssetCheckSpec(monitor.name, asset=WAREHOUSE_KEY, description=monitor.description) for monitor in MONITORS
    ],
)
def warehouse_watch(stages: dg.ResourceParam[Stages]) -> Iterator[dg.AssetCheckResult]:
    """Evaluate every monitor. They only warn."""
    with stages.warehouse.reading() as connection:
        for monitor in MONITORS:
            result = evaluate(connection, monitor)
            yield dg.AssetCheckResult(
                check_name=monitor.name,
                asset_key=WAREHOUSE_KEY,
                passed=result.passed,
                severity=dg.AssetCheckSeverity.WARN,
                description=result.figures,
            )


ALL_CHECKS = [warehouse_audit, warehouse_watch]
