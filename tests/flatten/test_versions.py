"""Versions that ended because their milestone vanished, from the columns that a batch of the log has."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from pipelines.flatten.tables import disappearances
from schemas.tables import LATEST, MILESTONE_CHANGES
from tests.support import NOON, milestone_id


def version(number: int, version: int, **times: datetime | None) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(LATEST.arrow_schema.names)
    row |= {"content_hash": "0" * 32, "record": "{}", "first_seen_at": NOON, "last_changed_at": NOON, "sweep_id": "1"}
    return row | {"milestone_id": milestone_id(number), "version": version} | times


def test_a_disappearance_is_known_to_the_latest_version_or_to_the_next_one() -> None:
    gone, later = NOON + timedelta(microseconds=1_500), NOON + timedelta(days=1)
    versions = [
        (version(1, 1, vanished_at=gone), False),
        (version(1, 2, was_vanished_at=gone), True),
        (version(2, 1, vanished_at=gone), False),
        (version(2, 2), True),
        (version(3, 1, vanished_at=later), True),
    ]
    batch = pa.Table.from_pylist([row for row, _ in versions], schema=LATEST.arrow_schema)
    found = disappearances(batch, pa.chunked_array([[is_latest for _, is_latest in versions]]))
    assert found.schema.equals(MILESTONE_CHANGES.arrow_schema)
    common = {"version": 1, "position": 0, "field": "vanished_at", "old": None}
    assert sorted(found.to_pylist(), key=lambda row: str(row["milestone_id"])) == [
        {**common, "milestone_id": milestone_id(1), "new": "2026-11-23T12:00:00.0015Z", "seen_at": gone},
        {**common, "milestone_id": milestone_id(3), "new": "2026-11-24T12:00:00Z", "seen_at": later},
    ]
