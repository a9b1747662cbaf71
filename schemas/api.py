"""What the Kalshi API sends: typed messages, every field with its documented standing.

Source: the published API description and recordings of the live API. A record must hold the fields without which it
could be neither identified nor placed in time. Every other field may be null or absent, whatever the description says:
Kalshi removes required fields at times. Fields that it does not name are never dropped: records keep the whole object
as it came, these types only say what it must hold at least.
"""

from __future__ import annotations

import decimal
import math
from typing import Any

import msgspec

PAGE_LIMIT = 500
"""Most milestones the API puts in one page (`limit`, 1 to 500)."""

ZERO_TIME_YEAR = 1
"""Go's zero time, 0001-01-01T00:00:00Z, stands for "never": the API sends it in `last_updated_ts`."""

CLOCK_TOLERANCE_SECONDS = 60
"""How far Kalshi's clock may run ahead of ours. A `last_updated_ts` that lies further after its own fetch is no time of
an update: nothing is compared with it."""

JsonObject = dict[str, Any]


class Milestone(msgspec.Struct, frozen=True, kw_only=True):
    """One milestone, `GET /milestones/{milestone_id}`. Times are RFC 3339 text, parsed later and strictly.

    The fields of EXPECTED_FIELDS are documented as required; where one is missing or null all the same, that is counted
    and its columns are NULL. A ticker array is empty then: sibling endpoints send null for empty arrays.
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
"""Documented as required, yet a milestone without one is stored."""


class Page(msgspec.Struct, frozen=True):
    """`GET /milestones`: milestones as whole objects, and the cursor of the next page ("", null or absent: the end).

    A list that is null is an empty page: sibling endpoints send null for empty lists.
    """

    milestones: list[JsonObject] | None
    cursor: str | None = None


class RawPage(msgspec.Struct, frozen=True):
    """The same page with every milestone left as bytes, so that one that cannot be decoded costs only itself."""

    milestones: list[msgspec.Raw] | None
    cursor: str | None = None


class SingleAnswer(msgspec.Struct, frozen=True):
    """`GET /milestones/{milestone_id}`, the milestone left as bytes."""

    milestone: msgspec.Raw


def exact_number(text: str) -> decimal.Decimal:
    """A JSON number with a fraction or an exponent, digits kept as sent (a double would round them).

    Raises ValueError for a number beyond a double's range: no reader of the tables could hold it. So too for one
    whose exponent not even Decimal takes: it complains of that with no ValueError, and would stop the sweep.
    """
    try:
        number = decimal.Decimal(text)
    except decimal.InvalidOperation as error:
        raise ValueError(f"number out of range: {text[:40]}") from error
    if math.isinf(float(text)):
        raise ValueError(f"number out of range: {text[:40]}")
    # Written without its exponent, -0e0 would come back as the integer -0, which is 0.
    return number if number or number.as_tuple().exponent else abs(number)


page_decoder = msgspec.json.Decoder(Page, float_hook=exact_number)
raw_page_decoder = msgspec.json.Decoder(RawPage)
single_decoder = msgspec.json.Decoder(SingleAnswer)
object_decoder = msgspec.json.Decoder(JsonObject, float_hook=exact_number)
