"""Flattens series."""

from __future__ import annotations

from typing import Any

from pipelines.flatten.endpoints.values import extra, json_text, text
from schemas.api import JsonObject
from schemas.series import SERIES, SERIES_TABLE


def flatten_series(series_ticker: str, record: JsonObject) -> dict[str, list[dict[str, Any]]]:
    """A row of series."""
    return {
        SERIES_TABLE.name: [
            {
                "series_ticker": series_ticker,
                "title": text(record.get("title")),
                "category": text(record.get("category")),
                "categories": json_text(record.get("categories")),
                "frequency": text(record.get("frequency")),
                "tags": json_text(record.get("tags")),
                "extra": extra(SERIES, record),
            }
        ]
    }
