"""What a batch of versions says about the fields of `details`: kinds and counts, by type and path.

Evidence only ever adds up, so it is the same whatever the order in which versions came.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from schemas.tables import EVIDENCE

ANY_KIND = "any"
"""Counts the versions that have a path, of whichever kinds."""

BIG_INTEGER = "big_integer"

MAX_EXAMPLE_LENGTH = 200
"""In characters: a value may have millions, and an example stands there to be read."""

_BEYOND_64_BITS = 2.0**63
_NAMES = ["type", "path", "kind", "records", "first_seen_at", "last_seen_at", "first_sweep_id", "example"]


def evidence(details: pa.Table, versions: pa.Table) -> pa.Table:
    """Rows of `schemas.tables.EVIDENCE`.

    `details` are rows of milestone_details; `versions` has one row for each of their milestone_ids: milestone_id,
    type, seen_at, sweep_id.
    """
    examples = pc.utf8_slice_codeunits(details["value"], 0, MAX_EXAMPLE_LENGTH)
    leaves = details.select(["milestone_id", "field"]).append_column("value", examples)
    leaves = leaves.append_column("kind", _kinds(details))
    # The kinds of one version count once each, however many items its arrays have.
    of_version = leaves.group_by(["milestone_id", "field", "kind"]).aggregate([("value", "min")])
    of_any = leaves.group_by(["milestone_id", "field"]).aggregate([("value", "min")])
    of_any = of_any.append_column("kind", pa.repeat(ANY_KIND, of_any.num_rows)).select(of_version.column_names)
    joined = pa.concat_tables([of_version, of_any]).join(versions, "milestone_id", join_type="inner")
    counted = joined.group_by(["type", "field", "kind"]).aggregate(
        [
            ("milestone_id", "count"),
            ("seen_at", "min"),
            ("seen_at", "max"),
            ("sweep_id", "min"),
            ("value_min", "min"),
        ]
    )
    counted = counted.rename_columns(_NAMES)
    counted = counted.append_column("is_discarded", pa.repeat(pa.scalar(value=False), counted.num_rows))
    return counted.select(EVIDENCE.arrow_schema.names).cast(EVIDENCE.arrow_schema)


def _kinds(details: pa.Table) -> pa.ChunkedArray:
    """Kinds, with integers beyond 64 bits told apart: no BIGINT column can hold them."""
    number = details["value_number"]
    is_big = pc.and_(
        pc.equal(details["kind"], "integer"),
        pc.or_(pc.is_null(number), pc.fill_null(pc.greater_equal(pc.abs(number), _BEYOND_64_BITS), fill_value=True)),
    )
    return pc.if_else(is_big, BIG_INTEGER, details["kind"])
