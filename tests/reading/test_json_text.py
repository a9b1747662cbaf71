"""JSON keeps every digit and its meaning."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.reading.json_text import Raw, dumps, number, parsed, single_line_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.slow
@given(JSON)
def test_written_json_has_the_same_value(value: Any) -> None:
    assert json.loads(dumps(value)) == value
    assert json.loads(dumps(value, indent=True)) == value
    assert dumps(parsed(json.dumps(value)), indent=True) == json.dumps(
        parsed_plainly(value), indent=2, ensure_ascii=False
    )


def parsed_plainly(value: Any) -> Any:
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("text", ["1.10", "123456789012345678901234567890.5", "1e400", "-0.0", "9" * 5_000])
def test_digits_are_kept(text: str) -> None:
    assert dumps(parsed(f'{{"a": [{text}]}}')) == f'{{"a": [{text}]}}'


def test_repeated_names_are_kept() -> None:
    assert dumps(parsed('{"a": 1, "a": 2}')) == '{"a": 1, "a": 2}'


@pytest.mark.parametrize("text", ["{", "NaN", "[1,]", "", "[" * 100_000], ids=lambda text: text[:5])
def test_invalid_json_stays_text(text: str) -> None:
    assert parsed(text) == text
    assert not isinstance(parsed(text), Raw)


@pytest.mark.parametrize("text", ["inf", "-inf", "nan", "0x1", "01", "1.", ""])
def test_invalid_json_numbers_are_text(text: str) -> None:
    assert dumps(number(text)) == f'"{text}"'


@pytest.mark.parametrize(
    ("text", "written"),
    [('{"a":1.10}', '{"a":1.10}'), ('{"a":\n1.10}', '{"a": 1.10}'), ('{"a":', dumps('{"a":')), ("NaN", '"NaN"')],
    ids=["one line", "several lines", "invalid", "NaN"],
)
def test_single_line_json(text: str, written: str) -> None:
    assert dumps(single_line_json(text)) == written
