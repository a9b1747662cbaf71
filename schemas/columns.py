"""Columns and rules that several tables share."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from schemas.table import TEXT, Column, Rule

HASH_LENGTH = 32
"""Hexadecimal digits of a content hash (blake2b, 16 bytes)."""

SWEEP_STATUSES = ("loaded", "failed")

CONTENT_HASH = Column(
    "content_hash",
    TEXT,
    "blake2b-128 of the canonical record without last_updated_ts, 32 hexadecimal digits.",
    "computed from the whole record",
)


def optional_text(name: str, description: str, source: str | None = None) -> Column:
    """A column of text that may be NULL; its source is the field of the same name if no other is given."""
    return Column(name, TEXT, description, source or name, nullable=True)


def not_empty(column: str) -> Rule:
    """The rule that a text is not empty."""
    return Rule(
        f"{column}_is_not_empty",
        column,
        f"{column} is not the empty string",
        lambda table: pc.greater(pc.binary_length(table[column]), 0),
        ("minLength", 1),
    )


def not_negative(column: str) -> Rule:
    """The rule that a number is 0 or more."""
    return Rule(
        f"{column}_is_not_negative",
        column,
        f"{column} is 0 or more",
        lambda table: pc.greater_equal(table[column], 0),
        ("minimum", 0),
    )


def one_of(column: str, values: tuple[str, ...]) -> Rule:
    """The rule that a text is one of some values."""
    return Rule(
        f"{column}_is_known",
        column,
        f"{column} is one of {', '.join(values)}",
        # is_in gives false for null, but null must count as kept.
        lambda table: pc.if_else(pc.is_valid(table[column]), pc.is_in(table[column], value_set=pa.array(values)), None),
        ("enum", values),
    )


CONTENT_HASH_IS_WHOLE = Rule(
    "content_hash_is_whole",
    "content_hash",
    f"content_hash has {HASH_LENGTH} hexadecimal digits",
    lambda table: pc.match_substring_regex(table["content_hash"], f"^[0-9a-f]{{{HASH_LENGTH}}}$"),
    ("pattern", f"[0-9a-f]{{{HASH_LENGTH}}}"),
)

VERSION_IS_POSITIVE = Rule(
    "version_is_positive",
    "version",
    "version is 1 or more",
    lambda table: pc.greater(table["version"], 0),
    ("minimum", 1),
)

VALIDITY_RUNS_FORWARD = Rule(
    "validity_runs_forward",
    "valid_to",
    "valid_to is after valid_from",
    lambda table: pc.greater(table["valid_to"], table["valid_from"]),
)

RECORDS_ARE_ACCOUNTED_FOR = Rule(
    "records_are_accounted_for",
    "records",
    "a loaded sweep's records = new + changed + unchanged + superseded + quarantined",
    lambda table: pc.or_(
        pc.equal(table["status"], "failed"),
        pc.equal(
            table["records"],
            pc.add(
                pc.add(pc.add(table["new"], table["changed"]), pc.add(table["unchanged"], table["superseded"])),
                table["quarantined"],
            ),
        ),
    ),
)
