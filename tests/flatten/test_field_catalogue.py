"""From evidence to columns: the same whatever the order in which it came, and every name safe and its own."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.flatten.details import leaves, split_field
from pipelines.flatten.field_catalogue import (
    MAX_COLUMNS,
    MAX_KEYS_PER_OBJECT,
    ROW_KEY,
    DetailsField,
    Evidence,
    fields_of_type,
    table_names,
)
from tests.records.samples import NASTY_KEYS, scalars, texts

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
SAFE = re.compile(r"[a-z_][a-z0-9_]{0,99}", re.ASCII)
RESERVED = frozenset({"details_fields"})

Version = tuple[datetime, str, Any]

MARKS = ("*", "[]", "a.[]", "a[]", '"*"', "~", "~1", "a/b", "a~b", "$.a", "?", "#")
NAMES = ("a", "A", "b", "a_b", "a.b", "x", "rowid", "milestone_id", "Milestone_Id", "details", "select")
IDS = ("862690f7-6570-4a15-acb8-58f49d496859", "17", "sr:competitor:123", "0123456789abcdef")
NASTY_TYPES = (
    *("Companies", "companies", "COMPANIES", "fields", "Fields", "", "_", " ", "a b", "a_b", "a.b", "9", "é"),
    *("'; DROP TABLE milestones; --", '"', "t" * 300, "t" * 301, "T" * 300, "versions", "\0", "*", "😀"),
)

# Few keys, so that documents share them; ids seldom, since one makes a map of its object.
keys = st.sampled_from([*NAMES * 8, *MARKS * 2, *NASTY_KEYS, *IDS]) | st.text(max_size=4)
items = st.recursive(
    scalars,
    lambda inner: (
        st.lists(st.integers(-9, 9) | st.none(), max_size=3)
        | st.lists(inner, max_size=3)
        | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=10,
)
documents = st.dictionaries(keys, items, max_size=6)
"""Details of any kind."""


def told(versions: Iterable[Version]) -> list[Evidence]:
    """Evidence of a batch of versions, made the plain way."""
    rows: dict[tuple[str, str], Evidence] = {}
    for seen_at, sweep_id, details in versions:
        own: dict[tuple[str, str], list[str | None]] = {}
        for leaf in leaves(details):
            is_big = leaf.kind == "integer" and not -(2**63) <= int(leaf.value or 0) < 2**63
            for kind in ("big_integer" if is_big else leaf.kind, "any"):
                own.setdefault((leaf.field, kind), []).append(leaf.value)
        batch = [
            Evidence("t", path, kind, 1, seen_at, seen_at, sweep_id, smallest(values), is_discarded=False)
            for (path, kind), values in own.items()
        ]
        rows = {(row.path, row.kind): row for row in merged(rows.values(), batch)}
    return list(rows.values())


def merged(one: Iterable[Evidence], other: Iterable[Evidence]) -> list[Evidence]:
    """What merge_evidence.sql does."""
    rows = {(row.path, row.kind): row for row in one}
    for row in other:
        known = rows.get((row.path, row.kind))
        rows[row.path, row.kind] = (
            row
            if known is None
            else Evidence(
                row.type,
                row.path,
                row.kind,
                row.records + known.records,
                min(row.first_seen_at, known.first_seen_at),
                max(row.last_seen_at, known.last_seen_at),
                min(row.first_sweep_id, known.first_sweep_id),
                smallest([row.example, known.example]),
                known.is_discarded,
            )
        )
    return list(rows.values())


def smallest(values: Iterable[str | None]) -> str | None:
    return min((value for value in values if value is not None), default=None)


def fields_of(*details: Any) -> dict[str, DetailsField]:
    versions = [(START + timedelta(hours=number), f"{number:03d}", one) for number, one in enumerate(details)]
    return {field.path: field for field in fields_of_type(told(versions))}


def columns_of(*details: Any) -> dict[str, tuple[str, str]]:
    return {path: (f.column.name, f.column.sql_type) for path, f in fields_of(*details).items() if f.column}


@pytest.mark.slow
@given(st.lists(documents, min_size=1, max_size=6), st.randoms(use_true_random=False), st.integers(1, 4))
def test_the_catalogue_does_not_depend_on_order(found: list[Any], chance: random.Random, batches: int) -> None:
    versions: list[Version] = [(START + timedelta(hours=n), f"{n:03d}", details) for n, details in enumerate(found)]
    in_order = fields_of_type(told(versions))
    chance.shuffle(versions)
    known: list[Evidence] = []
    for number in range(batches):
        known = merged(told(versions[number::batches]), known)
        chance.shuffle(known)
    assert fields_of_type(known) == in_order


@pytest.mark.slow
@given(st.lists(documents, min_size=1, max_size=6))
@example([{"x": {"A": 1}, "x_a": 1, "X_A": 1, "X": {"a": 1}}, {"x": 2}])
@example([{"a.[]": 1, "a": [1]}])
@example([{one: dict.fromkeys(NASTY_KEYS, 1)} for one in NASTY_KEYS[:5]])
def test_column_names_are_safe_and_unique(found: list[Any]) -> None:
    fields = fields_of(*found)
    columns = [field.column for field in fields.values() if field.column]
    names = [column.name for column in columns]
    assert len({name.lower() for name in names}) == len(names) <= MAX_COLUMNS
    assert all(SAFE.fullmatch(name) for name in names)
    assert ROW_KEY not in names
    assert all(field.column.path == path for path, field in fields.items() if field.column)


@pytest.mark.slow
@given(st.lists(documents, min_size=1, max_size=5))
def test_every_field_is_catalogued_with_its_evidence(found: list[Any]) -> None:
    fields = fields_of(*found)
    seen: dict[str, list[tuple[int, set[str]]]] = {}
    for number, details in enumerate(found):
        kinds: dict[str, set[str]] = {}
        for leaf in leaves(details):
            kinds.setdefault(leaf.field, set()).add(leaf.kind)
        for path, of_path in kinds.items():
            seen.setdefault(path, []).append((number, of_path))
    assert seen.keys() <= fields.keys()
    # Beyond the leaves there are only the containers that are a column.
    assert all(fields[path].column for path in fields.keys() - seen.keys())
    for path, rows in seen.items():
        field = fields[path]
        kinds_seen = set(field.kinds.replace("big_integer", "integer").split(", ")) - {"array", "object"}
        assert kinds_seen == set().union(*(of_path for _, of_path in rows))
        assert field.records >= len(rows)
        assert field.first_seen_at <= START + timedelta(hours=rows[0][0])
        assert field.last_seen_at >= START + timedelta(hours=rows[-1][0])


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        pytest.param([], {}, id="no evidence"),
        pytest.param([{}], {}, id="empty details"),
        pytest.param([{"a": None}], {}, id="only null"),
        pytest.param([{"a": {}}], {}, id="only {}"),
        pytest.param([{"a": "x"}], {"a": ("a", "VARCHAR")}, id="text"),
        pytest.param([{"a": True}], {"a": ("a", "BOOLEAN")}, id="flag"),
        pytest.param([{"a": 1}], {"a": ("a", "BIGINT")}, id="integer"),
        pytest.param([{"a": Decimal("1.5")}], {"a": ("a", "DOUBLE")}, id="fraction"),
        pytest.param([{"a": 1}, {"a": Decimal("1.5")}], {"a": ("a", "DOUBLE")}, id="integer and fraction"),
        pytest.param([{"a": 2**63}], {"a": ("a", "VARCHAR")}, id="beyond 64 bits"),
        pytest.param([{"a": 2**63}, {"a": Decimal("1.5")}], {"a": ("a", "VARCHAR")}, id="beyond 64 bits and fraction"),
        pytest.param([{"a": 1}, {"a": True}], {"a": ("a", "VARCHAR")}, id="integer and flag"),
        pytest.param([{"a": 1}, {"a": None}, {"a": {}}], {"a": ("a", "BIGINT")}, id="null and {} change nothing"),
        pytest.param([{"a": []}], {"a": ("a", "VARCHAR")}, id="empty array"),
        pytest.param([{"a": []}, {"a": [1]}], {"a": ("a", "BIGINT[]")}, id="empty array and integers"),
        pytest.param([{"a": ["x", None]}, {"a": None}], {"a": ("a", "VARCHAR[]")}, id="null among items and instead"),
        pytest.param([{"a": [None]}], {"a": ("a", "VARCHAR[]")}, id="only null items"),
        pytest.param([{"a": [1, "x"]}], {"a": ("a", "VARCHAR[]")}, id="items of two kinds"),
        pytest.param([{"a": [1, Decimal("1.5")]}], {"a": ("a", "DOUBLE[]")}, id="integers and fractions"),
        pytest.param([{"a": [2**63, 1]}], {"a": ("a", "VARCHAR[]")}, id="items beyond 64 bits"),
        pytest.param([{"a": [[1]]}], {"a": ("a", "VARCHAR")}, id="array of arrays"),
        pytest.param([{"a": [[]]}], {"a": ("a", "VARCHAR")}, id="array of empty arrays"),
        pytest.param([{"a": [{"b": 1}]}], {"a": ("a", "VARCHAR")}, id="array of objects"),
        pytest.param([{"a": [1]}, {"a": [{}]}], {"a": ("a", "VARCHAR")}, id="items that are {}"),
        pytest.param([{"a": [1]}, {"a": "x"}], {"a": ("a", "VARCHAR")}, id="array and text"),
        pytest.param([{"a": {"b": {"c": 1}}}], {"a.b.c": ("a_b_c", "BIGINT")}, id="nested"),
        pytest.param(
            [{"a": {"b": 1}}, {"a": "x"}, {"a": [1]}],
            {"a": ("a", "VARCHAR"), "a.b": ("a_b", "BIGINT")},
            id="object, text and array",
        ),
        pytest.param([{"a": {"17": 1}}], {"a": ("a", "VARCHAR")}, id="ids for keys"),
        pytest.param([{"a": {"b": 1}}, {"a": {"17": {"c": 1}}}], {"a": ("a", "VARCHAR")}, id="one id for a key"),
        pytest.param(
            [{"a": {"b": {"17": 1}, "c": 1}}],
            {"a.b": ("a_b", "VARCHAR"), "a.c": ("a_c", "BIGINT")},
            id="a map below an object",
        ),
        pytest.param(
            [{"a": 1}, {"17": 1}],
            {"": ("details", "VARCHAR"), "a": ("a", "BIGINT")},
            id="an id for a key of details leaves the other columns",
        ),
        pytest.param(
            [{"a": {"*": 1, "[]": 1}}],
            {'a."*"': ("a__", "BIGINT"), 'a."[]"': ("a___", "BIGINT")},
            id="keys like marks",
        ),
        pytest.param(
            [{"a.[]": [1]}, {"a[]": "x"}],
            {'"a.[]"': ("a___", "BIGINT[]"), '"a[]"': ("a__", "VARCHAR")},
            id="marks in keys",
        ),
        pytest.param([{"": {"": 1}}], {'"".""': ("_", "BIGINT")}, id="keys without a letter"),
    ],
)
def test_columns(details: list[Any], expected: dict[str, tuple[str, str]]) -> None:
    assert columns_of(*details) == expected


def test_the_path_spelled_like_the_name_gets_it() -> None:
    names = {path: name for path, (name, _) in columns_of({"a_b": 1, "A_b": 1, "a": {"b": 1}}).items()}
    assert names["a_b"] == "a_b"
    assert all(re.fullmatch(r"a_b_[0-9a-f]{8}", names[path]) for path in ("A_b", "a.b"))
    both = {path: name for path, (name, _) in columns_of({"Ab": 1, "ab": 1, "AB": 1}).items()}
    assert both["ab"] == "ab"
    assert sorted(len(name) for name in both.values()) == [2, 11, 11]


def test_a_key_called_details_keeps_its_name() -> None:
    columns = columns_of({"details": 1, "17": 1})
    assert columns["details"] == ("details", "BIGINT")
    assert re.fullmatch(r"details_[0-9a-f]{8}", columns[""][0])


def test_a_name_with_a_digest_is_not_used_twice() -> None:
    taken = columns_of({"A": 1, "a": 1})["A"][0]
    names = columns_of({"A": 1, "a": 1, taken: 1})
    assert names[taken][0] == taken
    assert names["A"][0].startswith(f"{taken}"[:2])
    assert len({name for name, _ in names.values()}) == 3


@pytest.mark.parametrize("key", ["milestone_id", "Milestone_ID", "MILESTONE_ID"])
def test_the_key_column_of_the_table_is_reserved(key: str) -> None:
    assert columns_of({key: "mine"})[key][0].startswith("milestone_id_")


@pytest.mark.parametrize("keys", [MAX_KEYS_PER_OBJECT, MAX_KEYS_PER_OBJECT + 1])
def test_an_object_with_too_many_keys_is_a_map(keys: int) -> None:
    # However few a version has: they are counted over all of them.
    columns = columns_of(*({"m": {f"k{n}": 1 for n in range(start, keys, 2)}} for start in (0, 1)))
    assert list(columns) == (["m"] if keys > MAX_KEYS_PER_OBJECT else sorted(f"m.k{n}" for n in range(keys)))


@pytest.mark.parametrize("keys", [MAX_KEYS_PER_OBJECT, MAX_KEYS_PER_OBJECT + 1])
def test_details_with_too_many_keys_are_a_map(keys: int) -> None:
    columns = columns_of({f"k{n}": n for n in range(keys)})
    assert list(columns) == ([""] if keys > MAX_KEYS_PER_OBJECT else sorted(f"k{n}" for n in range(keys)))


def test_with_too_many_columns_nested_objects_become_maps() -> None:
    wide = {f"g{group}": {f"k{n}": {"x": n} for n in range(100)} for group in range(2)} | {"list": [1]}
    assert columns_of(wide) == {
        "g0": ("g0", "VARCHAR"),
        "g1": ("g1", "VARCHAR"),
        "list": ("list", "BIGINT[]"),
    }
    del wide["g1"]
    assert len(columns_of(wide)) == 101


def test_a_container_is_catalogued_from_the_leaves_below_it() -> None:
    fields = fields_of({"x": 1}, {"m": {"17": "a"}}, {"m": None}, {"m": {"18": 2}}, {"m": {}})
    field = fields["m"]
    assert (field.kinds, field.records) == ("empty_object, null, object", 4)
    assert (field.first_seen_at, field.last_seen_at) == (START + timedelta(hours=1), START + timedelta(hours=4))
    assert (field.first_sweep_id, field.example) == ("001", None)
    assert (fields["m.*"].kinds, fields["m.*"].column, fields["m.*"].example) == ("integer, string", None, "2")


def test_discarded_kinds_add_no_column_and_widen_none() -> None:
    def row(path: str, kind: str, *, is_discarded: bool) -> list[Evidence]:
        return [Evidence("t", path, of, 1, START, START, "001", "1", is_discarded=is_discarded) for of in (kind, "any")]

    kept = [*row("a", "integer", is_discarded=False), *row("m.b", "string", is_discarded=False)]
    fields = {field.path: field for field in fields_of_type(kept + row("a", "string", is_discarded=True)[:1])}
    assert (fields["a"].kinds, fields["a"].is_discarded) == ("integer, string", True)
    assert fields["a"].column is not None
    assert fields["a"].column.sql_type == "BIGINT"
    for discarded in (row("new", "string", is_discarded=True), row("m.*", "string", is_discarded=True)):
        fields = {field.path: field for field in fields_of_type(kept + discarded)}
        assert [path for path, field in fields.items() if field.column] == ["a", "m.b"]


@pytest.mark.slow
def test_ten_thousand_fields_are_catalogued_quickly() -> None:
    many = [
        Evidence("t", f"a{n % 150}.b{n}.c", kind, 1, START, START, "001", "1", is_discarded=False)
        for n in range(10_000)
        for kind in ("string", "any")
    ]
    fields = fields_of_type(many)
    assert sum(field.column is not None for field in fields) == 150
    assert len(fields) == 10_150


@pytest.mark.slow
@given(documents)
def test_a_field_can_be_rebuilt_from_its_segments(details: Any) -> None:
    for leaf in leaves(details):
        segments = split_field(leaf.field)
        joined = "".join(segment if segment == "[]" else f".{segment}" for segment in segments)
        assert joined.removeprefix(".") == leaf.field


# Names of tables

types = st.sampled_from(NASTY_TYPES) | texts


@given(st.sets(types), st.randoms(use_true_random=False))
@example(set(NASTY_TYPES), random.Random(1))  # noqa: S311
def test_table_names_are_safe_and_unique_in_any_order(found: set[str], chance: random.Random) -> None:
    names = table_names(sorted(found), reserved=RESERVED)
    assert names.keys() == found
    assert len(set(names.values()) | RESERVED) == len(found) + 1
    assert all(SAFE.fullmatch(name) and name.startswith("details_") for name in names.values())
    shuffled = sorted(found)
    chance.shuffle(shuffled)
    assert table_names(shuffled, reserved=RESERVED) == names


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        ("football_game", "details_football_game"),
        ("Companies", "details_companies"),
        ("", "details__"),
        ("9_darter", "details__9_darter"),
        ("x; DROP TABLE y", "details_x__drop_table_y"),
        ("t" * 300, "details_" + "t" * 60),
    ],
    ids=["plain", "capital", "empty", "digit", "SQL", "long"],
)
def test_a_type_alone_gets_a_plain_name(type_: str, expected: str) -> None:
    assert table_names([type_], reserved=RESERVED) == {type_: expected}


def test_types_with_the_same_plain_name() -> None:
    names = table_names(["Companies", "companies", "COMPANIES"], reserved=RESERVED)
    assert names["companies"] == "details_companies"
    assert all(re.fullmatch(r"details_companies_[0-9a-f]{8}", names[type_]) for type_ in ("Companies", "COMPANIES"))
    long = table_names(["t" * 300, "t" * 301], reserved=RESERVED)
    assert all(re.fullmatch(r"details_t{60}_[0-9a-f]{8}", name) for name in long.values())
    assert re.fullmatch(r"details_fields_[0-9a-f]{8}", table_names(["fields"], reserved=RESERVED)["fields"])
