"""Evidence is counted by version, separately by kind, with short examples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.flatten.details import leaves
from pipelines.flatten.evidence import MAX_EXAMPLE_LENGTH, evidence
from schemas.table import TEXT, TIMESTAMP
from schemas.tables import EVIDENCE, MILESTONE_DETAILS
from tests.records.samples import objects

START = datetime(2026, 11, 23, 12, tzinfo=UTC)


def evidence_of(documents: list[Any], type_: str = "game") -> list[dict[str, Any]]:
    """Evidence of one version a document, seen an hour apart by sweeps 000, 001, ..."""
    rows = [(str(number), *leaf) for number, details in enumerate(documents) for leaf in leaves(details)]
    names = MILESTONE_DETAILS.arrow_schema.names
    details = MILESTONE_DETAILS.from_columns({name: [row[at] for row in rows] for at, name in enumerate(names)})
    numbers = range(len(documents))
    versions = pa.table(
        {
            "milestone_id": pa.array([str(number) for number in numbers], TEXT),
            "type": pa.array([type_ for _ in numbers], TEXT),
            "seen_at": pa.array([START + timedelta(hours=number) for number in numbers], TIMESTAMP),
            "sweep_id": pa.array([f"{number:03d}" for number in numbers], TEXT),
        }
    )
    found = evidence(details, versions)
    assert found.schema.equals(EVIDENCE.arrow_schema)
    rows_found: list[dict[str, Any]] = found.to_pylist()
    return rows_found


def counts(documents: list[Any]) -> dict[tuple[str, str], int]:
    found = evidence_of(documents)
    by_key = {(row["path"], row["kind"]): row["records"] for row in found}
    assert len(by_key) == len(found)
    return by_key


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        pytest.param([], {}, id="nothing"),
        pytest.param([{}], {("", "empty_object"): 1, ("", "any"): 1}, id="empty details"),
        pytest.param(
            [{"a": 1}, {"a": "x"}, {"a": None}, {}],
            {
                ("a", "integer"): 1,
                ("a", "string"): 1,
                ("a", "null"): 1,
                ("a", "any"): 3,
                ("", "empty_object"): 1,
                ("", "any"): 1,
            },
            id="every kind, and any",
        ),
        pytest.param(
            [{"ids": ["x", "y", 1]}, {"ids": []}],
            {
                ("ids[]", "string"): 1,
                ("ids[]", "integer"): 1,
                ("ids[]", "any"): 1,
                ("ids", "empty_array"): 1,
                ("ids", "any"): 1,
            },
            id="versions are counted, not items",
        ),
        pytest.param(
            [{"m": {"17": 1, "18": 2}}, {"m": {"19": "x"}}],
            {("m.*", "integer"): 1, ("m.*", "string"): 1, ("m.*", "any"): 2},
            id="nor ids",
        ),
        pytest.param(
            [{"a": True}, {"a": Decimal("1.0")}, {"a": {}}],
            {("a", "boolean"): 1, ("a", "number"): 1, ("a", "empty_object"): 1, ("a", "any"): 3},
            id="flags, fractions, empty objects",
        ),
    ],
)
def test_counts(documents: list[Any], expected: dict[tuple[str, str], int]) -> None:
    assert counts(documents) == expected


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("size", "kind"),
    [
        (0, "integer"),
        (2**53 + 1, "integer"),
        (2**62, "integer"),
        (2**63 + 2**12, "big_integer"),
        (10**400, "big_integer"),
    ],
    ids=["0", "2^53+1", "2^62", "2^63+2^12", "10^400"],
)
def test_integers_beyond_64_bits_are_a_kind_of_their_own(size: int, kind: str, sign: int) -> None:
    assert counts([{"a": sign * size}]) == {("a", kind): 1, ("a", "any"): 1}


@pytest.mark.slow
@given(st.integers(min_value=-(2**66), max_value=2**66) | st.integers(min_value=2**63 - 2_000, max_value=2**63 + 2_000))
def test_values_of_the_kind_integer_fit_64_bits(number: int) -> None:
    assert ("a", "big_integer") in counts([{"a": number}]) or -(2**63) <= number < 2**63


def test_times_sweeps_and_the_smallest_example() -> None:
    [row] = [row for row in evidence_of([{"x": 1}, {"a": "b"}, {"a": "a"}, {"a": "c"}]) if row["kind"] == "string"]
    assert row == {
        "type": "game",
        "path": "a",
        "kind": "string",
        "records": 3,
        "first_seen_at": START + timedelta(hours=1),
        "last_seen_at": START + timedelta(hours=3),
        "first_sweep_id": "001",
        "example": "a",
        "is_discarded": False,
    }


def test_nulls_and_empty_containers_have_no_example() -> None:
    assert {row["example"] for row in evidence_of([{"a": None, "b": {}, "c": []}])} == {None}


def test_the_length_of_an_example_is_limited() -> None:
    found = evidence_of([{"a": "ż" * 1_000_000}])
    assert {row["example"] for row in found} == {"ż" * MAX_EXAMPLE_LENGTH}


def test_types_are_counted_separately_and_may_be_any_text() -> None:
    for type_ in ("", "Companies", "companies", "'; DROP TABLE x; --", "\0", "t" * 300):
        assert {row["type"] for row in evidence_of([{"a": 1}], type_)} == {type_}


@pytest.mark.slow
@given(st.lists(objects, max_size=5))
def test_every_field_is_counted_once_per_version(documents: list[dict[str, Any]]) -> None:
    found = counts(documents)
    fields = [{leaf.field for leaf in leaves(document)} for document in documents]
    assert {path for path, _ in found} == set().union(*fields)
    for (path, kind), records in found.items():
        with_it = sum(path in of for of in fields)
        assert records == with_it if kind == "any" else 1 <= records <= with_it
