"""The public interface: these tables have at least these columns, whatever else is added. Written by hand."""

from __future__ import annotations

import pytest

from schemas.endpoints import PUBLISHED_TABLES
from schemas.tables import KINDS

INTERFACE = {
    "milestones": "milestone_id category category_group type title start_date end_date notification_message source_id "
    "main_event_ticker league status status_group details extra last_updated_ts is_simulated has_placeholder_dates "
    "start_is_tentative content_hash first_seen_at last_changed_at vanished_at",
    "milestone_events": "milestone_id event_ticker is_related is_primary is_main related_position primary_position",
    "milestone_sources": "milestone_id provider provider_id",
    "milestone_entities": "milestone_id role position entity_id",
    "milestone_details": "milestone_id path kind value value_number",
    "details_fields": "type path kinds column_name sql_type records first_seen_at last_seen_at example",
    "milestone_versions": "milestone_id version content_hash last_updated_ts valid_from valid_to is_current sweep_id "
    "record",
    "archived_milestones": "milestone_id archived_at sweep_id answered_by_id",
    "quarantine": "sweep_id page position milestone_id reason field record seen_at",
    "sweeps": "sweep_id mode status started_at finished_at pages records new changed unchanged quarantined vanished "
    "requests retries rate_limited bytes watermark is_complete",
}


@pytest.mark.parametrize("name", INTERFACE)
def test_a_table_has_the_columns_that_users_rely_on(name: str) -> None:
    tables = {table.name: table for table in PUBLISHED_TABLES}
    assert set(INTERFACE[name].split()) - set(tables[name].arrow_schema.names) == set()


def test_the_kinds_of_leaves() -> None:
    assert KINDS == ("string", "integer", "number", "boolean", "null", "empty_object", "empty_array")
