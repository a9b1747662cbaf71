"""Flattens events."""

from __future__ import annotations

from typing import Any

from pipelines.flatten.endpoints.values import extra, json_text, text
from pipelines.records.rfc3339 import InvalidTime, parse_rfc3339
from schemas.api import JsonObject
from schemas.events import EVENTS, EVENTS_TABLE


def flatten_event(event_ticker: str, record: JsonObject) -> dict[str, list[dict[str, Any]]]:
    """A row of events."""
    metadata = record.get("product_metadata") or {}
    return {
        EVENTS_TABLE.name: [
            {
                "event_ticker": event_ticker,
                "series_ticker": text(record.get("series_ticker")),
                "title": text(record.get("title")),
                "sub_title": text(record.get("sub_title")),
                "category": text(record.get("category")),
                "competition": text(metadata.get("competition")),
                "competition_scope": text(metadata.get("competition_scope")),
                "mutually_exclusive": record.get("mutually_exclusive"),
                "strike_date": _time(record.get("strike_date")),
                "strike_period": text(record.get("strike_period")),
                "collateral_return_type": text(record.get("collateral_return_type")),
                "settlement_sources": json_text(record.get("settlement_sources")),
                "product_metadata": json_text(record.get("product_metadata")),
                "extra": extra(EVENTS, record),
            }
        ]
    }


def _time(sent: str | None) -> int | None:
    """Microseconds since 1970 UTC; None for a text that is empty or no time, which the record keeps as sent."""
    try:
        return parse_rfc3339(sent) if sent else None
    except InvalidTime:
        return None
