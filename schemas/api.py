"""The messages of the Kalshi API as types: which fields a record must have, and which it may have.

Source: the published API description and recordings of the live API. Only the fields that identify a record and place
it in time are required. Every other field may be null or absent, whatever the description says: Kalshi has removed
required fields. Undocumented fields are never dropped: records keep the whole object, these types are its minimum.
"""

from __future__ import annotations

import decimal
import math
from typing import Any

import msgspec

PAGE_LIMIT = 500
"""The largest page size of the API (`limit`, 1 to 500)."""

ZERO_TIME_YEAR = 1
"""The year of Go's zero time, 0001-01-01T00:00:00Z, which the API sends in `last_updated_ts` for "never"."""

CLOCK_TOLERANCE_SECONDS = 60
"""How far Kalshi's clock may be ahead of ours. A `last_updated_ts` further after its own fetch cannot be true and is
not compared with others."""

JsonObject = dict[str, Any]


class Milestone(msgspec.Struct, frozen=True, kw_only=True):
    """One milestone, `GET /milestones/{milestone_id}`. Times are RFC 3339 text, parsed strictly in `pipelines.records`.

    The fields of EXPECTED_FIELDS are documented as required; if one is missing or null, that is counted and its columns
    are NULL. A missing ticker array counts as empty: sibling endpoints send null for empty arrays.
    """

    id: str
    type: str
    start_date: str
    last_updated_ts: str
    category: str | None = None
    title: str | None = None
    notification_message: str | None = None
    details: JsonObject | None = None
    related_event_tickers: list[str] | None = None
    primary_event_tickers: list[str] | None = None
    end_date: str | None = None
    source_id: str | None = None
    source_ids: dict[str, str] | None = None


KNOWN_FIELDS = frozenset(field.encode_name for field in msgspec.structs.fields(Milestone))


EXPECTED_FIELDS = (
    "category",
    "details",
    "notification_message",
    "primary_event_tickers",
    "related_event_tickers",
    "title",
)
"""Documented as required, but a milestone without one is stored."""


class SingleMilestone(msgspec.Struct, frozen=True):
    """`GET /milestones/{milestone_id}`, the milestone left as bytes."""

    milestone: msgspec.Raw


def exact_number(text: str) -> decimal.Decimal:
    """A JSON number with a fraction or an exponent, with the digits as sent (a double would round them).

    Raises ValueError for a number beyond the range of doubles, which no reader of the tables could hold, and for an
    exponent beyond that of Decimal, whose own exception is not a ValueError and would stop the sweep.
    """
    try:
        number = decimal.Decimal(text)
    except decimal.InvalidOperation as error:
        raise ValueError(f"number out of range: {text[:40]}") from error
    if math.isinf(float(text)):
        raise ValueError(f"number out of range: {text[:40]}")
    # -0e0 is written without its exponent and would be read back as the integer -0, which is 0.
    return number if number or number.as_tuple().exponent else abs(number)


single_decoder = msgspec.json.Decoder(SingleMilestone)
object_decoder = msgspec.json.Decoder(JsonObject, float_hook=exact_number)
