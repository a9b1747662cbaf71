"""How received records are classified, against each other and against the stored record of one milestone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from pipelines.staging.files import Staging
from pipelines.warehouse.compare import classify_records, stage_updated_only
from schemas.api import CLOCK_TOLERANCE_SECONDS
from schemas.tables import MILESTONES, RECORDS
from tests.support import NOON

HOUR = timedelta(hours=1)
TOLERANCE = timedelta(seconds=CLOCK_TOLERANCE_SECONDS)
MINUTE = timedelta(minutes=1)

Received = tuple[str, timedelta | None]
"""Content, and its last_updated_ts relative to NOON, about when it is fetched; None is the zero time."""

OLD, OLDER, AHEAD = -HOUR, -2 * HOUR, HOUR


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        MILESTONES.create(opened.execute)
        yield opened


def store(
    connection: duckdb.DuckDBPyConnection, content: str, updated: timedelta | None, *, is_future: bool = False
) -> None:
    time = None if updated is None else NOON + updated
    connection.execute(
        "INSERT INTO milestones BY NAME SELECT 'm' AS milestone_id, 't' AS type, ? AS content_hash, "
        "CAST(? AS TIMESTAMPTZ) AS last_updated_ts, CAST(? AS TIMESTAMPTZ) AS first_seen_at, "
        "first_seen_at AS last_changed_at, false AS is_simulated, false AS has_placeholder_dates, "
        "false AS start_is_tentative, ? AS has_future_update, 'c' AS category, 'c' AS category_group, 't' AS title, "
        "'n' AS notification_message, '{}' AS details",
        [content, time, NOON - timedelta(days=1), is_future],
    )


def classify(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    received: list[Received],
    *,
    is_retry: bool = False,
    shuffled_by: int | None = None,
) -> list[str]:
    """The outcomes of records in their order: one on each page, fetched a minute apart from NOON."""
    rows = [
        {
            "page": page,
            "position": 0,
            "milestone_id": "m",
            "content_hash": content,
            "last_updated_ts": None if updated is None else NOON + updated,
            "seen_at": NOON + page * MINUTE,
            "record": "{}",
        }
        for page, (content, updated) in enumerate(received)
    ]
    if shuffled_by is not None:
        random.Random(shuffled_by).shuffle(rows)  # noqa: S311 - a test
    staging = Staging(folder)
    table = RECORDS.from_columns({name: [row[name] for row in rows] for name in RECORDS.arrow_schema.names})
    staging.write(RECORDS.name, 0, table)
    classify_records(connection, staging, is_retry=is_retry)
    stage_updated_only(connection, staging)
    return [outcome for (outcome,) in connection.execute("SELECT outcome FROM classified ORDER BY page").fetchall()]


# Which of several records counts.
OF_SEVERAL: dict[str, tuple[list[Received], int]] = {
    "the newest, first": ([("a", OLD), ("b", OLDER)], 0),
    "the newest, last": ([("a", OLDER), ("b", OLD)], 1),
    "equal times: the last, whatever its hash": ([("b", OLD), ("a", OLD)], 1),
    "equal times: the last, whatever its hash, the other way": ([("a", OLD), ("b", OLD)], 1),
    "both zero: the last": ([("b", None), ("a", None)], 1),
    "zero after a time": ([("a", OLD), ("b", None)], 1),
    "a time after zero": ([("a", None), ("b", OLDER)], 1),
    "after one ahead, however old": ([("a", AHEAD), ("b", OLDER)], 1),
    "after one ahead, the newest": ([("a", AHEAD), ("b", OLD), ("c", OLDER)], 1),
    "one ahead at the end": ([("a", OLD), ("b", AHEAD)], 1),
    "two ahead: the last, not the one further ahead": ([("a", 2 * AHEAD), ("b", AHEAD)], 1),
    "as far ahead as clocks may differ": ([("a", TOLERANCE), ("b", OLD)], 0),
    "a moment further": ([("a", TOLERANCE + timedelta(microseconds=1)), ("b", OLD)], 1),
}


@pytest.mark.parametrize(("received", "counts"), OF_SEVERAL.values(), ids=OF_SEVERAL)
@pytest.mark.parametrize("shuffled_by", [None, 1, 2, 3], ids=["in-order", "seed-1", "seed-2", "seed-3"])
def test_one_of_several_records_wins_in_any_order_of_rows(
    received: list[Received],
    counts: int,
    shuffled_by: int | None,
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
) -> None:
    expected = ["new" if page == counts else "superseded" for page in range(len(received))]
    assert classify(connection, tmp_path, received, shuffled_by=shuffled_by) == expected


# Against what is stored: its time, whether that lay ahead when it was fetched, the received time, the outcome.
AGAINST_STORED: dict[str, tuple[timedelta | None, bool, timedelta | None, str]] = {
    "newer": (OLDER, False, OLD, "changed"),
    "older": (OLD, False, OLDER, "superseded"),
    "equal": (OLD, False, OLD, "changed"),
    "zero": (OLD, False, None, "changed"),
    "zero stored": (None, False, OLDER, "changed"),
    "ahead": (OLD, False, AHEAD, "changed"),
    "stored ahead, and then has come": (OLD, True, OLDER, "changed"),
    "stored ahead of now": (AHEAD, True, OLD, "changed"),
    "ahead of now by an update without a version, of long ago": (AHEAD, False, OLD, "changed"),
    "stored as far ahead as clocks may differ": (TOLERANCE, False, OLD, "superseded"),
}


@pytest.mark.parametrize(("stored", "is_future", "received", "outcome"), AGAINST_STORED.values(), ids=AGAINST_STORED)
def test_a_record_is_classified_against_the_stored_one(
    stored: timedelta | None,
    is_future: bool,
    received: timedelta | None,
    outcome: str,
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
) -> None:
    store(connection, "stored", stored, is_future=is_future)
    assert classify(connection, tmp_path, [("received", received)]) == [outcome]


@pytest.mark.parametrize(
    ("stored", "is_future", "received", "outcome"),
    [
        (OLDER, False, OLD, "changed"),
        (OLD, False, OLD, "superseded"),
        (OLD, False, AHEAD, "superseded"),
        (AHEAD, True, OLD, "superseded"),
        (None, False, OLD, "superseded"),
    ],
    ids=["newer", "equal", "ahead", "stored ahead", "zero stored"],
)
def test_a_quarantined_record_replaces_only_an_older_stored_record(
    stored: timedelta | None,
    is_future: bool,
    received: timedelta | None,
    outcome: str,
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
) -> None:
    store(connection, "stored", stored, is_future=is_future)
    assert classify(connection, tmp_path, [("received", received)], is_retry=True) == [outcome]


@pytest.mark.parametrize(
    ("stored", "received", "kept"),
    [(OLDER, OLD, True), (None, OLD, True), (OLD, OLDER, False), (OLD, None, False), (OLD, AHEAD, False)],
    ids=["newer", "zero stored", "older", "zero", "ahead"],
)
def test_an_unchanged_record_updates_the_time_if_it_is_possible(
    stored: timedelta | None,
    received: timedelta | None,
    kept: bool,
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
) -> None:
    store(connection, "same", stored)
    assert classify(connection, tmp_path, [("same", received)]) == ["unchanged"]
    assert pq.read_metadata(Staging(tmp_path).updated_only).num_rows == kept
