"""The only parser of times: RFC 3339 text to UTC microseconds since 1970, and back.

It is stricter than the libraries in use, which read times without a zone in the session's zone, round nanoseconds up,
or accept week dates. Digits beyond the microsecond are cut off, never rounded.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from functools import lru_cache

_RFC3339 = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))", re.ASCII
)
_PLAIN = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{6})?Z", re.ASCII)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MICROSECONDS_PER_SECOND = 1_000_000

ZERO_TIME = (date(1, 1, 1).toordinal() - _EPOCH_DAY) * 86_400 * _MICROSECONDS_PER_SECOND
"""Go's zero time, 0001-01-01T00:00:00Z: the API's way to say "never"."""

LATEST = ((date(9999, 12, 31).toordinal() - _EPOCH_DAY + 1) * 86_400) * _MICROSECONDS_PER_SECOND - 1
"""The last microsecond of year 9999."""


class InvalidTime(ValueError):
    """The text is not an RFC 3339 time, or one that no table can hold (a leap second, a day that does not exist)."""

    def __init__(self, text: str) -> None:
        super().__init__(f"not an RFC 3339 time: {text[:60]!r}")
        self.text = text


# Starts fall on full hours and bulk rewrites share one last_updated_ts: most texts repeat.
@lru_cache(maxsize=65_536)
def parse_rfc3339(text: str) -> int | None:
    """Microseconds since 1970-01-01T00:00:00Z; None for the zero time. Raises InvalidTime."""
    microseconds = _plain(text) if _PLAIN.fullmatch(text) else _any(text)
    if microseconds == ZERO_TIME:
        return None
    if not ZERO_TIME < microseconds <= LATEST:
        raise InvalidTime(text)
    return microseconds


def _plain(text: str) -> int:
    """A time in the most common spelling, which `fromisoformat` reads quickly."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidTime(text) from error
    days = time.toordinal() - _EPOCH_DAY
    seconds = ((days * 24 + time.hour) * 60 + time.minute) * 60 + time.second
    return seconds * _MICROSECONDS_PER_SECOND + time.microsecond


def _any(text: str) -> int:
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise InvalidTime(text)
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, offset_hours, offset_minutes = match.groups()[6:]
    if hour > 23 or minute > 59 or second > 59:
        raise InvalidTime(text)
    try:
        days = date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError as error:
        raise InvalidTime(text) from error
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    if sign:
        if int(offset_hours) > 23 or int(offset_minutes) > 59:
            raise InvalidTime(text)
        offset = (int(offset_hours) * 60 + int(offset_minutes)) * 60
        seconds += -offset if sign == "+" else offset
    return seconds * _MICROSECONDS_PER_SECOND + (int(fraction[:6].ljust(6, "0")) if fraction else 0)


def rfc3339(microseconds: int | None) -> str | None:
    """The time as text in UTC, without a fraction of zero; None stays None."""
    if microseconds is None:
        return None
    seconds, fraction = divmod(microseconds, _MICROSECONDS_PER_SECOND)
    days, second_of_day = divmod(seconds, 86_400)
    minutes, second = divmod(second_of_day, 60)
    hour, minute = divmod(minutes, 60)
    digits = f".{fraction:06d}".rstrip("0") if fraction else ""
    return f"{date.fromordinal(days + _EPOCH_DAY).isoformat()}T{hour:02d}:{minute:02d}:{second:02d}{digits}Z"
