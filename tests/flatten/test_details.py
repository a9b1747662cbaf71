from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.flatten.details import Leaf, leaves, segment
from schemas.api import object_decoder
from schemas.tables import KINDS
from tests.flatten.inverse import count_leaves, parse_path, rebuild
from tests.records.recorded import recorded_pages
from tests.records.samples import NASTY_KEYS, encoded, objects, parse, render, texts, values


def _rebuilt(found: list[Leaf]) -> Any:
    return rebuild((leaf.path, leaf.kind, leaf.value) for leaf in found)


@given(values)
def test_a_document_can_be_rebuilt_from_its_leaves(value: Any) -> None:
    found = list(leaves(value))
    # Rendered, to be strict: in Python True is 1, and 1.10 is 1.1. The order of keys comes back too.
    assert render(_rebuilt(found)) == render(value)


@pytest.mark.slow
@given(objects)
def test_details_as_sent_can_be_rebuilt_from_leaves(value: dict[str, Any]) -> None:
    assert render(_rebuilt(list(leaves(object_decoder.decode(encoded(value)))))) == render(value)


@given(values)
def test_paths_are_unique_and_no_leaf_is_missing(value: Any) -> None:
    found = list(leaves(value))
    assert len({leaf.path for leaf in found}) == len(found) == count_leaves(value)
    assert {leaf.kind for leaf in found} <= set(KINDS)


@given(texts)
def test_a_key_can_be_parsed_from_its_segment(key: str) -> None:
    assert parse_path(segment(key)) == [key]


@given(texts, texts)
def test_two_keys_never_share_a_segment(one: str, other: str) -> None:
    assert (segment(one) == segment(other)) == (one == other)


def test_the_nastiest_keys_side_by_side_at_three_levels() -> None:
    value = {one: {other: [{third: 1} for third in NASTY_KEYS]} for one in NASTY_KEYS for other in NASTY_KEYS[:5]}
    found = list(leaves(value))
    assert render(_rebuilt(found)) == render(value)
    assert len({leaf.path for leaf in found}) == len(found)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({}, [("", "empty_object", None, None)], id="empty details"),
        pytest.param({"a": "x"}, [("a", "string", "x", None)], id="text"),
        pytest.param({"a": ""}, [("a", "string", "", None)], id="empty text"),
        pytest.param({"a": "1"}, [("a", "string", "1", None)], id="digits as text"),
        pytest.param({"a": None}, [("a", "null", None, None)], id="null"),
        pytest.param({"a": True}, [("a", "boolean", "true", None)], id="true is not an integer"),
        pytest.param({"a": False}, [("a", "boolean", "false", None)], id="false is not an integer"),
        pytest.param({"a": 0}, [("a", "integer", "0", 0.0)], id="zero"),
        pytest.param({"a": 2**64}, [("a", "integer", "18446744073709551616", 2.0**64)], id="beyond 64 bits"),
        pytest.param({"a": 2**53 + 1}, [("a", "integer", "9007199254740993", 2.0**53)], id="beyond a double's digits"),
        pytest.param({"a": -(10**400)}, [("a", "integer", f"-1{'0' * 400}", None)], id="beyond any double"),
        pytest.param({"a": Decimal("1.10")}, [("a", "number", "1.10", 1.1)], id="digits are kept"),
        pytest.param({"a": Decimal("1E-400")}, [("a", "number", "1E-400", 0.0)], id="smaller than any double"),
        pytest.param({"a": []}, [("a", "empty_array", None, None)], id="empty array"),
        pytest.param({"a": [[]]}, [("a[0]", "empty_array", None, None)], id="empty array in an array"),
        pytest.param({"a": {}}, [("a", "empty_object", None, None)], id="empty object"),
        pytest.param(
            {"season": {"week": 3, "type": "REG"}, "ids": ["x", {"y": None}]},
            [
                ("season.week", "integer", "3", 3.0),
                ("season.type", "string", "REG", None),
                ("ids[0]", "string", "x", None),
                ("ids[1].y", "null", None, None),
            ],
            id="document order",
        ),
        pytest.param(
            {"a.b": 1, "a": {"b": 2}, "": 3, "é": 4, 'q"': 5, "a[0]": 6, "\0": 7},
            [
                ('"a.b"', "integer", "1", 1.0),
                ("a.b", "integer", "2", 2.0),
                ('""', "integer", "3", 3.0),
                ('"é"', "integer", "4", 4.0),
                (r'"q\""', "integer", "5", 5.0),
                ('"a[0]"', "integer", "6", 6.0),
                (r'"\u0000"', "integer", "7", 7.0),
            ],
            id="keys that would collide",
        ),
    ],
)
def test_leaves(value: Any, expected: list[tuple[str, str, str | None, float | None]]) -> None:
    assert [(leaf.path, leaf.kind, leaf.value, leaf.value_number) for leaf in leaves(value)] == expected


def test_the_sign_of_a_zero_with_a_fraction_is_kept() -> None:
    [leaf] = leaves({"a": Decimal("-0.0")})
    assert (leaf.value, str(leaf.value_number)) == ("-0.0", "-0.0")


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True))
def test_the_double_is_the_nearest(number: str) -> None:
    [leaf] = leaves(object_decoder.decode(f'{{"n":{number}}}'))
    assert leaf.value_number == float(number)
    assert leaf.value is not None
    assert Decimal(leaf.value) == Decimal(number)


@pytest.mark.parametrize(
    ("details", "field"),
    [
        pytest.param({"season": {"week": 1}}, "season.week", id="names kept"),
        pytest.param({"ids": [[{"a": 1}]]}, "ids[][].a", id="positions removed"),
        pytest.param({"m": {"862690f7-6570-4a15-acb8-58f49d496859": 1}}, "m.*", id="UUID"),
        pytest.param({"m": {"862690F7-6570-4A15-ACB8-58F49D496859": 1}}, "m.*", id="UUID in capitals"),
        pytest.param({"m": {"17": {"x": 1}}}, "m.*.x", id="number"),
        pytest.param({"m": {"sr:competitor:123": 1}}, "m.*", id="provider id"),
        pytest.param({"m": {"٣": 1}}, 'm."٣"', id="digits that are not ASCII"),
        pytest.param({"*": 1}, '"*"', id="a star is not an id"),
        pytest.param({}, "", id="empty details"),
    ],
)
def test_the_field_is_the_path_without_positions_and_ids(details: dict[str, Any], field: str) -> None:
    assert [leaf.field for leaf in leaves(details)] == [field]


def test_deeply_nested_details_are_flattened() -> None:
    value: Any = 1
    for _ in range(2_000):
        value = [{"a": value}]
    [leaf] = leaves(value)
    assert leaf.path == "[0].a" + "[0].a" * 1_999
    assert leaf.value == "1"


@pytest.mark.slow
@given(st.lists(objects, min_size=1, max_size=4))
def test_duckdb_distinguishes_the_same_paths(documents: list[dict[str, Any]]) -> None:
    paths = [leaf.path for document in documents for leaf in leaves(document)]
    [(count,)] = duckdb.execute(
        "SELECT count(DISTINCT path) FROM (SELECT unnest(?::VARCHAR[]) AS path)", [paths]
    ).fetchall()
    assert count == len(set(paths))


def test_recorded_details_can_be_rebuilt(payloads: Path) -> None:
    for body in recorded_pages(payloads):
        for milestone in parse(body)["milestones"]:
            details = object_decoder.decode(json.dumps(milestone["details"]))
            assert _rebuilt(list(leaves(details))) == milestone["details"]
