"""Staged records and tables of one sweep: what is counted, what is refused, and that a refused record goes whole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.staging.files import ROWS_PER_BATCH, Staging
from pipelines.staging.stage_records import Decoded, stage_records
from pipelines.staging.stage_tables import stage_tables
from pipelines.storage.landing import Page
from schemas.tables import FLAT_TABLES, LATEST, QUARANTINE, RECORDS
from tests.support import NOON, ZERO_TIME, milestone, milestone_id, page_body

SWEEP = "000001-20261123T120000Z"


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(tmp_path / "staging" / SWEEP)


def landed(number: int, rows: list[Any]) -> Page:
    return Page(number, "/milestones?limit=500", None, None, NOON, len(rows), page_body(rows))


def stage(staging: Staging, *pages: list[Any]) -> Decoded:
    return stage_records(staging, SWEEP, [landed(number, rows) for number, rows in enumerate(pages, start=1)])


def read(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def test_records_keep_their_place_and_their_time(staging: Staging) -> None:
    decoded = stage(staging, [milestone(1), milestone(2)], [milestone(3, last_updated_ts="2026-11-21T00:00:00Z")])
    assert decoded == Decoded(received=3, decoded=3, newest_update=datetime(2026, 11, 21, tzinfo=UTC))
    rows = read(staging.file(RECORDS))
    assert [(row["page"], row["position"], row["milestone_id"]) for row in rows] == [
        (1, 0, milestone_id(1)),
        (1, 1, milestone_id(2)),
        (2, 0, milestone_id(3)),
    ]
    assert {row["seen_at"] for row in rows} == {NOON}
    assert msgspec.json.decode(rows[0]["record"]) == milestone(1)
    assert pq.read_schema(staging.file(RECORDS)).equals(RECORDS.arrow_schema)
    assert read(staging.refused_by_decoding) == []


def test_no_pages(staging: Staging) -> None:
    assert stage(staging) == Decoded()
    assert read(staging.file(RECORDS)) == []


def test_the_zero_time_is_no_update(staging: Staging) -> None:
    assert stage(staging, [milestone(1, last_updated_ts=ZERO_TIME)]).newest_update is None
    assert read(staging.file(RECORDS))[0]["last_updated_ts"] is None


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)], ids=str)
def test_the_newest_update_whatever_the_order(staging: Staging, order: tuple[int, ...]) -> None:
    times = ["2026-11-21T00:00:00.5Z", "2026-11-21T00:00:00Z", ZERO_TIME]
    rows = [milestone(number, last_updated_ts=times[number]) for number in order]
    assert stage(staging, rows).newest_update == datetime(2026, 11, 21, 0, 0, 0, 500_000, tzinfo=UTC)


def test_what_departs_from_the_description_is_counted(staging: Staging) -> None:
    decoded = stage(
        staging,
        [
            milestone(1, product_details={"a": 1}, mood="good"),
            milestone(2, product_details=None, related_event_tickers=None, primary_event_tickers=None),
            milestone(3, title=None),
            milestone(4, title=..., details=...),
        ],
    )
    assert decoded.unknown_fields == {"product_details": 2, "mood": 1}
    assert decoded.missing_fields == {
        "details": 1,
        "primary_event_tickers": 1,
        "related_event_tickers": 1,
        "title": 2,
    }
    assert (decoded.received, decoded.decoded, decoded.quarantined) == (4, 4, 0)


def test_one_bad_record_costs_only_itself(staging: Staging) -> None:
    bad = milestone(2, title=7)
    decoded = stage(staging, [milestone(1), bad, milestone(3)])
    assert (decoded.received, decoded.decoded, decoded.quarantined) == (3, 2, 1)
    assert [row["milestone_id"] for row in read(staging.file(RECORDS))] == [milestone_id(1), milestone_id(3)]
    (refused,) = read(staging.refused_by_decoding)
    assert msgspec.json.decode(refused.pop("record")) == bad
    assert refused == {
        "sweep_id": SWEEP,
        "page": 1,
        "position": 1,
        "milestone_id": milestone_id(2),
        "reason": "Expected `str | null`, got `int`",
        "field": "title",
        "seen_at": NOON,
    }


def test_the_answer_for_one_milestone(staging: Staging) -> None:
    body = msgspec.json.encode({"milestone": milestone(5)})
    page = Page(1, f"/milestones/{milestone_id(5)}", None, None, NOON, 1, body)
    assert stage_records(staging, SWEEP, [page]).decoded == 1
    assert read(staging.file(RECORDS))[0]["milestone_id"] == milestone_id(5)


def test_a_question_mark_in_an_id_makes_no_list_of_its_answer(staging: Staging) -> None:
    body = msgspec.json.encode({"milestone": milestone(5, id="a?b")})
    page = Page(1, "/milestones/a%3Fb", None, None, NOON, 1, body)
    assert stage_records(staging, SWEEP, [page]).decoded == 1


@pytest.mark.slow
def test_more_records_than_a_batch_holds(staging: Staging) -> None:
    count = ROWS_PER_BATCH + 1
    small = {"details": {}, "related_event_tickers": [], "primary_event_tickers": [], "source_ids": ...}
    decoded = stage(staging, [milestone(number, **small) for number in range(count)])
    assert decoded.decoded == count
    file = pq.ParquetFile(staging.file(RECORDS))
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [ROWS_PER_BATCH, 1]
    ids = pq.read_table(staging.file(RECORDS))["milestone_id"].to_pylist()
    assert ids == [milestone_id(number) for number in range(count)]


def test_staging_again_replaces_what_was_staged(staging: Staging) -> None:
    stage(staging, [milestone(1), milestone(2, title=None)])
    before = {path.name: path.read_bytes() for path in staging.folder.iterdir()}
    stage(staging, [milestone(1), milestone(2, title=None)])
    assert {path.name: path.read_bytes() for path in staging.folder.iterdir()} == before
    stage(staging, [milestone(9)])
    assert [row["milestone_id"] for row in read(staging.file(RECORDS))] == [milestone_id(9)]
    assert read(staging.refused_by_decoding) == []


# Tables


def latest(*rows: dict[str, Any], fate: str = "new") -> Iterator[pa.RecordBatch]:
    """Staged records as the warehouse hands them over, one batch each."""
    for position, row in enumerate(rows):
        columns: dict[str, list[Any]] = {
            "milestone_id": [row["id"]],
            "version": [1],
            "content_hash": [f"{position:032x}"],
            "last_updated_ts": [NOON],
            "record": [msgspec.json.encode(row).decode()],
            "first_seen_at": [NOON],
            "last_changed_at": [NOON],
            "vanished_at": [None],
            "sweep_id": [SWEEP],
            "previous_record": [None],
            "was_vanished_at": [None],
        }
        arrays = [pa.array(columns[field.name], field.type) for field in LATEST.arrow_schema]
        extra = {"page": pa.array([1], pa.int32()), "position": pa.array([position], pa.int32())}
        extra |= {"seen_at": pa.array([NOON], pa.timestamp("us", tz="UTC")), "fate": pa.array([fate])}
        yield pa.RecordBatch.from_arrays([*arrays, *extra.values()], names=[*LATEST.arrow_schema.names, *extra])


BREACHES = {
    "an empty id": ({"id": ""}, "milestones.milestone_id_is_not_empty", "milestone_id"),
    "an empty type": ({"type": ""}, "milestones.type_is_not_empty", "type"),
    "an empty ticker": ({"related_event_tickers": ["A", ""]}, "milestone_events.event_ticker_is_not_empty", "event_"),
}


@pytest.mark.parametrize(("fields", "rule", "field"), BREACHES.values(), ids=BREACHES)
def test_a_record_with_a_row_that_breaks_a_rule_is_refused_whole(
    staging: Staging, fields: dict[str, Any], rule: str, field: str
) -> None:
    staging.folder.mkdir(parents=True)
    good, bad = milestone(1), milestone(2, **fields)
    flattened = stage_tables(staging, SWEEP, [*latest(good, bad, fate="changed")])
    assert flattened.breaches == {rule: 1}
    assert flattened.refused == {"changed": 1}
    assert flattened.rows["milestones"] == 1
    for table in (LATEST, *FLAT_TABLES):
        assert {row["milestone_id"] for row in read(staging.file(table))} == {good["id"]}, table.name
    (refused,) = read(staging.refused_by_rules)
    assert msgspec.json.decode(refused["record"]) == bad
    assert (refused["page"], refused["position"], refused["milestone_id"]) == (1, 1, bad["id"])
    assert refused["reason"].startswith("breaks a rule: ")
    assert refused["field"].startswith(field)
    assert pq.read_schema(staging.refused_by_rules).equals(QUARANTINE.arrow_schema)


def test_nothing_new_makes_empty_tables_of_the_declared_schemas(staging: Staging) -> None:
    staging.folder.mkdir(parents=True)
    flattened = stage_tables(staging, SWEEP, [])
    assert flattened.rows == {}
    assert (flattened.refused, flattened.breaches) == ({}, {})
    for table in (LATEST, *FLAT_TABLES):
        assert read(staging.file(table)) == []
        assert pq.read_schema(staging.file(table)).equals(table.arrow_schema), table.name
