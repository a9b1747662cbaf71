"""Counts the JSON kinds of the fields of `details` in a batch of versions, by type and path: the evidence.

Evidence is only ever added up, so it does not depend on the order in which versions arrived. What columns follow from
it is decided in `field_catalogue`.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from schemas.tables import EVIDENCE

ANY_KIND = "any"
"""The pseudo-kind that counts the versions with a path, whatever their kinds."""

BIG_INTEGER = "big_integer"

MAX_EXAMPLE_LENGTH = 200
"""In characters: a value may have millions, and an example is for people to read."""

_BEYOND_64_BITS = 2.0**63


def evidence(details: pa.Table, versions: pa.Table) -> pa.Table:
    """Rows of `schemas.tables.EVIDENCE`.

    `details` are rows of milestone_details; `versions` has one row for each of their milestone_ids: milestone_id,
    type, seen_at, sweep_id.
    """
    version = pc.index_in(details["milestone_id"], value_set=versions["milestone_id"].combine_chunks())
    leaves = pa.table(
        {
            "version": version,
            "field": details["field"],
            "kind": _kinds(details),
            "value": pc.utf8_slice_codeunits(details["value"], 0, MAX_EXAMPLE_LENGTH),
        }
    )
    # Items of an array and values under ids share a field: within one version they count once.
    is_shared = pc.not_equal(details["path"], details["field"])
    shared, single = leaves.filter(is_shared), leaves.filter(pc.invert(is_shared))
    by_kind = _counted(pa.concat_tables([_smallest(shared, ["version", "field", "kind"]), single]), versions)
    # In any other field a version has one leaf, so counting leaves counts versions.
    of_any = pa.concat_tables(
        [_counted(_as_any(_smallest(shared, ["version", "field"])), versions), _counted(_as_any(single), versions)]
    )
    counted = pa.concat_tables([by_kind, of_any])
    counted = counted.append_column("is_discarded", pa.repeat(pa.scalar(value=False), counted.num_rows))
    return counted.select(EVIDENCE.arrow_schema.names).cast(EVIDENCE.arrow_schema)


def _as_any(leaves: pa.Table) -> pa.Table:
    kinds = pa.repeat(pa.scalar(ANY_KIND), leaves.num_rows)
    return leaves.set_column(leaves.column_names.index("kind"), "kind", kinds)


def _smallest(leaves: pa.Table, names: list[str]) -> pa.Table:
    """The distinct leaves by these columns, each with its smallest value."""
    key, distinct = _as_one_key(leaves.select(names))
    grouped = pa.table({"key": key, "value": leaves["value"]}).group_by("key").aggregate([("value", "min")])
    found = distinct(grouped["key"]) | {"value": grouped["value_min"]}
    found.setdefault("kind", pa.nulls(grouped.num_rows, pa.string()))
    return pa.table({name: found[name] for name in leaves.column_names})


def _counted(leaves: pa.Table, versions: pa.Table) -> pa.Table:
    """Evidence by type, field and kind, from leaves that count one each."""
    of_leaf = leaves["version"]
    sweep_ids = pc.unique(versions["sweep_id"])
    sweep_ids = sweep_ids.take(pc.sort_indices(sweep_ids))
    # The minimum of ranks is faster than the minimum of texts.
    ranks = pc.index_in(versions["sweep_id"], value_set=sweep_ids)
    key, distinct = _as_one_key(
        pa.table({"type": versions["type"].take(of_leaf), "path": leaves["field"], "kind": leaves["kind"]})
    )
    grouped = (
        pa.table(
            {
                "key": key,
                "value": leaves["value"],
                "seen_at": versions["seen_at"].take(of_leaf),
                "sweep": ranks.take(of_leaf),
            }
        )
        .group_by("key")
        .aggregate([("key", "count"), ("value", "min"), ("seen_at", "min"), ("seen_at", "max"), ("sweep", "min")])
    )
    return pa.table(
        distinct(grouped["key"])
        | {
            "records": grouped["key_count"],
            "first_seen_at": grouped["seen_at_min"],
            "last_seen_at": grouped["seen_at_max"],
            "first_sweep_id": sweep_ids.take(grouped["sweep_min"]),
            "example": grouped["value_min"],
        }
    )


def _as_one_key(columns: pa.Table) -> tuple[pa.ChunkedArray, Callable[[pa.ChunkedArray], dict[str, pa.ChunkedArray]]]:
    """One integer key per row of `columns`, and its inverse: grouping by several texts takes four times as long."""
    encoded = {name: columns[name].combine_chunks().dictionary_encode() for name in columns.column_names}
    key = pa.repeat(pa.scalar(0, pa.int64()), columns.num_rows)
    for column in encoded.values():
        key = pc.add(pc.multiply(key, max(1, len(column.dictionary))), column.indices.cast(pa.int64()))

    def distinct(keys: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
        found = {}
        for name, column in reversed(encoded.items()):
            size = max(1, len(column.dictionary))
            rest = pc.divide(keys, size)
            found[name] = column.dictionary.take(pc.subtract(keys, pc.multiply(rest, size)))
            keys = rest
        return found

    return key, distinct


def _kinds(details: pa.Table) -> pa.ChunkedArray:
    """The kinds, with integers beyond 64 bits as a kind of their own: no BIGINT column can hold them."""
    number = details["value_number"]
    is_big = pc.and_(
        pc.equal(details["kind"], "integer"),
        pc.or_(pc.is_null(number), pc.fill_null(pc.greater_equal(pc.abs(number), _BEYOND_64_BITS), fill_value=True)),
    )
    return pc.if_else(is_big, BIG_INTEGER, details["kind"])
