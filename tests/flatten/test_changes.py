"""What changed between two versions: nothing unsaid, nothing that is no change."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.flatten.changes import TICKER_FIELDS, Change, changes
from pipelines.records.canonical import content_hash
from schemas.api import object_decoder
from tests.records.samples import ABSENT, encoded, milestone, objects, values

ZERO = "0001-01-01T00:00:00Z"

times = st.sampled_from([ABSENT, None, ZERO, "2026-09-18T03:11:12.5Z", "2026-09-18T03:11:12.500Z"])
tickers = st.none() | st.lists(st.sampled_from(["KXA", "KXB", "KXC"]), max_size=4)
records = st.builds(
    milestone,
    title=st.sampled_from(["One", "Two", ""]),
    details=objects,
    end_date=times,
    source_id=st.sampled_from([ABSENT, None, "", "one"]),
    source_ids=st.sampled_from([ABSENT, None, {}, {"source_1_id": "one"}, {"source_1_id": "two"}]),
    related_event_tickers=tickers,
    primary_event_tickers=tickers,
    product_details=st.just(ABSENT) | values,
)


def between(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str | None, str | None]]:
    """Changes of a milestone that differs in these fields, read from its JSON as in the log."""
    old, new = (object_decoder.decode(encoded(milestone(**fields))) for fields in (before, after))
    return [(change.field, change.old, change.new) for change in changes(old, new)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param({"title": "One"}, {"title": "Two"}, [("title", "One", "Two")], id="text"),
        pytest.param({"title": ""}, {"title": "Two"}, [("title", "", "Two")], id="empty text is a value"),
        pytest.param(
            {"start_date": "2026-09-17T23:30:00Z"},
            {"start_date": "2026-09-18T00:30:00+00:00"},
            [("start_date", "2026-09-17T23:30:00Z", "2026-09-18T00:30:00Z")],
            id="time, spelled one way",
        ),
        pytest.param(
            {"end_date": ABSENT},
            {"end_date": "2026-09-18T03:11:12.500Z"},
            [("end_date", None, "2026-09-18T03:11:12.5Z")],
            id="a time is added",
        ),
        pytest.param({"end_date": ABSENT}, {"end_date": None}, [], id="absent and null"),
        pytest.param({"end_date": None}, {"end_date": ZERO}, [], id="null and the zero time"),
        pytest.param({"end_date": ZERO}, {"end_date": ABSENT}, [], id="the zero time and absent"),
        pytest.param(
            {"end_date": "2026-09-18T03:11:12.5Z"},
            {"end_date": "2026-09-18T05:11:12.500000+02:00"},
            [],
            id="one moment in two spellings",
        ),
        pytest.param(
            {"last_updated_ts": ZERO}, {"last_updated_ts": "2026-09-18T03:11:12Z"}, [], id="only last_updated_ts"
        ),
        pytest.param({"source_id": None}, {"source_id": "x"}, [("source_id", None, "x")], id="source id is added"),
        pytest.param(
            {"source_ids": {"source_1_id": "a", "source_3_id": "b"}},
            {"source_ids": {"source_1_id": "c", "source_6_id": "d"}},
            [
                ("source_ids.source_1_id", "a", "c"),
                ("source_ids.source_3_id", "b", None),
                ("source_ids.source_6_id", None, "d"),
            ],
            id="providers by name",
        ),
        pytest.param(
            {"details": {"season": {"week": 1, "type": "REG"}}},
            {"details": {"season": {"week": 2, "type": "REG"}}},
            [("details.season.week", "1", "2")],
            id="details by path",
        ),
        pytest.param(
            {"details": {"a.b": 1, "ids": ["x", "y"]}},
            {"details": {"a": {"b": 1}, "ids": ["x"]}},
            [('details."a.b"', "1", None), ("details.a.b", None, "1"), ("details.ids[1]", "y", None)],
            id="paths that look alike",
        ),
        pytest.param({"details": {"a": 1}}, {"details": {"a": "1"}}, [("details.a", "1", "1")], id="type flips"),
        pytest.param({"details": {"a": True}}, {"details": {"a": "true"}}, [("details.a", "true", "true")], id="flag"),
        pytest.param({"details": {"a": 1}}, {"details": {"a": Decimal("1.0")}}, [("details.a", "1", "1.0")], id="1.0"),
        pytest.param({"details": {"a": None}}, {"details": {}}, [("details", None, "{}")], id="null removed, {} stays"),
        pytest.param({"details": {"a": 1, "b": None}}, {"details": {"a": 1}}, [], id="null and absent in details"),
        pytest.param({"details": {"a": []}}, {"details": {"a": {}}}, [("details.a", "[]", "{}")], id="empty ones"),
        pytest.param(
            {"details": {"a": "[]"}}, {"details": {"a": []}}, [("details.a", "[]", "[]")], id="text and empty"
        ),
        pytest.param(
            {"details": {"a": [1]}},
            {"details": {"a": []}},
            [("details.a", None, "[]"), ("details.a[0]", "1", None)],
            id="an array becomes empty",
        ),
        pytest.param({}, {"new_field": {"x": 1}}, [("new_field.x", None, "1")], id="an undocumented field"),
        pytest.param(
            {"related_event_tickers": ["A", "B"]},
            {"related_event_tickers": ["C", "B", "D"]},
            [
                ("related_event_tickers", "A", None),
                ("related_event_tickers", None, "C"),
                ("related_event_tickers", None, "D"),
            ],
            id="tickers, one row each",
        ),
        pytest.param(
            {"primary_event_tickers": ["A", "B"]},
            {"primary_event_tickers": ["B", "A"]},
            [("primary_event_tickers", '["A","B"]', '["B","A"]')],
            id="tickers in another order",
        ),
        pytest.param(
            {"primary_event_tickers": ["A"]},
            {"primary_event_tickers": ["A", "A"]},
            [("primary_event_tickers", '["A"]', '["A","A"]')],
            id="a ticker twice",
        ),
        pytest.param({"primary_event_tickers": None}, {"primary_event_tickers": []}, [], id="null and no tickers"),
    ],
)
def test_changes(before: dict[str, Any], after: dict[str, Any], expected: list[Any]) -> None:
    assert between(before, after) == expected


@pytest.mark.slow
@given(records)
def test_equal_records_have_no_changes(record: dict[str, Any]) -> None:
    assert changes(record, object_decoder.decode(encoded(record))) == []


@pytest.mark.slow
@given(records, records)
def test_changes_in_reverse_swap_old_and_new(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert {Change(c.field, c.new, c.old) for c in changes(one, other)} == set(changes(other, one))


@pytest.mark.slow
@given(records, records)
def test_changes_are_ordered_and_unique(one: dict[str, Any], other: dict[str, Any]) -> None:
    found = changes(one, other)
    assert [change.field for change in found] == sorted(change.field for change in found)
    assert len(set(found)) == len(found)
    assert all(change.old is not None or change.new is not None for change in found)
    shuffled = [{key: record[key] for key in reversed(record)} for record in (one, other)]
    assert changes(*shuffled) == found


@given(st.lists(st.sampled_from("ABCD"), max_size=5), st.lists(st.sampled_from("ABCD"), max_size=5))
def test_ticker_changes_applied_to_the_old_tickers_give_the_new_ones(old: list[str], new: list[str]) -> None:
    for field in TICKER_FIELDS:
        found = changes(milestone(**{field: old}), milestone(**{field: new}))
        assert {change.field for change in found} <= {field}
        assert bool(found) == (old != new)
        if set(old) != set(new):
            gone, come = {change.old for change in found} - {None}, {change.new for change in found} - {None}
            assert set(old) - gone | come == set(new)


@pytest.mark.slow
@given(objects, objects)
def test_details_that_differ_have_a_change(one: dict[str, Any], other: dict[str, Any]) -> None:
    old, new = (object_decoder.decode(encoded(milestone(details=details))) for details in (one, other))
    if changes(old, new):
        assert content_hash(old) != content_hash(new)
