from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.rfc3339 import format_micros, format_seconds, micros_of, parse_micros

MOMENTS = st.datetimes(timezones=st.just(UTC))


@given(MOMENTS)
def test_text_round_trips_as_the_same_instant(moment: datetime) -> None:
    assert parse_micros(format_micros(micros_of(moment))) == micros_of(moment)


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        pytest.param(0, "1970-01-01T00:00:00Z", id="no fraction"),
        pytest.param(1_500_000, "1970-01-01T00:00:01.5Z", id="one digit"),
        pytest.param(57_733_570, "1970-01-01T00:00:57.73357Z", id="five digits"),
        pytest.param(-62_135_596_800_000_000, "0001-01-01T00:00:00Z", id="zero time"),
        pytest.param(10_000_000, "1970-01-01T00:00:10Z", id="the zeros of the seconds stay"),
    ],
)
def test_trailing_zeros_are_trimmed(micros: int, text: str) -> None:
    assert format_micros(micros) == text
    assert parse_micros(text) == micros


def test_offsets_and_long_fractions_are_read() -> None:
    assert parse_micros("1970-01-01T02:00:00.1234569+02:00") == 123_456
    assert format_seconds(60) == "1970-01-01T00:01:00Z"


@pytest.mark.parametrize(
    "text",
    ["", "2026-01-01", "2026-W01-1T00:00:00Z", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "20260101T000000Z"],
)
def test_text_that_is_not_rfc3339_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_micros(text)
