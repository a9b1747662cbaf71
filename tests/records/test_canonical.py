from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.records.canonical import canonical_json, content_hash
from schemas.api import object_decoder
from schemas.columns import HASH_LENGTH
from tests.records.samples import ABSENT, NASTY_KEYS, encoded, in_order, milestone, objects, parse, render, values


def _reordered(value: Any) -> Any:
    """The same content with every object's keys the other way round."""
    if isinstance(value, dict):
        return {key: _reordered(child) for key, child in reversed(value.items())}
    return [_reordered(child) for child in value] if isinstance(value, list) else value


@pytest.mark.slow
@given(objects)
def test_the_text_has_the_content_with_sorted_keys(value: dict[str, Any]) -> None:
    text = canonical_json(object_decoder.decode(encoded(value)))
    # Rendered again, to be strict: in Python True is 1, and 1.10 is 1.1.
    assert render(parse(text)) == render(in_order(parse(render(value))))


@pytest.mark.slow
@given(objects)
def test_order_of_keys_and_white_space_do_not_matter(value: dict[str, Any]) -> None:
    text = canonical_json(object_decoder.decode(encoded(value)))
    assert canonical_json(object_decoder.decode(encoded(_reordered(value)))) == text
    assert canonical_json(object_decoder.decode(b" \r\n\t" + encoded(value) + b"\n")) == text


@pytest.mark.slow
@given(objects)
def test_encoding_is_idempotent_and_lossless(value: dict[str, Any]) -> None:
    decoded = object_decoder.decode(encoded(value))
    text = canonical_json(decoded)
    assert object_decoder.decode(text) == decoded
    assert canonical_json(object_decoder.decode(text)) == text
    assert "\0" not in text.decode("utf-8")


@pytest.mark.slow
@given(objects, objects)
def test_two_contents_never_share_a_text(one: dict[str, Any], other: dict[str, Any]) -> None:
    is_same = render(in_order(one)) == render(in_order(other))
    texts = [canonical_json(object_decoder.decode(encoded(value))) for value in (one, other)]
    assert (texts[0] == texts[1]) == is_same


@pytest.mark.parametrize(
    "number",
    [
        *("0", "-1", "1.10", "1.1", "0.30", "-0.0", "0.1", "1.0", "1E+2", "-1.5E-7", "5E-324", "1E-400", "0E+5"),
        *("9007199254740993", "9007199254740993.0", "9223372036854775808", "-9223372036854775809"),
        *("18446744073709551615", "18446744073709551616", "1180591620717411303424", "9" * 400),
        "0.1000000000000000055511151231257827021181583404541015625",
        "1.7976931348623157E+308",
    ],
)
def test_numbers_keep_their_digits(number: str) -> None:
    assert canonical_json(object_decoder.decode(f'{{"n":{number}}}')) == f'{{"n":{number}}}'.encode()


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("1e2", "1E+2"),
        ("1E2", "1E+2"),
        ("1.5e+3", "1.5E+3"),
        ("0.0000001", "1E-7"),
        ("1e0", "1"),
        ("10.0e1", "100"),
        ("-0", "0"),
    ],
)
def test_exponents_are_spelled_one_way(sent: str, kept: str) -> None:
    decoded = object_decoder.decode(f'{{"n":{sent}}}')
    assert canonical_json(decoded) == f'{{"n":{kept}}}'.encode()
    assert Decimal(sent) == Decimal(kept)
    assert canonical_json(object_decoder.decode(canonical_json(decoded))) == canonical_json(decoded)


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?", fullmatch=True))
def test_no_number_changes_its_value(number: str) -> None:
    text = canonical_json(object_decoder.decode(f'{{"n":{number}}}'))
    assert Decimal(text.removeprefix(b'{"n":').removesuffix(b"}").decode()) == Decimal(number)
    assert canonical_json(object_decoder.decode(text)) == text


def test_the_last_of_a_duplicate_key_counts() -> None:
    twice = b'{"b":1,"a":{"x":1,"x":2},"b":[3]}'
    assert canonical_json(object_decoder.decode(twice)) == b'{"a":{"x":2},"b":[3]}'


def test_text_is_utf_8_and_not_normalised() -> None:
    composed, decomposed = "é", "e\u0301"
    text = canonical_json(object_decoder.decode(encoded({composed: "😀\0", decomposed: "\u2028"})))
    assert text == b'{"e\xcc\x81":"\xe2\x80\xa8","\xc3\xa9":"\xf0\x9f\x98\x80\\u0000"}'


@pytest.mark.slow
@given(objects, st.sampled_from(["2026-01-01T00:00:00Z", None, ABSENT, 7]))
def test_last_updated_ts_is_not_content(details: dict[str, Any], last_updated_ts: Any) -> None:
    same = milestone(details=details)
    assert content_hash(milestone(details=details, last_updated_ts=last_updated_ts)) == content_hash(same)
    assert content_hash(_reordered(same)) == content_hash(same)


@pytest.mark.parametrize("field", [*(name for name in milestone() if name != "last_updated_ts"), "unknown_field"])
@pytest.mark.parametrize(
    "value", [ABSENT, None, "", "other", {}, []], ids=["absent", "null", "empty", "text", "{}", "[]"]
)
def test_everything_else_is_content(field: str, value: Any) -> None:
    changed = milestone(**{field: value})
    if changed != milestone():
        assert content_hash(changed) != content_hash(milestone())


def test_last_updated_ts_within_details_is_content() -> None:
    assert content_hash(milestone(details={"last_updated_ts": "a"})) != content_hash(
        milestone(details={"last_updated_ts": "b"})
    )


@given(values, values)
def test_hashes_differ_where_details_do(one: Any, other: Any) -> None:
    is_same = render(in_order(one)) == render(in_order(other))
    hashes = {content_hash(milestone(details={"x": value})) for value in (one, other)}
    assert len(hashes) == (1 if is_same else 2)


def test_a_hash_is_lower_case_hexadecimal_and_stable() -> None:
    # Hashes are stored: code that computes others makes every milestone look changed.
    assert content_hash({"id": "a", "n": Decimal("1.10")}) == "4fe46f49ef56fbabee9295d1c351e6bc"
    assert all(len(content_hash({"key": key})) == HASH_LENGTH for key in NASTY_KEYS)


@pytest.mark.slow
@given(objects, st.sampled_from(["2026-11-01T00:00:00Z", ABSENT]))
def test_the_hash_is_the_same_with_and_without_the_encoded_text(value: dict[str, Any], update: str) -> None:
    record = {**value, **({} if update == ABSENT else {"last_updated_ts": update})}
    decoded = object_decoder.decode(encoded(record))
    assert content_hash(decoded, canonical_json(decoded)) == content_hash(decoded)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param({"last_updated_ts": "x"}, id="nothing else"),
        pytest.param({"a": 1, "last_updated_ts": "x"}, id="the last"),
        pytest.param({"last_updated_ts": "x", "z": 1}, id="the first"),
        pytest.param({"a": {"last_updated_ts": "x"}, "last_updated_ts": "x"}, id="the same in a nested object"),
        pytest.param({"last_updated_ts": "x", "z": {"last_updated_ts": "xy"}}, id="nearly the same below"),
        pytest.param({'a"last_updated_ts': "x", "last_updated_ts": "x"}, id="a key that ends like it"),
        pytest.param({"last_updated_ts": "x", "z": '"last_updated_ts":"x"'}, id="the same in a text"),
        pytest.param({"last_updated_ts": 1, "z": [{"last_updated_ts": 12}]}, id="a number that begins another"),
    ],
)
def test_only_the_last_updated_ts_of_the_record_itself_is_removed(record: dict[str, Any]) -> None:
    text = canonical_json(record)
    content = {key: value for key, value in record.items() if key != "last_updated_ts"}
    assert content_hash(record, text) == content_hash(record) == content_hash(content)


@pytest.mark.parametrize("given_text", [False, True], ids=["record", "record and text"])
@pytest.mark.parametrize(
    ("record", "content"),
    [
        pytest.param({"a": {"b": {"c": 1, "d": 2}, "c": 3}}, {"a": {"b": {"d": 2}, "c": 3}}, id="that field only"),
        pytest.param({"a": {"b": {"c": 1}}, "c": 2}, {"a": {"b": {}}, "c": 2}, id="the only field of its object"),
        pytest.param({"a": {"b": 1}}, {"a": {"b": 1}}, id="a value where an object was expected"),
        pytest.param({"a": {"x": 1}}, {"a": {"x": 1}}, id="no such object"),
        pytest.param({"a": [{"b": {"c": 1}}]}, {"a": [{"b": {"c": 1}}]}, id="an array above it"),
        pytest.param({"a": {"b": {"c": 1}}, "z": 5}, {"a": {"b": {}}}, id="and a second path"),
    ],
)
def test_volatile_fields_below_the_record_are_not_content(
    record: dict[str, Any], content: dict[str, Any], given_text: bool
) -> None:
    text = canonical_json(record) if given_text else None
    assert content_hash(record, text, volatile=(("a", "b", "c"), ("z",))) == content_hash(content)
