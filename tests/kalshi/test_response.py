"""Which bodies are pages or milestones, and which are rejected as what."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.kalshi.response import NotJson, UnexpectedShape, read_page, read_single

DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [('"abc"', "abc"), ('""', None), ("null", None), (None, None)],
    ids=["text", "empty", "null", "absent"],
)
def test_the_last_page_has_an_empty_null_or_absent_cursor(cursor: str | None, expected: str | None) -> None:
    tail = "" if cursor is None else f', "cursor": {cursor}'
    content = read_page(f'{{"milestones": [{{"id": "a"}}, {{"id": "b"}}]{tail}}}'.encode())
    assert content.next_cursor == expected
    assert content.ids == ("a", "b")


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"[]",
        b"{}",
        b"12",
        b'"text"',
        b'{"error": "too many requests"}',
        b'{"cursor": ""}',
        b'{"cursor": "more"}',
        b'{"milestones": {}}',
        b'{"milestones": false}',
        b'{"milestones": null, "cursor": 0}',
        b'{"milestones": [], "cursor": 0}',
        b'{"milestones": [], "cursor": 17}',
        b'{"milestones": [], "cursor": false}',
        b'{"milestones": [], "cursor": ["a"]}',
    ],
)
def test_json_of_another_shape(body: bytes) -> None:
    with pytest.raises(UnexpectedShape, match="does not have the expected shape"):
        read_page(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>", id="html"),
        pytest.param(b'{"milestones": [{"id": 1', id="cut"),
        pytest.param(b'{"milestones": null, "cu', id="cut-after-a-wrong-type"),
        pytest.param(b'{"milestones": []}{"milestones": []}', id="two-documents"),
        pytest.param(b'{"milestones": [{"a": NaN}]}', id="nan"),
        pytest.param(b'\xef\xbb\xbf{"milestones": []}', id="byte-order-mark"),
        pytest.param(b'{"milestones": [], "cursor": "\xff"}', id="cursor-not-utf-8"),
        pytest.param(b'{"milestones": [], "cursor": "\\ud800"}', id="cursor-lone-surrogate"),
    ],
)
def test_incomplete_or_invalid_json(body: bytes) -> None:
    with pytest.raises(NotJson) as caught:
        read_page(body)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("body", [b'{"milestones": [' + DEEP + b"]}", b'{"x": ' + DEEP + b"}", DEEP])
def test_deep_nesting(body: bytes) -> None:
    with pytest.raises(UnexpectedShape):
        read_page(body)


def test_an_unreadable_record_costs_only_itself() -> None:
    content = read_page(b'{"milestones": [{"id": "a"}, {"id": null}, 7, {"id": "\xff"}, {"id": null}]}')
    assert content.ids[0] == "a"
    assert all(one.startswith("?") for one in content.ids[1:])
    # Unreadable records are identified by their bytes: the same bytes are the same record.
    assert len(set(content.ids)) == 4


@pytest.mark.slow
@given(
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["milestones", "cursor", "id"]), inner)
        ),
    ).map(lambda document: json.dumps(document).encode())
)
def test_any_bytes_are_a_page_or_raise(body: bytes) -> None:
    try:
        content = read_page(body)
    except (NotJson, UnexpectedShape):
        return
    assert content.body is body
    milestones = json.loads(body)["milestones"]
    assert content.is_null == (milestones is None)
    assert len(content.ids) == len(milestones or ())


@pytest.mark.parametrize(
    ("body", "cursor"),
    [(b'{"milestones": null}', None), (b'{"milestones": null, "cursor": "more"}', "more")],
    ids=["at the end", "with a cursor"],
)
def test_a_list_that_is_null_is_an_empty_page(body: bytes, cursor: str | None) -> None:
    content = read_page(body)
    assert (content.ids, content.starts, content.next_cursor, content.is_null) == ((), (), cursor, True)
    assert not read_page(b'{"milestones": []}').is_null


def test_the_values_that_filters_are_checked_with() -> None:
    content = read_page(
        b'{"milestones": [{"id": "a", "category": "Sports", "type": "x", "start_date": "s", "last_updated_ts": "u"},'
        b'{"id": "b", "category": null}, {"id": "c", "category": 7, "type": "y"}]}'
    )
    assert content.categories == ("Sports", None, None)
    assert content.types == ("x", None, None)
    assert (content.starts, content.updates) == (("s", "", ""), ("u", "", ""))


def test_single() -> None:
    assert read_single(b'{"milestone": {"id": "a", "title": "x"}}').ids == ("a",)
    with pytest.raises(UnexpectedShape):
        read_single(b'{"milestones": []}')
    with pytest.raises(NotJson):
        read_single(b'{"milestone": {')


def test_recorded_page(recorded: Callable[[str], bytes]) -> None:
    page = json.loads(recorded("golden_milestones_list_response.json"))["response"]
    content = read_page(json.dumps(page).encode())
    assert content.next_cursor == page["cursor"]
    assert content.ids == tuple(one["id"] for one in page["milestones"])


def test_recorded_single(recorded: Callable[[str], bytes]) -> None:
    single = json.loads(recorded("golden_milestone_single_response.json"))["response"]
    assert read_single(json.dumps(single).encode()).ids == (single["milestone"]["id"],)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ('"next_cursor": "abc"', True),
        ('"nextCursor": "abc"', True),
        ('"next_cursor": ""', False),
        ('"next_cursor": null', False),
        ('"cursor": "", "next_cursor": "abc"', False),
        ('"total": "abc"', False),
    ],
)
def test_a_cursor_under_another_name_is_noticed(others: str, expected: bool) -> None:
    content = read_page(b'{"milestones": [], %b}' % others.encode())
    assert content.next_cursor is None
    assert content.has_other_cursor is expected
