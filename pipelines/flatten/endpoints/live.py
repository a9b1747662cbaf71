"""Flattens live data. Every version is a row of the log, so there is no other table."""

from __future__ import annotations

from typing import Any

from pipelines.flatten.endpoints.values import json_text, number, text
from schemas.api import JsonObject
from schemas.live_data import AWAY_SCORES, HOME_SCORES, LIVE_DATA, WIDGET_GROUPS
from schemas.statuses import UNKNOWN, status_group


def flatten_live(milestone_id: str, record: JsonObject) -> dict[str, list[dict[str, Any]]]:
    """The columns of live_data beside those of every version log."""
    details = record.get("details") or {}
    status = text(details.get("status"))
    return {
        LIVE_DATA.name: [
            {
                "milestone_id": milestone_id,
                "type": text(record.get("type")),
                "status": status,
                "status_group": _group(status, text(details.get("widget_status"))),
                "home_score": _first(details, HOME_SCORES),
                "away_score": _first(details, AWAY_SCORES),
                "winner": text(details.get("winner")),
                "details": json_text(record.get("details")),
            }
        ]
    }


def _group(status: str | None, widget_status: str | None) -> str | None:
    """The group of the status; the widget's status decides for one that is absent or has an unknown spelling."""
    group = status_group(status)
    if group not in (None, UNKNOWN):
        return group
    return WIDGET_GROUPS.get(widget_status or "", group)


def _first(details: JsonObject, names: tuple[str, ...]) -> float | None:
    """The first of some fields that is a number."""
    return next((value for name in names if (value := number(details.get(name))) is not None), None)
