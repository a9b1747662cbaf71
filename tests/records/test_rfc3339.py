from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.records.rfc3339 import LATEST, ZERO_TIME, InvalidTime, parse_rfc3339, rfc3339

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

offsets = st.integers(-(24 * 60 - 1), 24 * 60 - 1)
# A day off either end: with no offset can these leave the years 1 to 9999.
days = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda time: time.replace(microsecond=0))


def _offset_text(minutes: int) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


@given(days, st.text("0123456789", max_size=9), st.none() | offsets, st.booleans())
def test_every_time_round_trips_to_the_microsecond(
    time: datetime, fraction: str, offset: int | None, lower: bool
) -> None:
    text = f"{time:%H:%M:%S}{'.' + fraction if fraction else ''}{'Z' if offset is None else _offset_text(offset)}"
    text = f"{time.year:04}-{time:%m-%d}T{text}"
    zone = timezone(timedelta(minutes=offset or 0))
    expected = (time.replace(tzinfo=zone) - EPOCH) // MICROSECOND + int(fraction.ljust(6, "0")[:6])
    assert parse_rfc3339(text.lower() if lower else text) == expected


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        # A judge that would show it if a time were read in the session's zone.
        connection.execute("SET TimeZone = 'Asia/Kathmandu'")
        yield connection


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(
            st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)),
            st.text("0123456789", max_size=6),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_duckdb_reads_the_same_time(connection: duckdb.DuckDBPyConnection, times: list[tuple[datetime, str]]) -> None:
    texts = [f"{time.year:04}-{time:%m-%dT%H:%M:%S}{'.' + fraction if fraction else ''}Z" for time, fraction in times]
    rows = connection.execute("SELECT epoch_us(unnest(?::VARCHAR[])::TIMESTAMPTZ)", [texts]).fetchall()
    assert [parse_rfc3339(text) for text in texts] == [None if row[0] == ZERO_TIME else row[0] for row in rows]


@given(st.dates())
def test_only_days_that_exist_are_read(day: date) -> None:
    expected = (datetime(day.year, day.month, day.day, tzinfo=UTC) - EPOCH) // MICROSECOND
    assert parse_rfc3339(f"{day.isoformat()}T00:00:00Z") == (None if expected == ZERO_TIME else expected)
    if (day + timedelta(days=1) if day < date.max else day).month != day.month:
        with pytest.raises(InvalidTime):
            parse_rfc3339(f"{day.year:04}-{day.month:02}-{day.day + 1:02}T00:00:00Z")


SECOND = 1_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("1970-01-01T00:00:00Z", 0, id="epoch"),
        pytest.param("1969-12-31T23:59:59.999999Z", -1, id="before the epoch"),
        pytest.param("1970-01-01T00:00:01.5Z", 1_500_000, id="one digit of fraction"),
        pytest.param("1970-01-01T00:00:57.73357Z", 57_733_570, id="trailing zeros trimmed"),
        pytest.param("1970-01-01T00:00:00.000001999Z", 1, id="nanoseconds are cut off, not rounded"),
        pytest.param("1969-12-31T23:59:59.999999999Z", -1, id="cut off before the epoch too"),
        pytest.param("1970-01-01t00:00:00z", 0, id="lower case"),
        pytest.param("1970-01-01T05:30:00+05:30", 0, id="east of Greenwich"),
        pytest.param("1969-12-31T19:00:00-05:00", 0, id="west of Greenwich"),
        pytest.param("1970-01-01T00:00:00-00:00", 0, id="negative zero offset"),
        pytest.param("1970-01-01T23:59:00+23:59", 0, id="largest offset"),
        pytest.param("1970-01-01T23:59:59+00:00", 86_399 * SECOND, id="the last second of a day with an offset"),
        pytest.param("2024-02-29T00:00:00Z", 1_709_164_800 * SECOND, id="leap day"),
        pytest.param("2000-02-29T00:00:00Z", 951_782_400 * SECOND, id="leap day of a century"),
        pytest.param("9999-12-31T23:59:59.999999999Z", LATEST, id="the last microsecond"),
        pytest.param("9999-12-31T23:59:59.999999+00:01", LATEST - 60 * SECOND, id="near the end, with an offset"),
        pytest.param("0001-01-01T00:00:00.000001Z", ZERO_TIME + 1, id="just after the zero time"),
        pytest.param("0001-01-01T00:00:00Z", None, id="zero time"),
        pytest.param("0001-01-01T00:00:00.000Z", None, id="zero time with a fraction"),
        pytest.param("0001-01-01T00:00:00.000000999Z", None, id="zero time to the microsecond"),
        pytest.param("0001-01-01T01:00:00+01:00", None, id="zero time with an offset"),
    ],
)
def test_times_at_the_limits(text: str, expected: int | None) -> None:
    assert parse_rfc3339(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2016-12-31T23:59:60Z", id="leap second"),
        pytest.param("2026-11-22T24:00:00Z", id="24:00"),
        pytest.param("2026-11-22T12:60:00Z", id="minute 60"),
        pytest.param("2016-12-31T23:59:60+00:00", id="leap second with an offset"),
        pytest.param("2026-11-22T24:00:00+00:00", id="24:00 with an offset"),
        pytest.param("2026-11-22T12:60:00+00:00", id="minute 60 with an offset"),
        pytest.param("10000-01-01T00:00:00Z", id="year 10000"),
        pytest.param("+10000-01-01T00:00:00Z", id="year +10000"),
        pytest.param("9999-12-31T23:59:59-00:01", id="year 10000 by its offset"),
        pytest.param("-0001-01-01T00:00:00Z", id="negative year"),
        pytest.param("0044-03-15T00:00:00Z (BC)", id="BC"),
        pytest.param("0000-01-01T00:00:00Z", id="year 0"),
        pytest.param("0001-01-01T00:00:00+00:01", id="before year 1 by its offset"),
        pytest.param("2026-11-22T12:00:00", id="naive"),
        pytest.param("2026-11-22", id="date only"),
        pytest.param("12:00:00Z", id="time only"),
        pytest.param("2026-W47-7T12:00:00Z", id="week date"),
        pytest.param("2026-326T12:00:00Z", id="ordinal date"),
        pytest.param("20261122T120000Z", id="basic format"),
        pytest.param("2026-11-22T12:00Z", id="no seconds"),
        pytest.param("2026-1-2T12:00:00Z", id="single digits"),
        pytest.param("26-11-22T12:00:00Z", id="two-digit year"),
        pytest.param("2026-02-30T00:00:00Z", id="30 February"),
        pytest.param("2025-02-29T00:00:00Z", id="29 February of a common year"),
        pytest.param("1900-02-29T00:00:00Z", id="29 February 1900"),
        pytest.param("2026-00-01T00:00:00Z", id="month 0"),
        pytest.param("2026-13-01T00:00:00Z", id="month 13"),
        pytest.param("2026-01-00T00:00:00Z", id="day 0"),
        pytest.param("2026-11-22 12:00:00Z", id="a blank for the T"),
        pytest.param("2026-11-22T12:00:00 Z", id="a blank before the Z"),
        pytest.param(" 2026-11-22T12:00:00Z", id="a blank in front"),
        pytest.param("2026-11-22T12:00:00Z ", id="trailing blank"),
        pytest.param("2026-11-22T12:00:00Z\n", id="trailing line end"),
        pytest.param("2026-11-22T12:00:00Z\0", id="trailing NUL"),
        pytest.param("", id="empty"),
        pytest.param(" ", id="blank"),
        pytest.param("2026-11-22T12:00:00.Z", id="point without a fraction"),
        pytest.param("2026-11-22T12:00:00,5Z", id="comma"),
        pytest.param("2026-11-22T12:00:00.1234567890Z", id="ten digits of fraction"),
        pytest.param("2026-11-22T12:00:00+24:00", id="offset of 24 hours"),
        pytest.param("2026-11-22T12:00:00+05:60", id="offset minute 60"),
        pytest.param("2026-11-22T12:00:00+0530", id="offset without a colon"),
        pytest.param("2026-11-22T12:00:00+05", id="offset of hours only"),
        pytest.param("2026-11-22T12:00:00−05:00", id="minus sign that is not ASCII"),
        pytest.param("2026-11-22T12:00:00Z+00:00", id="two zones"),
        pytest.param("2026-11-22T12:00:00 UTC", id="named zone"),
        pytest.param("２０２６-11-22T12:00:00Z", id="full-width digits"),
        pytest.param("٢٠٢٦-11-22T12:00:00Z", id="Arabic digits"),
        pytest.param("2026-11-22T12:00:00.٥Z", id="Arabic fraction"),
        pytest.param("1763812800", id="Unix seconds"),
        pytest.param("Sun, 22 Nov 2026 12:00:00 GMT", id="HTTP date"),
        pytest.param("null", id="null as text"),
        pytest.param("now", id="word"),
    ],
)
def test_text_that_is_not_a_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidTime) as refused:
        parse_rfc3339(text)
    assert refused.value.text == text
    assert repr(text) in str(refused.value)


def test_a_long_text_is_quoted_only_in_part() -> None:
    with pytest.raises(InvalidTime) as refused:
        parse_rfc3339("x" * 1_000_000)
    assert str(refused.value) == f"not an RFC 3339 time: '{'x' * 60}'"
    assert len(refused.value.text) == 1_000_000


@given(
    st.text() | st.from_regex(r"[0-9]{3,5}-[0-9]{1,3}-[0-9]{2}T[0-9:.]{5,12}(Z|[+-][0-9:]{2,6})?\n?", fullmatch=True)
)
def test_any_text_is_a_time_within_bounds_or_refused(text: str) -> None:
    try:
        time = parse_rfc3339(text)
    except InvalidTime:
        return
    assert time is None or ZERO_TIME < time <= LATEST


@given(st.integers(ZERO_TIME + 1, LATEST))
def test_a_formatted_time_is_read_back(time: int) -> None:
    text = rfc3339(time)
    assert text is not None
    assert parse_rfc3339(text) == time


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (None, None),
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (57_733_570, "1970-01-01T00:00:57.73357Z"),
        (LATEST, "9999-12-31T23:59:59.999999Z"),
        (ZERO_TIME + 1, "0001-01-01T00:00:00.000001Z"),
    ],
)
def test_times_are_written_as_the_api_writes_them(time: int | None, text: str | None) -> None:
    assert rfc3339(time) == text
