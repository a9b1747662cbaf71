"""The keyword of a rule says what the rule checks, so that other tools accept and refuse the same rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from schemas.data_package import declared, field
from schemas.endpoints import PUBLISHED_TABLES
from schemas.table import Rule

RULES = {
    (table.name, rule.name): (rule, next(column.type for column in table.columns if column.name == rule.column))
    for table in PUBLISHED_TABLES
    for rule in table.rules
    if rule.constraint
}
TEXTS = ("", "x", "full", "loaded", "live", "scheduled", "string", "0" * 32, "0" * 31, "G" * 32, "0" * 33)
NUMBERS = (-1, 0, 1, 2)


def accepts(keyword: str, limit: Any, value: Any) -> bool:
    checks: dict[str, Callable[[], bool]] = {
        "enum": lambda: value in limit,
        "minLength": lambda: len(value) >= limit,
        "minimum": lambda: bool(value >= limit),
        "pattern": lambda: re.fullmatch(limit, value) is not None,
    }
    return checks[keyword]()


@pytest.mark.parametrize(("rule", "kind"), RULES.values(), ids=[f"{table}-{name}" for table, name in RULES])
def test_a_keyword_accepts_what_its_rule_accepts(rule: Rule, kind: pa.DataType) -> None:
    assert rule.constraint
    values = TEXTS if pa.types.is_string(kind) else NUMBERS
    rows = pa.table({rule.column: pa.array([*values, None], type=kind)})
    *held, of_null = rule.holds(rows).to_pylist()
    assert held == [accepts(*rule.constraint, value) for value in values]
    assert of_null is None
    assert {True, False} == set(held)


def test_every_kind_of_keyword_is_used() -> None:
    assert {rule.constraint[0] for rule, _ in RULES.values() if rule.constraint} == {
        "enum",
        "minLength",
        "minimum",
        "pattern",
    }


@pytest.mark.parametrize("table", PUBLISHED_TABLES, ids=lambda table: table.name)
def test_references_point_to_tables_of_the_package(table: Any) -> None:
    names = {other.name: {column.name for column in other.columns} for other in PUBLISHED_TABLES}
    for foreign in declared(table)["schema"].get("foreignKeys", []):
        assert foreign["reference"]["fields"][0] in names[foreign["reference"]["resource"]]


def test_a_list_is_an_array_whatever_its_items_are() -> None:
    assert field("tags", "BIGINT[]", "Tags.") == {"name": "tags", "type": "array", "description": "Tags."}
