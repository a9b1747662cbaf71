"""A page's bytes to records: what fits, what is refused and why, and that one bad record costs only itself."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.records.canonical import content_hash
from pipelines.records.decode import (
    MAX_DEPTH,
    MAX_PATHS_LENGTH,
    MAX_RECORD_BYTES,
    TOO_DEEP,
    Record,
    Refusal,
    UndecodablePage,
    decode_page,
    decode_single,
    is_json,
    nesting_depth,
    paths_length,
)
from schemas.api import EXPECTED_FIELDS, object_decoder
from schemas.live_data import LIVE_ENDPOINT
from tests.records.samples import (
    ABSENT,
    encoded,
    in_order,
    milestone,
    objects,
    page,
    parse,
    render,
    texts,
    values,
    with_details,
)

GOOD = encoded(milestone(id="good"))
REQUIRED = ("id", "type", "start_date", "last_updated_ts")
ONE_OF_EACH_KIND = {
    "null": None,
    "boolean": True,
    "integer": 1,
    "number": parse("1.5"),
    "text": "text",
    "array": [],
    "object": {},
}
TEXTS = {"id", "category", "type", "title", "notification_message"}
FITTING_KINDS: dict[str, set[str]] = {
    **{field: {"text", "null"} if field in EXPECTED_FIELDS else {"text"} for field in TEXTS},
    "related_event_tickers": {"array", "null"},
    "primary_event_tickers": {"array", "null"},
    "start_date": set(),  # "text" is no time
    "last_updated_ts": set(),
    "end_date": {"null"},
    "source_id": {"text", "null"},
    "source_ids": {"object", "null"},
    "details": {"object", "null"},
}


def record_among_good(data: bytes) -> Record | Refusal:
    """What becomes of `data` between two good records, which must not be touched."""
    before, found, after = decode_page(page(GOOD, data, GOOD))
    assert isinstance(before, Record)
    assert isinstance(after, Record)
    assert (before.text, after.text) == (canonical_good(), canonical_good())
    assert [before.position, found.position, after.position] == [0, 1, 2]
    return found


def canonical_good() -> str:
    [record] = decode_page(page(GOOD))
    assert isinstance(record, Record)
    return record.text


def refusal_among_good(data: bytes) -> Refusal:
    found = record_among_good(data)
    assert isinstance(found, Refusal), f"was let through: {found}"
    return found


def accepted(data: bytes) -> Record:
    found = record_among_good(data)
    assert isinstance(found, Record), f"was refused: {found.reason}"
    return found


def test_a_good_record() -> None:
    sent = milestone(unknown={"kept": 1}, product_details={})
    record = accepted(encoded(sent))
    assert record.key == sent["id"]
    assert record.last_updated_ts == 1_789_431_709_771_700
    assert record.unknown_fields == {"unknown", "product_details"}
    assert record.missing_fields == ()
    assert parse(record.text) == sent
    assert record.content_hash == content_hash(object_decoder.decode(encoded(sent)))


@pytest.mark.parametrize("field", REQUIRED)
def test_a_required_field_must_be_present(field: str) -> None:
    refusal = refusal_among_good(encoded(milestone(**{field: ABSENT})))
    assert (refusal.field, refusal.reason) == (field, f"Object missing required field `{field}`")
    assert refusal.key == (None if field == "id" else milestone()["id"])


@pytest.mark.parametrize("field", [*EXPECTED_FIELDS, "end_date", "source_id", "source_ids"])
def test_an_optional_field_may_be_absent(field: str) -> None:
    assert field not in parse(accepted(encoded(milestone(**{field: ABSENT}))).text)


@pytest.mark.parametrize(("field", "kind"), [(field, kind) for field in milestone() for kind in ONE_OF_EACH_KIND])
def test_a_field_is_of_its_documented_type_or_the_record_is_refused(field: str, kind: str) -> None:
    sent = milestone(**{field: ONE_OF_EACH_KIND[kind]})
    found = record_among_good(encoded(sent))
    if kind in FITTING_KINDS[field]:
        assert isinstance(found, Record)
        assert parse(found.text) == sent
    else:
        assert isinstance(found, Refusal)
        assert found.field == field
        assert found.key == (sent["id"] if field != "id" else None)
        assert parse(found.record) == sent


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        pytest.param({"id": None}, "Expected `str`, got `null`", "id", id="null id"),
        pytest.param({"title": True}, "Expected `str | null`, got `bool`", "title", id="boolean is no text"),
        pytest.param(
            {"related_event_tickers": "KXA-1"},
            "Expected `array | null`, got `str`",
            "related_event_tickers",
            id="text is no array",
        ),
        pytest.param(
            {"related_event_tickers": ["KXA-1", None]},
            "Expected `str`, got `null`",
            "related_event_tickers[1]",
            id="null in array",
        ),
        pytest.param(
            {"primary_event_tickers": [["KXA-1"]]},
            "Expected `str`, got `array`",
            "primary_event_tickers[0]",
            id="array in array",
        ),
        pytest.param(
            {"source_ids": {"a": None}}, "Expected `str`, got `null`", "source_ids", id="null among source ids"
        ),
        pytest.param(
            {"source_ids": {"a": 7}}, "Expected `str`, got `int`", "source_ids", id="integer among source ids"
        ),
        pytest.param({"details": [{}]}, "Expected `object | null`, got `array`", "details", id="details is an array"),
        pytest.param({"start_date": ""}, "not an RFC 3339 time: ''", "start_date", id="empty start"),
        pytest.param(
            {"start_date": "2026-11-22T12:00:00"},
            "not an RFC 3339 time: '2026-11-22T12:00:00'",
            "start_date",
            id="naive start",
        ),
        pytest.param(
            {"end_date": "2016-12-31T23:59:60Z"},
            "not an RFC 3339 time: '2016-12-31T23:59:60Z'",
            "end_date",
            id="end in a leap second",
        ),
        pytest.param({"end_date": ""}, "not an RFC 3339 time: ''", "end_date", id="empty end"),
        pytest.param(
            {"last_updated_ts": "10000-01-01T00:00:00Z"},
            "not an RFC 3339 time: '10000-01-01T00:00:00Z'",
            "last_updated_ts",
            id="updated in year 10000",
        ),
    ],
)
def test_the_reason_names_the_error_and_the_field(changes: dict[str, Any], reason: str, field: str) -> None:
    refusal = refusal_among_good(encoded(milestone(**changes)))
    assert (refusal.reason, refusal.field) == (reason, field)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"null", "Expected `object`, got `null`", id="null"),
        pytest.param(b"[]", "Expected `object`, got `array`", id="array"),
        pytest.param(b'"text"', "Expected `object`, got `str`", id="text"),
        pytest.param(b"7", "Expected `object`, got `int`", id="integer"),
        pytest.param(b"7e400", "Number out of range", id="number out of range"),
        pytest.param(b"{}", "Object missing required field `id`", id="empty object"),
    ],
)
def test_values_that_are_not_milestones_are_rejected(data: bytes, reason: str) -> None:
    refusal = refusal_among_good(data)
    assert (refusal.reason, refusal.key, refusal.record) == (reason, None, data.decode())


@pytest.mark.parametrize(
    ("details", "reason", "record"),
    [
        pytest.param(b'{"x":1e400}', "number out of range: 1e400", '{"x":1e400}', id="beyond a double"),
        pytest.param(b'{"x":-1e400}', "number out of range: -1e400", '{"x":-1e400}', id="beyond a double, negative"),
        pytest.param(
            b'{"x":1e-9999999999999999999}',
            "number out of range: 1e-9999999999999999999",
            '{"x":1e-9999999999999999999}',
            id="exponent beyond Decimal",
        ),
        pytest.param(
            b'{"x":0e9999999999999999999}',
            "number out of range: 0e9999999999999999999",
            '{"x":0e9999999999999999999}',
            id="zero with an exponent beyond Decimal",
        ),
        pytest.param(
            b'{"x":' + b"9" * 5_000 + b"}", "Integer value out of range", '{"x":' + "9" * 5_000 + "}", id="5,000 digits"
        ),
        pytest.param(b'{"x":"\xff"}', "can't decode byte 0xff", '{"x":"\\xff"}', id="not UTF-8"),
        pytest.param(b'{"\xc3":1}', "can't decode byte 0xc3", '{"\\xc3":1}', id="key that is not UTF-8"),
        pytest.param(b'{"x":"\xc0\xaf"}', "can't decode byte 0xc0", '{"x":"\\xc0\\xaf"}', id="overlong UTF-8"),
        pytest.param(
            b'{"x":"\xed\xa0\x80"}', "can't decode byte 0xed", '{"x":"\\xed\\xa0\\x80"}', id="surrogate in UTF-8"
        ),
    ],
)
def test_an_undecodable_record_costs_only_itself(details: bytes, reason: str, record: str) -> None:
    refusal = refusal_among_good(with_details(details))
    assert reason in refusal.reason
    assert record in refusal.record
    assert refusal.field is None
    # It can be read all the same, and the quarantine is searched by it.
    assert refusal.key == milestone()["id"]


def test_an_id_that_cannot_be_decoded_is_unknown() -> None:
    assert refusal_among_good(GOOD.replace(b'"good"', b'"\xff"')).key is None
    assert refusal_among_good(with_details(b'{"x":1e400}', id=7)).key is None


NOT_JSON = {
    "NaN": with_details(b'{"x":NaN}'),
    "Infinity": with_details(b'{"x":-Infinity}'),
    "lone high surrogate": with_details(b'{"x":"\\ud800"}'),
    "lone low surrogate": with_details(b'{"x":"\\udc00"}'),
    "surrogate in a key": with_details(b'{"\\ud800":1}'),
    "raw NUL": with_details(b'{"x":"\0"}'),
    "raw line end": with_details(b'{"x":"\n"}'),
    "leading zero": with_details(b'{"x":01}'),
    "bare point": with_details(b'{"x":1.}'),
    "comment": with_details(b"{/**/}"),
    "trailing comma": with_details(b'{"x":1,}'),
    "single quotes": with_details(b"{'x':1}"),
    "BOM inside": b"\xef\xbb\xbf" + GOOD,
    "cut": GOOD[:-5],
    "nothing": b"",
}


@pytest.mark.parametrize("data", NOT_JSON.values(), ids=NOT_JSON)
def test_a_page_that_is_not_json_is_undecodable(data: bytes) -> None:
    with pytest.raises(UndecodablePage, match=r"the body is not a page of milestones: .*malformed"):
        decode_page(page(GOOD, data, GOOD))
    with pytest.raises(UndecodablePage, match="the body is not a single milestone: "):
        decode_single(b'{"milestone":' + data + b"}")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="array"),
        pytest.param(b"{}", id="no milestones"),
        pytest.param(b'{"milestones":null,"milestone":7,"milestone":}', id="null milestones"),
        pytest.param(b'{"milestones":{}}', id="milestones as an object"),
        pytest.param(b'{"milestones":[],"cursor":0}', id="cursor is no text"),
        pytest.param(b'{"milestones":[],"cursor":false}', id="cursor is false"),
        pytest.param(b"\xef\xbb\xbf" + page(GOOD), id="BOM"),
        pytest.param(page(GOOD).decode().encode("utf-16"), id="UTF-16"),
        pytest.param(page(GOOD) + page(GOOD), id="two documents"),
        pytest.param(page(GOOD)[:-1], id="cut"),
        pytest.param(b"<html>maintenance</html>", id="HTML"),
        pytest.param(b'{"a":' * 100_000, id="depth without end"),
    ],
)
def test_json_that_is_not_a_page_is_undecodable(body: bytes) -> None:
    with pytest.raises(UndecodablePage):
        decode_page(body)
    with pytest.raises(UndecodablePage):
        decode_single(body)


@pytest.mark.parametrize("cursor", ['""', "null", '"next"'])
def test_a_page_may_be_empty(cursor: str) -> None:
    assert decode_page(page(cursor=cursor)) == []
    assert decode_page(b'{"milestones":[]}') == []


def _nested(depth: int, opening: bytes = b"[", closing: bytes = b"]", core: bytes = b"") -> bytes:
    """A milestone nested this deep: itself, details, and what is inside them."""
    return with_details(b'{"x":' + opening * (depth - 2) + core + closing * (depth - 2) + b"}")


def test_nesting_up_to_the_bound_is_kept() -> None:
    assert accepted(_nested(MAX_DEPTH)).key == milestone()["id"]
    assert accepted(_nested(MAX_DEPTH, b'{"a":', b"}", b"1")).key == milestone()["id"]


def test_nesting_beyond_the_bound_is_refused() -> None:
    for data in (_nested(MAX_DEPTH + 1), _nested(MAX_DEPTH + 1, b'{"a":', b"}", b"1"), _nested(300)):
        refusal = refusal_among_good(data)
        assert (refusal.reason, refusal.field, refusal.key) == (TOO_DEEP, None, milestone()["id"])
        assert parse(refusal.record) == parse(data)


def test_many_brackets_are_not_depth() -> None:
    assert parse(accepted(with_details(b'{"x":[' + b"[]," * 500 + b'"[[[["]}')).text)["details"]["x"][-1] == "[[[["


@pytest.mark.parametrize("depth", [1_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")], ids=["arrays", "objects"])
def test_extreme_depth_raises_no_recursion_error(depth: int, opening: bytes, closing: bytes) -> None:
    body = page(GOOD, _nested(depth, opening, closing, b"1"), GOOD)
    try:
        before, found, after = decode_page(body)
    except UndecodablePage:
        return  # how deep JSON is read at all depends on the interpreter
    assert isinstance(found, Refusal)
    assert found.reason == TOO_DEEP
    assert isinstance(before, Record)
    assert isinstance(after, Record)


def test_a_record_beyond_the_size_bound_is_refused_whole() -> None:
    title = "x" * 5_000_000
    refusal = refusal_among_good(encoded(milestone(title=title)))
    assert refusal.reason == f"larger than {MAX_RECORD_BYTES} bytes"
    assert parse(refusal.record)["title"] == title


def test_large_values_within_the_limit_are_kept() -> None:
    tickers = [f"KX-{number}" for number in range(100_000)]
    many = {f"key {number}": number for number in range(10_000)}
    long_key = {"k" * 10_000: {"a": 1, "b": [2, 3]}}
    for changes in ({"related_event_tickers": tickers}, {"details": many}, {"details": long_key}):
        sent = milestone(**changes)
        assert parse(accepted(encoded(sent)).text) == sent


@pytest.mark.parametrize("leaf", ["1", "{}", "[]", '""', "null"])
def test_a_long_key_above_many_leaves_is_refused(leaf: str) -> None:
    leaves_of_it = 2_000
    key = "k" * (MAX_PATHS_LENGTH // leaves_of_it)
    refusal = refusal_among_good(with_details(f'{{"{key}":[{",".join([leaf] * leaves_of_it)}]}}'.encode()))
    assert refusal.reason == f"paths longer than {MAX_PATHS_LENGTH} characters together"
    assert refusal.field == "details"


def test_the_length_of_paths() -> None:
    assert paths_length({}) == 0
    assert paths_length({"ab": 1}) == len("ab.")
    assert paths_length({"ab": {"c": 1, "d": {}}, "e": [[], None]}) == len("ab.c.") * 2 + len("e.[0]") * 2


def test_depth_of_nesting() -> None:
    shallow: list[Any] = [1, "[", {}, [1], {"a": [{}]}, [[[]], []]]
    assert [nesting_depth(value) for value in shallow] == [0, 0, 1, 1, 3, 3]
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert nesting_depth(deep) == 100_001
    while deep:  # taken apart by hand: the interpreter would do it recursively
        deep = deep.pop()


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({}, ()),
        ({"related_event_tickers": None, "primary_event_tickers": ABSENT}, EXPECTED_FIELDS[3:5]),
        ({name: [] for name in EXPECTED_FIELDS[3:5]} | {"details": {}, "title": "", "category": ""}, ()),
        (dict.fromkeys(EXPECTED_FIELDS), EXPECTED_FIELDS),
        (dict.fromkeys(EXPECTED_FIELDS, ABSENT), EXPECTED_FIELDS),
        ({"end_date": None, "source_id": ABSENT, "source_ids": None}, ()),
    ],
    ids=["none", "arrays", "empty is not missing", "all null", "all absent", "others"],
)
def test_missing_fields_are_read_and_counted(changes: dict[str, Any], missing: tuple[str, ...]) -> None:
    sent = milestone(**changes)
    record = accepted(encoded(sent))
    assert record.missing_fields == missing
    assert parse(record.text) == sent


def test_the_zero_time_is_none() -> None:
    zero = "0001-01-01T00:00:00Z"
    record = accepted(encoded(milestone(last_updated_ts=zero, start_date=zero, end_date=zero)))
    assert record.last_updated_ts is None
    assert parse(record.text)["last_updated_ts"] == zero


def test_the_last_of_a_duplicate_key_counts() -> None:
    data = encoded(milestone())[:-1] + b',"id":"second","title":"last"}'
    record = accepted(data)
    assert record.key == "second"
    assert parse(record.text)["title"] == "last"
    assert refusal_among_good(data[:-1] + b',"title":7}').field == "title"


def test_nul_and_other_controls_are_text() -> None:
    record = accepted(with_details(b'{"\\u0000":"a\\u0000b\\u001f"}', title="\0"))
    assert parse(record.text)["details"] == {"\0": "a\0b\x1f"}
    assert "\\u0000" in record.text


def test_a_single_milestone_is_decoded_like_a_page() -> None:
    data = encoded(milestone(unknown=1))
    assert decode_single(b'{"milestone":' + data + b"}") == decode_page(page(data))[0]
    assert decode_single(b'{"milestone":null}') == Refusal(0, "Expected `object`, got `null`", "null")
    assert decode_single(b'{"milestone":{"id":7}}') == decode_page(page(b'{"id":7}'))[0]


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A valid milestone, changed in one to three places at any depth."""
    record = copy.deepcopy(milestone())
    for _ in range(draw(st.integers(1, 3))):
        node: Any = record
        while True:
            key = draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
            if not (isinstance(node[key], (dict, list)) and node[key] and draw(st.booleans())):
                break
            node = node[key]
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "remove" if len(node) > 1:
                del node[key]
            case "add" if isinstance(node, dict):
                node[draw(texts)] = draw(values)
            case _:
                node[key] = draw(values | st.sampled_from(["2026-01-01T00:00:00.5+01:00", "0001-01-01T00:00:00Z"]))
    return record


@pytest.mark.slow
@given(st.lists(mutated(), min_size=1, max_size=4))
def test_any_mutated_record_is_accepted_or_rejected_and_none_is_lost(records: list[dict[str, Any]]) -> None:
    found = decode_page(page(GOOD, *map(encoded, records), GOOD))
    assert [item.position for item in found] == list(range(len(records) + 2))
    assert isinstance(found[0], Record)
    assert isinstance(found[-1], Record)
    for sent, item in zip(records, found[1:-1], strict=True):
        kept = parse(item.text if isinstance(item, Record) else item.record)
        # Rendered, to be strict: in Python True is 1, and 1.10 is 1.1.
        assert render(in_order(kept)) == render(in_order(parse(render(sent))))
        if isinstance(item, Record):
            assert item.key == sent["id"]
            assert item.unknown_fields == sent.keys() - milestone().keys()
        else:
            assert item.reason
            assert item.key == (sent["id"] if isinstance(sent.get("id"), str) else None)


@pytest.mark.slow
@given(st.lists(objects, max_size=3), st.data())
def test_pages_decode_the_same_in_one_pass_and_record_by_record(
    details: list[dict[str, Any]], data: st.DataObject
) -> None:
    records = [encoded(milestone(details=value)) for value in details]
    at_once = decode_page(page(*records))
    # The number that no double holds keeps the page from being decoded in one go.
    one_by_one = decode_page(page(*records, with_details(b'{"x":1e400}')))
    assert one_by_one[:-1] == at_once


@given(st.data())
def test_any_change_of_the_bytes_gives_records_refusals_or_an_undecodable_page(data: st.DataObject) -> None:
    body = bytearray(page(GOOD, encoded(milestone())))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body)))
        body[place : place + data.draw(st.integers(0, 3))] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b'"', b"\\", b"{", b"}", b"[", b"]", b",", b"\\ud800", b"1e400"])
        )
    try:
        found = decode_page(bytes(body))
    except UndecodablePage:
        return
    assert [item.position for item in found] == list(range(len(found)))
    for item in found:
        if isinstance(item, Record):
            assert isinstance(json.loads(item.text), dict)
            [again] = decode_page(page(item.text.encode()))
            assert isinstance(again, Record)
            assert (again.text, again.content_hash) == (item.text, item.content_hash)
        else:
            assert item.record.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": [1, null]}', True),
        ("7", True),
        ('{"x": 1e400}', True),
        ("", False),
        ('{"a": 1', False),
        ('{"a": 1} {}', False),
        ("{'a': 1}", False),
        ("\ud800", False),
        ("[" * 100_000, False),
    ],
    ids=[
        "object",
        "number",
        "number out of range",
        "empty",
        "cut",
        "two values",
        "quotes",
        "half of a surrogate pair",
        "too deep",
    ],
)
def test_which_texts_are_json(text: str, expected: bool) -> None:
    assert is_json(text) is expected


def test_the_hash_leaves_out_what_the_endpoint_calls_volatile() -> None:
    """Live data carry their update time inside `details`: it alone makes no new version."""

    def hash_of(details: bytes) -> str:
        body = b'{"%b":[{"milestone_id":"m","details":%b}]}' % (LIVE_ENDPOINT.page_key.encode(), details)
        (record,) = decode_page(body, LIVE_ENDPOINT)
        assert isinstance(record, Record)
        return record.content_hash

    known = hash_of(b'{"home_score":1,"last_updated_ts":"a"}')
    assert hash_of(b'{"home_score":1,"last_updated_ts":"b"}') == known
    assert hash_of(b'{"home_score":2,"last_updated_ts":"a"}') != known
