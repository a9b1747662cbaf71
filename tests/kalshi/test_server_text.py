"""What servers say, made fit for a log."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.escaping import printable
from pipelines.kalshi.server_text import QUOTE_CHARACTERS, error_message, quoted


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b'{"msg":"limit is required"}', "limit is required", id="msg"),
        pytest.param(
            b'{"error":{"code":"not_found","message":"not found"}}', "not_found: not found", id="error-object"
        ),
        pytest.param(b'{"error": "too many requests"}', "too many requests", id="error-text"),
        pytest.param(b'{"code":"bad","message":"no","details":"limit"}', "bad: no: limit", id="flat"),
        pytest.param(b'{"code":7,"message":"no","details":null}', "no", id="flat-with-other-types"),
        pytest.param(b'{"error":{"code":404}}', '{"error":{"code":404}}', id="error-object-without-words"),
        pytest.param(b'{"msg":null}', '{"msg":null}', id="msg-null"),
        pytest.param(b"[1]", "[1]", id="array"),
        pytest.param(b"<html>\n<b>Blocked</b>", r"<html>\n<b>Blocked</b>", id="html"),
        pytest.param(b'{"msg":"a\\u001b[31m\\nb\\u202e"}', r"a\x1b[31m\nb\u202e", id="controls"),
        pytest.param(b"\xff\xfe", r"\xff\xfe", id="not-utf-8"),
        pytest.param(b"", "", id="empty"),
        pytest.param(b"[" * 100_000, "[" * QUOTE_CHARACTERS + "...", id="deep"),
    ],
)
def test_error_message(body: bytes, message: str) -> None:
    assert error_message(body) == message


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("error_400_bad_min_updated_ts.json", "min_updated_ts"),
        ("error_400_missing_limit.json", "limit is required"),
        ("error_404.json", "not_found: not found"),
        ("error_429.json", "too many requests"),
    ],
)
def test_recorded_errors(recorded: Callable[[str], bytes], name: str, part: str) -> None:
    assert part in error_message(recorded(name))


def test_printable_keeps_letters_of_all_scripts() -> None:
    assert printable("Łódź – 東京 🎾 x") == "Łódź – 東京 🎾 x"
    assert printable("a\u2028b\u200bc\ud800") == r"a\u2028b\u200bc\ud800"


@given(st.binary(max_size=3000) | st.text(max_size=3000))
def test_quotes_are_one_bounded_printable_line(raw: bytes | str) -> None:
    shown = quoted(raw)
    assert shown.isprintable()
    assert len(shown) <= QUOTE_CHARACTERS + 3


@given(st.text(max_size=QUOTE_CHARACTERS))
def test_short_printable_text_is_quoted_whole(text: str) -> None:
    if text.isprintable():
        assert quoted(text) == text
        assert quoted(text.encode()) == text


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from(["msg", "error", "code", "message", "details"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
    )
)
def test_any_json_has_a_message(document: dict[str, object]) -> None:
    message = error_message(json.dumps(document).encode())
    assert message
    assert message.isprintable()
