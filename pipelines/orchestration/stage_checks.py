"""Check results of the stages: each turns the counts of a stage into a result on the asset that it is about."""

from __future__ import annotations

import dagster as dg

from pipelines.orchestration.keys import FLAT_KEYS, RECORDS_KEY
from pipelines.staging.stage_records import Decoded
from pipelines.sweep.staged_sweep import StagedSweep
from pipelines.wording import counted
from schemas.tables import FLAT_TABLES, MILESTONE_DETAILS

RULES_CHECK = "rows_keep_rules"
FIELDS_CHECK = "expected_fields_are_there"
SHARE_CHECK = "refused_share"
DRIFT_CHECK = "details_keep_their_shape"


def fields_check(decoded: Decoded) -> dg.AssetCheckResult:
    """Records without an expected field are stored with NULL. A warning, as readers may rely on the field."""
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


def rules_check(table: str, staged: StagedSweep) -> dg.AssetCheckResult:
    """A record with a row that breaks a rule is refused as a whole. A warning, as all other records are loaded."""
    broken = {rule: count for rule, count in staged.flattened.breaches.items() if rule.startswith(f"{table}.")}
    return dg.AssetCheckResult(
        check_name=RULES_CHECK,
        asset_key=FLAT_KEYS[table],
        passed=not broken,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(f"{counted(count, 'record')} refused by {rule}" for rule, count in broken.items())
        or None,
        metadata={"breaches": broken},
    )


def drift_check(staged: StagedSweep) -> dg.AssetCheckResult:
    """Drift is loaded unless a contract forbids it. A warning, so that somebody reviews it."""
    return dg.AssetCheckResult(
        check_name=DRIFT_CHECK,
        asset_key=FLAT_KEYS[MILESTONE_DETAILS.name],
        passed=not staged.drift,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(staged.drift[:5]) or None,
        metadata={"drift": staged.drift[:100], "drift_count": len(staged.drift)},
    )


def share_check(staged: StagedSweep) -> dg.AssetCheckResult:
    """A sweep with too many refused records is not loaded. An error that blocks the load."""
    return dg.AssetCheckResult(
        check_name=SHARE_CHECK,
        asset_key=FLAT_KEYS[FLAT_TABLES[0].name],
        passed=staged.refusal is None,
        severity=dg.AssetCheckSeverity.ERROR,
        description=staged.refusal,
        metadata={
            "received": staged.decoded.received,
            "quarantined": staged.quarantined,
            "share": staged.refused_share,
        },
    )
