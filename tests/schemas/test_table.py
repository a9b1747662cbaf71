"""What is derived from one declaration: DDL, comments, rules, Arrow tables. All declarations: test_tables."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from schemas.table import BIGINT, TEXT, TIMESTAMP, Column, Rule, Table

ODD = Rule("n_is_odd", "n", "n is odd", lambda table: pc.equal(pc.bit_wise_and(table["n"], 1), 1))
TABLE = Table(
    name="it's",
    grain="thing",
    description="Things, with a ' in it.",
    columns=(
        Column("id", TEXT, "The id.", "id", is_searched=True),
        Column("n", BIGINT, "A number.", "n", nullable=True),
        Column("is_set", pa.bool_(), "Whether n is set.", "computed", generated="n IS NOT NULL"),
    ),
    key=("id",),
    rules=(ODD,),
)


def table_of(*rows: tuple[str | None, int | None]) -> pa.Table:
    ids, numbers = zip(*rows, strict=True)
    return TABLE.from_columns({"id": ids, "n": numbers, "is_set": [one is not None for one in numbers]})


def test_ddl_has_constraints_compression_and_generated_columns() -> None:
    assert TABLE.ddl == (
        'CREATE TABLE "it\'s" (\n'
        '  "id" VARCHAR NOT NULL USING COMPRESSION uncompressed,\n'
        '  "n" BIGINT,\n'
        '  "is_set" BOOLEAN GENERATED ALWAYS AS (n IS NOT NULL) VIRTUAL\n)'
    )
    assert TABLE.stored_columns == ("id", "n")


def test_create_runs_the_ddl_and_then_the_comments() -> None:
    executed: list[str] = []
    TABLE.create(executed.append)
    assert executed == [
        TABLE.ddl,
        "COMMENT ON TABLE \"it's\" IS 'Things, with a '' in it.'",
        'COMMENT ON COLUMN "it\'s"."id" IS \'The id.\'',
        'COMMENT ON COLUMN "it\'s"."n" IS \'A number.\'',
        'COMMENT ON COLUMN "it\'s"."is_set" IS \'Whether n is set.\'',
    ]


def test_required_columns_and_the_key_have_rules_of_their_own() -> None:
    assert [(rule.name, rule.column) for rule in TABLE.all_rules] == [
        ("id_is_present", "id"),
        ("is_set_is_present", "is_set"),
        ("key_is_unique", "id"),
        ("n_is_odd", "n"),
    ]


@pytest.mark.parametrize(
    ("rule", "rows", "kept"),
    [
        ("id_is_present", [("a", 1), (None, 1)], [True, False]),
        ("key_is_unique", [("a", 1), ("b", 1), ("a", 3), ("a", 5)], [True, True, False, False]),
        ("key_is_unique", [(None, 1), (None, 1)], [True, False]),
        ("n_is_odd", [("a", 1), ("b", 2), ("c", None)], [True, False, None]),
    ],
    ids=["missing", "repeated", "repeated null", "declared"],
)
def test_a_rule_gives_one_result_per_row(rule: str, rows: Any, kept: list[bool | None]) -> None:
    (holds,) = [one.holds for one in TABLE.all_rules if one.name == rule]
    assert holds(table_of(*rows)).to_pylist() == kept


def test_from_columns_reads_times_as_microseconds_and_keeps_arrow_columns() -> None:
    times = Table("t", "time", "", (Column("at", TIMESTAMP, "", ""), Column("n", BIGINT, "", "")), ("at",))
    numbers = pa.chunked_array([[1], [2]])
    built = times.from_columns({"n": numbers, "at": [0, 1_500_000]})
    assert built.schema == times.arrow_schema
    assert built["n"].num_chunks == 2
    assert [one.isoformat() for one in built["at"].to_pylist()] == [
        "1970-01-01T00:00:00+00:00",
        "1970-01-01T00:00:01.500000+00:00",
    ]


def test_the_arrow_schema_carries_nullability_and_descriptions() -> None:
    fields = list(TABLE.arrow_schema)
    assert [field.nullable for field in fields] == [False, True, False]
    assert fields[0].metadata == {b"description": b"The id."}
