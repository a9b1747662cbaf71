"""Good rows of every declared table, written by hand: three each, among them one with every nullable column NULL."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

import schemas.tables
from schemas.table import BIGINT, BOOLEAN, BYTES, DOUBLE, INTEGER, TEXT, TIMESTAMP, Table

ALL_TABLES = tuple(value for value in vars(schemas.tables).values() if isinstance(value, Table))
"""Staged, published and private ones: whatever is declared."""

NOON = 1_795_348_800_000_000
"""2026-11-22T12:00:00Z."""

HASH = "0123456789abcdef0123456789abcdef"

_MILESTONE = {
    "category": "Sports",
    "category_group": "Sports",
    "type": "football_game",
    "title": "Łódź at 'Café' \"x\" \0",
    "start_date": NOON,
    "end_date": NOON + 1,
    "notification_message": "",
    "source_id": "sr:1",
    "main_event_ticker": "KX-1",
    "league": "NFL",
    "status": "closed",
    "status_group": "ended",
    "details": '{"a":1}',
    "extra": "{}",
    "last_updated_ts": NOON,
    "is_simulated": False,
    "has_placeholder_dates": True,
    "start_is_tentative": False,
    "content_hash": HASH,
    "first_seen_at": NOON,
    "last_changed_at": NOON,
    "vanished_at": NOON,
}
_COUNTS = {
    "pages": 1,
    "records": 15,
    "new": 1,
    "changed": 2,
    "unchanged": 3,
    "superseded": 4,
    "quarantined": 5,
    "vanished": 0,
    "requests": 1,
    "retries": 0,
    "rate_limited": 0,
    "bytes": 2**40,
}
_SWEEP = {
    "mode": "full",
    "status": "loaded",
    "started_at": NOON,
    "finished_at": NOON + 1,
    "filters": "{}",
    **_COUNTS,
    "watermark": NOON,
    "is_complete": True,
    "error": "none",
}
_NO_START: dict[str, Any] = {"start_date": None}
_FIELD = {
    "records": 1,
    "first_seen_at": NOON,
    "last_seen_at": NOON,
    "first_sweep_id": "000001-20261122T120000Z",
    "example": "NFL",
    "is_discarded": False,
}
_VERSION = {
    "content_hash": HASH,
    "last_updated_ts": NOON,
    "valid_from": NOON,
    "valid_to": NOON + 1,
    "sweep_id": "000001-20261122T120000Z",
    "record": "{}",
    "is_current": False,
}

GOOD_ROWS: dict[str, list[dict[str, Any]]] = {
    "pages": [
        {
            "page": page,
            "path": "/milestones?limit=500",
            "cursor": "a",
            "next_cursor": "b",
            "fetched_at": NOON,
            "records": 2,
            "body": b'{"\xff\0',
        }
        for page in (1, 2, 3)
    ],
    "records": [
        {
            "page": page,
            "position": position,
            "milestone_id": "a",
            "content_hash": HASH,
            "last_updated_ts": NOON,
            "seen_at": NOON,
            "record": "{}",
        }
        for page, position in ((1, 0), (1, 1), (2, 0))
    ],
    "latest": [
        {
            "milestone_id": milestone_id,
            "content_hash": HASH,
            "last_updated_ts": NOON,
            "record": "{}",
            "first_seen_at": NOON,
            "last_changed_at": NOON,
            "vanished_at": NOON,
        }
        for milestone_id in "abc"
    ],
    "milestones": [{"milestone_id": milestone_id, **_MILESTONE} for milestone_id in "abc"],
    "milestone_events": [
        {
            "milestone_id": milestone_id,
            "event_ticker": "KX-1",
            "is_related": is_related,
            "is_primary": is_primary,
            "is_main": is_main,
            "related_position": 0,
            "primary_position": 26,
        }
        for milestone_id, is_related, is_primary, is_main in (
            ("a", True, False, False),
            ("b", False, True, False),
            ("c", False, False, True),
        )
    ],
    "milestone_sources": [
        {"milestone_id": milestone_id, "provider": provider, "provider_id": ""}
        for milestone_id, provider in (("a", "source_1_id"), ("a", "source_3_id"), ("b", "source_1_id"))
    ],
    "milestone_entities": [
        {"milestone_id": "a", "role": role, "position": place, "entity_id": "862690f7", "key": "home_team_id"}
        for role, place in (("home", 0), ("competitor", 0), ("competitor", 1))
    ],
    "milestone_changes": [
        {
            "milestone_id": "a",
            "version": 2,
            "position": position,
            "field": "title",
            "old": "x",
            "new": "",
            "seen_at": NOON,
        }
        for position in (0, 1, 2)
    ],
    "details_fields": [
        {
            "type": "football_game",
            "path": path,
            "kinds": "integer, string",
            "table_name": "details_football_game",
            "column_name": "league",
            "sql_type": "VARCHAR",
            **_FIELD,
        }
        for path in ("a", "A", "m.*")
    ],
    "internal_evidence": [
        {"type": "football_game", "path": "league", "kind": kind, **_FIELD} for kind in ("any", "string", "null")
    ],
    "internal_absences": [
        {"milestone_id": milestone_id, "sweep_id": "000001-20261122T120000Z"} for milestone_id in "abc"
    ],
    "archived_milestones": [
        {
            "milestone_id": milestone_id,
            "archived_at": NOON,
            "sweep_id": "000001-20261122T120000Z",
            "answered_by_id": milestone_id == "a",
        }
        for milestone_id in "abc"
    ],
    "internal_touched": [
        {"sweep_id": "000001-20261122T120000Z", "milestone_id": one, "table_name": table, "is_after": True, **_NO_START}
        for one, table in (("", ""), ("a", ""), ("", "details_football_game"))
    ],
    "milestone_details": [
        {"milestone_id": "a", "path": path, "field": path, "kind": kind, "value": "1.10", "value_number": 1.1}
        for path, kind in (("a", "number"), ("A", "integer"), ('"\\u0000"', "null"))
    ],
    "milestone_versions": [{"milestone_id": "a", "version": version, **_VERSION} for version in (1, 2, 3)],
    "quarantine": [
        {
            "sweep_id": "000001-20261122T120000Z",
            "page": 1,
            "position": position,
            "milestone_id": "a",
            "reason": "broken",
            "field": "title",
            "record": "\\xff\0",
            "seen_at": NOON,
        }
        for position in (0, 1, 2)
    ],
    "sweeps": [{"sweep_id": f"00000{number}-20261122T120000Z", **_SWEEP} for number in (1, 2, 3)],
}

_ANY_OF_TYPE: dict[pa.DataType, Any] = {
    TEXT: "x",
    BYTES: b"x",
    BOOLEAN: False,
    INTEGER: 1,
    BIGINT: 2**40,
    DOUBLE: 0.5,
    TIMESTAMP: NOON,
}


def good_rows(table: Table) -> list[dict[str, Any]]:
    """Rows of one's own, to be spoilt at will; a column not written above gets any value of its type."""
    assert table.name in GOOD_ROWS, f"write three good rows of {table.name} into tests/schemas/rows.py"
    rows = [{column.name: _ANY_OF_TYPE[column.type] for column in table.columns} | row for row in GOOD_ROWS[table.name]]
    rows[2] |= {column.name: None for column in table.columns if column.nullable}
    if table.name == "milestone_versions":
        rows[2]["is_current"] = True  # what DuckDB will compute
    return rows


def to_arrow(table: Table, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as the declared Arrow table."""
    return table.from_columns({name: [row[name] for row in rows] for name in table.arrow_schema.names})
