"""Checks of the whole warehouse, between loading and publishing: what fails here is not published."""

from collections.abc import Iterator
from itertools import groupby

import dagster as dg

from pipelines.assets import WAREHOUSE_KEY
from pipelines.stations import Stations
from pipelines.warehouse.audit import Audit, audits, run
from pipelines.warehouse.database import open_warehouse


def _table_of(audit: Audit) -> str:
    return audit.table


AUDITS_BY_TABLE = {table: list(of_table) for table, of_table in groupby(sorted(audits(), key=_table_of), key=_table_of)}


def _check_name(table: str) -> str:
    return f"{table}_is_sound"


# One check a table, not one an audit: every check costs Dagster two commits.
@dg.multi_asset_check(
    name="warehouse_audit",
    specs=[
        dg.AssetCheckSpec(
            _check_name(table),
            asset=WAREHOUSE_KEY,
            blocking=True,
            description=f"{table}: " + "; ".join(audit.description for audit in of_table),
        )
        for table, of_table in AUDITS_BY_TABLE.items()
    ],
)
def warehouse_audit(stations: dg.ResourceParam[Stations]) -> Iterator[dg.AssetCheckResult]:
    """Ask every question of the audit."""
    with open_warehouse(stations.home.warehouse_file) as connection:
        for table, of_table in AUDITS_BY_TABLE.items():
            findings = [run(connection, audit) for audit in of_table]
            failed = [finding for finding in findings if not finding.passed]
            yield dg.AssetCheckResult(
                check_name=_check_name(table),
                asset_key=WAREHOUSE_KEY,
                passed=not failed,
                severity=dg.AssetCheckSeverity.ERROR,
                description="; ".join(map(str, failed)) or None,
                metadata={finding.audit.name: finding.offences for finding in findings},
            )


ALL_CHECKS = [warehouse_audit]
