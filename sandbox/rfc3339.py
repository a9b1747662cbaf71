"""The API's time text, RFC 3339 in UTC, to and from whole microseconds since 1970. Pure, no clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

MICROS = 1_000_000
"""Microseconds in a second."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# fromisoformat also reads weeks, dates alone and times without an offset, which the API refuses.
_SHAPE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


def parse_micros(text: str) -> int:
    """Microseconds since 1970 (negative before; digits past the sixth are cut). ValueError: not RFC 3339."""
    if _SHAPE.fullmatch(text) is None:
        raise ValueError(f"not an RFC 3339 time: {text[:40]!r}")
    return micros_of(datetime.fromisoformat(text))


def micros_of(moment: datetime) -> int:
    """Microseconds since 1970 of a datetime with a time zone (TypeError without one)."""
    return (moment - _EPOCH) // _MICROSECOND


def format_micros(micros: int) -> str:
    """The text as Go writes it: `Z`, and a fraction without trailing zeros, or none at all."""
    text = (_EPOCH + timedelta(microseconds=micros)).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if micros % MICROS else text) + "Z"


def format_seconds(seconds: int) -> str:
    """The text of a whole second."""
    return format_micros(seconds * MICROS)
