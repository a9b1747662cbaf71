"""Structured targets: who takes part in milestones (teams, players, candidates, companies)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec

from schemas.api import JsonObject
from schemas.columns import not_empty, optional_text
from schemas.endpoint import EXTRA, LIFE, ByKeys, Endpoint, Listing, version_log
from schemas.table import TEXT, Column, Reference, Table


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A record of `GET /structured_targets`. The API documents every field as optional; without `id` it is refused."""

    id: str
    name: str | None = None
    type: str | None = None
    details: JsonObject | None = None
    source_id: str | None = None
    source_ids: dict[str, str] | None = None
    last_updated_ts: str | None = None


TARGET_ID = Column(
    "target_id", TEXT, "The target's id, to which milestone_entities.entity_id refers.", "id", is_searched=True
)


STRUCTURED_TARGETS = Table(
    name="structured_targets",
    grain="structured target, as last seen",
    description="Who takes part: teams, players, candidates, companies, with their names.",
    columns=(
        TARGET_ID,
        optional_text("type", "Type, for example basketball_team."),
        optional_text("name", "Name."),
        optional_text("short_name", "Shorter name, if there is one.", "details.short_name"),
        optional_text("abbreviation", "Abbreviation, if there is one.", "details.abbreviation"),
        optional_text("league", "League, if there is one.", "details.league"),
        optional_text("details", "The object `details` as canonical JSON text."),
        optional_text("source_id", "Id at the provider of the data."),
        EXTRA,
        *LIFE,
    ),
    key=("target_id",),
    rules=(not_empty("target_id"),),
)

STRUCTURED_TARGET_SOURCES = Table(
    name="structured_target_sources",
    grain="structured target and provider",
    description="The ids of structured targets at providers of data.",
    columns=(
        TARGET_ID,
        Column("provider", TEXT, "Name of the provider's id.", "source_ids, the key"),
        Column("provider_id", TEXT, "The id.", "source_ids, the value"),
    ),
    key=("target_id", "provider"),
    references=(Reference("target_id", "structured_targets", "target_id"),),
)

STRUCTURED_TARGET_VERSIONS = version_log(
    "structured_target_versions",
    replace(TARGET_ID, description="The target's id."),
    grain="a structured target",
)

TARGETS = Endpoint(
    name="targets",
    title="structured targets",
    path="/structured_targets",
    page_key="structured_targets",
    record=Target,
    key="id",
    log=STRUCTURED_TARGET_VERSIONS,
    tables=(STRUCTURED_TARGETS, STRUCTURED_TARGET_SOURCES),
    cron="9-59/15 * * * *",
    listing=Listing(size="page_size", limit=2_000, every=timedelta(days=7), cursor_is_last_key=True),
    by_keys=ByKeys(
        parameter="ids",
        style="repeated",
        at_most=2_000,
        wanted="SELECT entity_id, max(start_date) FROM milestone_entities JOIN milestones USING (milestone_id) "
        "GROUP BY entity_id",
    ),
)
