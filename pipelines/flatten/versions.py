"""Flattens batches of versions with their history: the tables of `tables`, the changes and the evidence of details."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.flatten.evidence import evidence
from pipelines.flatten.tables import flatten, flatten_changes
from schemas.tables import EVIDENCE, LATEST, MILESTONE_CHANGES, MILESTONE_DETAILS, MILESTONES

STAGED_COLUMNS = [name for name in LATEST.arrow_schema.names if name not in ("previous_record", "was_vanished_at")]
"""Of a version, what loading reads."""


def flatten_latest(batch: pa.Table) -> dict[str, pa.Table]:
    """All tables of latest versions from the log, by name."""
    versions = batch.cast(LATEST.arrow_schema)
    tables = flatten(versions)
    return tables | derive_history(versions, tables)


def flatten_older(batch: pa.Table) -> dict[str, pa.Table]:
    """Changes and evidence of versions of the log with a successor."""
    versions = batch.cast(LATEST.arrow_schema)
    # A batch may have several versions of a milestone: give each a unique id.
    unique_ids = pc.binary_join_element_wise(versions["milestone_id"], versions["version"].cast(pa.string()), "#")
    renamed = versions.set_column(0, LATEST.arrow_schema.field(0), unique_ids)
    return {
        EVIDENCE.name: derive_history(renamed, flatten(renamed))[EVIDENCE.name],
        MILESTONE_CHANGES.name: flatten_changes(versions),
    }


def derive_history(versions: pa.Table, tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """The tables besides the flat ones: the versions themselves, their changes, the evidence of their details."""
    facts = tables[MILESTONES.name].select(["milestone_id", "type", "last_changed_at"])
    facts = facts.rename_columns(["milestone_id", "type", "seen_at"]).append_column("sweep_id", versions["sweep_id"])
    return {
        LATEST.name: versions.select(STAGED_COLUMNS),
        MILESTONE_CHANGES.name: flatten_changes(versions),
        EVIDENCE.name: evidence(tables[MILESTONE_DETAILS.name], facts),
    }
