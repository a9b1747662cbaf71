"""Checks of the whole warehouse, between loading and publishing: what fails here is not published."""

from collections.abc import Iterator

import dagster as dg

from pipelines.assets import WAREHOUSE_KEY
from pipelines.stations import Stations
from pipelines.warehouse.audit import audits, run
from pipelines.warehouse.database import open_warehouse


@dg.multi_asset_check(
    name="warehouse_audit",
    specs=[
        dg.AssetCheckSpec(audit.name, asset=WAREHOUSE_KEY, blocking=True, description=audit.description)
        for audit in audits()
    ],
)
def warehouse_audit(stations: dg.ResourceParam[Stations]) -> Iterator[dg.AssetCheckResult]:
    """Ask every question of the audit."""
    with open_warehouse(stations.home.warehouse_file) as connection:
        for audit in audits():
            finding = run(connection, audit)
            yield dg.AssetCheckResult(
                check_name=audit.name,
                asset_key=WAREHOUSE_KEY,
                passed=finding.passed,
                severity=dg.AssetCheckSeverity.ERROR,
                description=str(finding),
                metadata={"offences": finding.offences, "query": dg.MetadataValue.md(f"```sql\n{audit.query}\n```")},
            )


ALL_CHECKS = [warehouse_audit]
