"""Every rule of every table is seen to fail, on the right row; validation that does not work is never trusted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.flatten.validate import Breach, ValidationBroken, breaches, pandera_schema, prove_validation_works
from schemas.table import BIGINT, BOOLEAN, DOUBLE, INTEGER, TEXT, TIMESTAMP, Column, Rule, Table
from schemas.tables import FLAT_TABLES, MILESTONE_EVENTS, MILESTONES, PAGES
from tests.schemas.rows import ALL_TABLES, HASH, NOON, good_rows, to_arrow

BAD_VALUES: dict[tuple[str, str], dict[str, Any]] = {
    ("milestones", "milestone_id_is_not_empty"): {"milestone_id": ""},
    ("milestones", "type_is_not_empty"): {"type": ""},
    ("milestones", "status_group_is_known"): {"status_group": "over"},
    ("milestones", "content_hash_is_whole"): {"content_hash": HASH[:-1]},
    ("milestone_events", "event_ticker_is_not_empty"): {"event_ticker": ""},
    ("milestone_events", "related_position_is_not_negative"): {"related_position": -1},
    ("milestone_events", "primary_position_is_not_negative"): {"primary_position": -1},
    ("milestone_events", "event_has_a_role"): {"is_related": False, "is_primary": False, "is_main": False},
    ("milestone_entities", "role_is_not_empty"): {"role": ""},
    ("milestone_entities", "position_is_not_negative"): {"position": -1},
    ("milestone_details", "kind_is_known"): {"kind": "object"},
    ("milestone_changes", "field_is_not_empty"): {"field": ""},
    ("milestone_changes", "position_is_not_negative"): {"position": -1},
    ("milestone_versions", "content_hash_is_whole"): {"content_hash": HASH.upper()},
    ("milestone_versions", "version_is_positive"): {"version": 0},
    ("milestone_versions", "validity_runs_forward"): {"valid_to": NOON},
    ("quarantine", "reason_is_not_empty"): {"reason": ""},
    ("sweeps", "mode_is_known"): {"mode": "whole"},
    ("sweeps", "status_is_known"): {"status": "running"},
    ("sweeps", "records_are_accounted_for"): {"records": 16},
}
"""What makes a good row break just this rule; those that every table has need none."""

# pandera knows no binary columns; landed pages are bytes that nothing has looked at yet.
VALIDATED = tuple(table for table in ALL_TABLES if table is not PAGES)
RULES = [pytest.param(table, rule, id=f"{table.name}.{rule.name}") for table in VALIDATED for rule in table.all_rules]


def _bad_values(table: Table, rule: Rule) -> dict[str, Any]:
    if rule.name == f"{rule.column}_is_present":
        return {rule.column: None}
    if rule.name == "key_is_unique":
        return {column: good_rows(table)[0][column] for column in table.key}
    assert (table.name, rule.name) in BAD_VALUES, f"write a bad example of {table.name}.{rule.name} into BAD_VALUES"
    return BAD_VALUES[table.name, rule.name]


@pytest.mark.parametrize(("table", "rule"), RULES)
def test_every_rule_fails_on_its_bad_row_only(table: Table, rule: Rule) -> None:
    rows = good_rows(table)
    rows[1] |= _bad_values(table, rule)
    assert breaches(table, to_arrow(table, rows)) == [Breach(table.name, rule.name, rule.column, rule.description, 1)]


@pytest.mark.parametrize("table", VALIDATED, ids=lambda table: table.name)
def test_good_rows_break_no_rule_with_any_allowed_nulls(table: Table) -> None:
    rows = good_rows(table)
    assert [column.name for column in table.columns if rows[2][column.name] is None] == [
        column.name for column in table.columns if column.nullable
    ]
    assert breaches(table, to_arrow(table, rows)) == []


@pytest.mark.parametrize("table", VALIDATED, ids=lambda table: table.name)
def test_no_rows_break_no_rule(table: Table) -> None:
    empty = table.arrow_schema.empty_table()
    assert breaches(table, empty) == []
    assert breaches(table, pa.concat_tables([empty, empty])) == []


@pytest.mark.parametrize("table", VALIDATED, ids=lambda table: table.name)
def test_names_of_rules_are_unique_and_name_a_column(table: Table) -> None:
    names = [rule.name for rule in table.all_rules]
    assert len(names) == len(set(names))
    assert {rule.column for rule in table.all_rules} <= set(table.arrow_schema.names)


def test_every_bad_example_belongs_to_a_rule() -> None:
    assert set(BAD_VALUES) <= {(table.name, rule.name) for table in ALL_TABLES for rule in table.rules}


@pytest.mark.slow
@settings(max_examples=30)  # validation takes 25 ms a table, few rows or many
@given(st.lists(st.sampled_from(["good", "empty", "missing", "twice"]), max_size=12), st.data())
def test_the_right_rows_are_reported_at_any_position(row_kinds: list[str], data: st.DataObject) -> None:
    good = good_rows(MILESTONES)[0]
    rows: list[dict[str, Any]] = []
    expected: list[tuple[int, str]] = []
    for place, kind in enumerate(row_kinds):
        row = good | {"milestone_id": f"m{place}"}
        match kind:
            case "empty":
                row["type"] = ""
                expected.append((place, "type_is_not_empty"))
            case "missing":
                row["first_seen_at"] = None
                expected.append((place, "first_seen_at_is_present"))
            case "twice" if place:
                row["milestone_id"] = rows[0]["milestone_id"]
                expected.append((place, "key_is_unique"))
            case _:
                pass
        rows.append(row)
    whole = to_arrow(MILESTONES, rows)
    cut = data.draw(st.integers(0, len(rows)))
    chunked = pa.concat_tables([whole.slice(0, cut), whole.slice(cut, 0), whole.slice(cut)])
    assert [(breach.row, breach.rule) for breach in breaches(MILESTONES, chunked)] == expected


def test_one_row_may_break_several_rules() -> None:
    rows = good_rows(MILESTONE_EVENTS)
    rows[0] |= {"event_ticker": "", "related_position": -1, "is_related": None}
    assert {(breach.row, breach.rule) for breach in breaches(MILESTONE_EVENTS, to_arrow(MILESTONE_EVENTS, rows))} == {
        (0, "event_ticker_is_not_empty"),
        (0, "related_position_is_not_negative"),
        (0, "is_related_is_present"),
    }


def test_a_key_used_three_times_is_two_breaches_and_null_counts_as_a_value() -> None:
    same, missing = [good_rows(MILESTONES)[0]] * 3, [good_rows(MILESTONES)[0] | {"milestone_id": None}] * 2
    found = breaches(MILESTONES, to_arrow(MILESTONES, same + missing))
    assert [breach.row for breach in found if breach.rule == "key_is_unique"] == [1, 2, 4]


def _table_with(holds: Callable[[pa.Table], Any]) -> Table:
    rule = Rule("odd", "a", "is odd", holds)
    return Table("odd", "", "", (Column("a", TEXT, "", "", nullable=True),), ("a",), (rule,))


def _raise(error: BaseException) -> Callable[[pa.Table], Any]:
    def holds(table: pa.Table) -> Any:
        raise error

    return holds


ONE_COLUMN = pa.table({"a": pa.array(["x", None, "y"])})


@pytest.mark.parametrize(
    "holds",
    [
        pytest.param(_raise(ValueError("broken")), id="ValueError"),
        pytest.param(_raise(KeyError("broken")), id="KeyError"),
        pytest.param(_raise(pa.ArrowInvalid("broken")), id="ArrowInvalid"),
        pytest.param(_raise(RecursionError()), id="RecursionError"),
        pytest.param(lambda table: pa.chunked_array([[False]]), id="too few answers"),
        pytest.param(lambda table: pa.array(["yes", "no", "yes"]), id="answers that are no booleans"),
        pytest.param(lambda table: False, id="one answer for all"),
        pytest.param(lambda table: pc.greater(table["b"], 0), id="column that is not there"),
    ],
)
def test_a_rule_that_raises_is_not_reported_as_bad_data(holds: Callable[[pa.Table], Any]) -> None:
    with pytest.raises(ValidationBroken, match="validation of odd could not run"):
        breaches(_table_with(holds), ONE_COLUMN)


def test_a_null_result_counts_as_kept() -> None:
    assert breaches(_table_with(lambda table: pa.chunked_array([pa.nulls(3, pa.bool_())])), ONE_COLUMN) == []


def test_a_rule_with_inconsistent_results_is_an_error() -> None:
    answers = iter([[True, False, True], [True, True, True]])
    with pytest.raises(ValidationBroken, match="validation of odd failed, but every rule holds"):
        breaches(_table_with(lambda table: pa.chunked_array([next(answers)])), ONE_COLUMN)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(pa.table({}), id="column missing"),
        pytest.param(pa.table({"a": ["x"], "b": ["y"]}), id="column too many"),
        pytest.param(pa.table({"a": [1]}), id="wrong type"),
        pytest.param(pa.table({"A": ["x"]}), id="wrong case"),
    ],
)
def test_a_table_of_another_shape_is_a_fault_of_the_program(data: pa.Table) -> None:
    with pytest.raises(ValidationBroken, match="validation of odd could not run"):
        breaches(_table_with(lambda table: pc.is_valid(table["a"])), data)


def test_columns_in_another_order_are_a_fault_of_the_program() -> None:
    data = to_arrow(MILESTONES, good_rows(MILESTONES))
    with pytest.raises(ValidationBroken):
        breaches(MILESTONES, data.select(data.column_names[::-1]))


def test_the_pandera_schema_is_the_declaration() -> None:
    for table in VALIDATED:
        schema = pandera_schema(table)
        assert (schema.name, schema.strict, schema.ordered) == (table.name, True, True)
        assert list(schema.columns) == table.arrow_schema.names
        assert [check.name for check in schema.checks] == [rule.name for rule in table.all_rules]


OTHER_TYPES: dict[pa.DataType, tuple[pa.DataType, ...]] = {
    TEXT: (pa.int64(), pa.binary()),
    BOOLEAN: (pa.int8(), TEXT),
    INTEGER: (BIGINT, pa.uint32(), TEXT),
    BIGINT: (INTEGER, pa.uint64(), DOUBLE),
    DOUBLE: (pa.float32(), BIGINT),
    TIMESTAMP: (pa.timestamp("us"), pa.timestamp("ns", "UTC"), pa.timestamp("us", "Europe/Paris"), BIGINT),
}


@pytest.mark.parametrize("declared", OTHER_TYPES, ids=str)
def test_a_column_of_another_type_is_a_fault_of_the_program(declared: pa.DataType) -> None:
    table = Table("odd", "", "", (Column("a", declared, "", "", nullable=True),), ("a",))
    assert breaches(table, pa.table({"a": pa.array([], declared)})) == []
    for other in OTHER_TYPES[declared]:
        with pytest.raises(ValidationBroken, match="validation of odd could not run"):
            breaches(table, pa.table({"a": pa.array([], other)}))


def test_validation_works_here() -> None:
    prove_validation_works()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "value"),
    [("PANDERA_VALIDATION_ENABLED", "False"), ("PANDERA_VALIDATION_DEPTH", "SCHEMA_ONLY")],
)
def test_validation_turned_off_by_the_environment_is_detected(variable: str, value: str) -> None:
    program = (
        "from pipelines.flatten.validate import ValidationBroken, prove_validation_works\n"
        "try:\n    prove_validation_works()\nexcept ValidationBroken as broken:\n    print(broken)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], env={variable: value}, capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.startswith(f"pandera let a row of {FLAT_TABLES[0].name} without its key pass")


class _Asked:
    """A finder of modules that finds none and remembers for which it was asked."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        self.names.append(name)


def test_a_second_validation_does_not_search_for_modules() -> None:
    rows = to_arrow(MILESTONES, good_rows(MILESTONES))
    assert breaches(MILESTONES, rows) == []
    asked = _Asked()
    sys.meta_path.insert(0, asked)
    try:
        assert breaches(MILESTONES, rows) == []
    finally:
        sys.meta_path.remove(asked)
    assert asked.names == []
