from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cursor import InvalidCursorError, decode_cursor, encode_cursor
from sandbox.rfc3339 import MICROS, parse_micros

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=200)


@given(INT64, TEXT)
def test_a_position_round_trips(seconds: int, milestone_id: str) -> None:
    text = encode_cursor((seconds, milestone_id))
    assert "=" not in text
    assert decode_cursor(text) == (seconds, milestone_id)


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()))
def test_any_other_text_raises_invalid_cursor(text: str) -> None:
    try:
        position = decode_cursor(text)
    except InvalidCursorError:
        return
    assert encode_cursor(position) == text


def test_the_recorded_cursor_is_the_last_row_of_its_page(payloads: Path) -> None:
    page = json.loads((payloads / "golden_milestones_list_response.json").read_bytes())["response"]
    last = page["milestones"][-1]
    position = (parse_micros(last["start_date"]) // MICROS, last["id"])
    assert decode_cursor(page["cursor"]) == position
    assert encode_cursor(position) == page["cursor"]


def test_the_recorded_events_cursor_has_the_same_form(payloads: Path) -> None:
    cursor = json.loads((payloads / "golden_events_list_response.json").read_bytes())["response"]["cursor"]
    assert decode_cursor(cursor)[1] == "KXERUPTSUPER-0"


def _of(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("!", id="not base64"),
        pytest.param(encode_cursor((5, "a")) + "=", id="padded"),
        pytest.param(_of(b"\x0a\x02\x08"), id="cut short"),
        pytest.param(_of(b"\x08\x05\x12\x01a"), id="number for a message"),
        pytest.param(_of(b"\x0a\x03\x0a\x01b\x12\x01a"), id="text for seconds"),
        pytest.param(_of(b"\x0a\x02\x08\x05\x12\x01\xff"), id="id not UTF-8"),
        pytest.param(_of(b"\x0a\x02\x08\x05\x12\x01a\x18\x01"), id="a third field"),
        pytest.param(_of(b"\x0a\x0c\x08" + b"\xff" * 11), id="endless varint"),
        pytest.param("", id="empty"),
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(InvalidCursorError):
        decode_cursor(text)
