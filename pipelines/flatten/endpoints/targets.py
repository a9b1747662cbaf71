"""Flattens structured targets."""

from __future__ import annotations

from typing import Any

from pipelines.flatten.endpoints.values import extra, json_text, text
from schemas.api import JsonObject
from schemas.targets import STRUCTURED_TARGET_SOURCES, STRUCTURED_TARGETS, TARGETS


def flatten_target(target_id: str, record: JsonObject) -> dict[str, list[dict[str, Any]]]:
    """A row of structured_targets and one of structured_target_sources for each provider."""
    details = record.get("details") or {}
    return {
        STRUCTURED_TARGETS.name: [
            {
                "target_id": target_id,
                "type": text(record.get("type")),
                "name": text(record.get("name")),
                "short_name": text(details.get("short_name")),
                "abbreviation": text(details.get("abbreviation")),
                "league": text(details.get("league")),
                "details": json_text(record.get("details")),
                "source_id": text(record.get("source_id")),
                "extra": extra(TARGETS, record),
            }
        ],
        STRUCTURED_TARGET_SOURCES.name: [
            {"target_id": target_id, "provider": provider, "provider_id": provider_id}
            for provider, provider_id in (record.get("source_ids") or {}).items()
        ],
    }
