"""Milestones of our own making, JSON written without the code under test, and strategies for both."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

ABSENT: Any = object()
"""As a value in `milestone`: the field does not come at all."""


def milestone(**changes: Any) -> dict[str, Any]:
    """A milestone with every documented field; `changes` replace fields or, with ABSENT, remove them."""
    fields: dict[str, Any] = {
        "id": "0a6bb6d2-1f0e-4c2a-9d0b-3a9c1f6f0001",
        "category": "Sports",
        "type": "football_game",
        "start_date": "2026-09-17T23:30:00Z",
        "end_date": "2026-09-18T03:11:12.5Z",
        "title": "Café at Łódź",
        "notification_message": "It begins",
        "source_id": "sr:sport_event:1",
        "source_ids": {"source_1_id": "one", "source_3_id": "three"},
        "related_event_tickers": ["KXA-1", "KXB-2", "KXC-3"],
        "primary_event_tickers": ["KXB-2"],
        "details": {"league": "NFL", "season": {"week": 0, "year": 2026}, "status": "scheduled", "odds": [1, None, []]},
        "last_updated_ts": "2026-09-15T00:21:49.7717Z",
    }
    return {name: value for name, value in (fields | changes).items() if value is not ABSENT}


def render(value: Any) -> str:
    """JSON text; numbers with a fraction come as Decimal and keep their digits. Nothing but ASCII."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{render(child)}" for key, child in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(render, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)


def parse(text: str | bytes) -> Any:
    """JSON read by the standard library, exactly: the judge of what is under test."""
    return json.loads(text, parse_float=Decimal)


def in_order(value: Any) -> Any:
    """The same content with every object's keys sorted."""
    if isinstance(value, dict):
        return {key: in_order(value[key]) for key in sorted(value)}
    return [in_order(child) for child in value] if isinstance(value, list) else value


def encoded(value: Any) -> bytes:
    return render(value).encode()


def page(*records: bytes, cursor: str = '""') -> bytes:
    """The answer of `GET /milestones` with these records."""
    return b'{"milestones":[' + b",".join(records) + b'],"cursor":' + cursor.encode() + b"}"


def with_details(details: bytes, **changes: Any) -> bytes:
    """A milestone whose details are these bytes, JSON or not."""
    return encoded(milestone(details="@", **changes)).replace(b'"@"', details)


NASTY_KEYS = (
    *(
        "",
        ".",
        "..",
        "a.b",
        "a",
        "A",
        "[0]",
        "a[0]",
        "]",
        '"',
        '"a"',
        "\\",
        "\\u0000",
        "\0",
        "\n",
        " ",
        "a b",
        "/",
        "-",
        "_",
        "0",
    ),
    *("é", "e\u0301", "Ａ", "😀", "\u2028", "\x7f", "\ufeff", "'; DROP TABLE milestones; --", "$", "null", "K" * 300),
)

texts = st.sampled_from(NASTY_KEYS) | st.text(max_size=8)
decimals = st.from_regex(r"-?(0|[1-9][0-9]{0,20})\.[0-9]{1,25}", fullmatch=True).map(Decimal)
integers = st.integers() | st.sampled_from([2**53 + 1, 2**63, -(2**63) - 1, 2**64, 2**70, 10**400, -(10**400)])
scalars = st.none() | st.booleans() | integers | decimals | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)
objects = st.dictionaries(texts, values, max_size=5)
