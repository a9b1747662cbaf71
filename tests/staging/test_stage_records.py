"""Staged records of one sweep: what is counted, what is refused; decoded afterwards, or while pages still come."""

from __future__ import annotations

import multiprocessing
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from pipelines.errors import SweepDamaged
from pipelines.staging.files import REFUSED_BY_DECODING, Staging
from pipelines.staging.stage_records import PAGES_PER_PART, PAGES_WORTH_A_WORKER, Decoded, DecodingAhead, stage_records
from pipelines.storage.landing import Filters, Landing, Page
from schemas.tables import RECORDS
from tests.support import NOON, ZERO_TIME, milestone, milestone_id, page_body

SWEEP = "000001-20261123T120000Z"


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(tmp_path / "staging" / SWEEP)


def landed(number: int, rows: list[Any]) -> Page:
    return Page(number, "/milestones?limit=500", None, None, NOON, len(rows), page_body(rows))


def stage(staging: Staging, *pages: list[Any]) -> Decoded:
    return stage_records(staging, SWEEP, [landed(number, rows) for number, rows in enumerate(pages, start=1)])


def read(parts: list[str]) -> list[dict[str, Any]]:
    return [row for part in parts for row in pq.read_table(part).to_pylist()]


def test_records_have_their_page_position_and_time(staging: Staging) -> None:
    decoded = stage(staging, [milestone(1), milestone(2)], [milestone(3, last_updated_ts="2026-11-21T00:00:00Z")])
    assert decoded == Decoded(received=3, decoded=3, newest_update=datetime(2026, 11, 21, tzinfo=UTC))
    rows = read(staging.files(RECORDS))
    assert [(row["page"], row["position"], row["milestone_id"]) for row in rows] == [
        (1, 0, milestone_id(1)),
        (1, 1, milestone_id(2)),
        (2, 0, milestone_id(3)),
    ]
    assert {row["seen_at"] for row in rows} == {NOON}
    assert msgspec.json.decode(rows[0]["record"]) == milestone(1)
    assert pq.read_schema(staging.files(RECORDS)[0]).equals(RECORDS.arrow_schema)
    assert read(staging.parts(REFUSED_BY_DECODING)) == []


def test_no_pages_give_empty_parts(staging: Staging) -> None:
    assert stage(staging) == Decoded()
    assert read(staging.files(RECORDS)) == []


def test_the_zero_time_is_no_update(staging: Staging) -> None:
    assert stage(staging, [milestone(1, last_updated_ts=ZERO_TIME)]).newest_update is None
    assert read(staging.files(RECORDS))[0]["last_updated_ts"] is None


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)], ids=str)
def test_the_newest_update_whatever_the_order(staging: Staging, order: tuple[int, ...]) -> None:
    times = ["2026-11-21T00:00:00.5Z", "2026-11-21T00:00:00Z", ZERO_TIME]
    rows = [milestone(number, last_updated_ts=times[number]) for number in order]
    assert stage(staging, rows).newest_update == datetime(2026, 11, 21, 0, 0, 0, 500_000, tzinfo=UTC)


def test_deviations_from_the_documentation_are_counted(staging: Staging) -> None:
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


def test_one_bad_record_is_quarantined_alone(staging: Staging) -> None:
    bad = milestone(2, title=7)
    decoded = stage(staging, [milestone(1), bad, milestone(3)])
    assert (decoded.received, decoded.decoded, decoded.quarantined) == (3, 2, 1)
    assert [row["milestone_id"] for row in read(staging.files(RECORDS))] == [milestone_id(1), milestone_id(3)]
    (refused,) = read(staging.parts(REFUSED_BY_DECODING))
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


def test_a_response_by_id_is_decoded(staging: Staging) -> None:
    body = msgspec.json.encode({"milestone": milestone(5)})
    page = Page(1, f"/milestones/{milestone_id(5)}", None, None, NOON, 1, body)
    assert stage_records(staging, SWEEP, [page]).decoded == 1
    assert read(staging.files(RECORDS))[0]["milestone_id"] == milestone_id(5)


def test_a_question_mark_in_an_id_makes_no_list_of_its_answer(staging: Staging) -> None:
    body = msgspec.json.encode({"milestone": milestone(5, id="a?b")})
    page = Page(1, "/milestones/a%3Fb", None, None, NOON, 1, body)
    assert stage_records(staging, SWEEP, [page]).decoded == 1


def test_a_part_has_a_fixed_number_of_pages(staging: Staging) -> None:
    small = {"details": {}, "related_event_tickers": [], "primary_event_tickers": [], "source_ids": ...}
    pages = [[milestone(2 * page, **small), milestone(2 * page + 1, **small)] for page in range(PAGES_PER_PART + 1)]
    decoded = stage(staging, *pages)
    assert decoded.decoded == 2 * len(pages)
    assert [pq.read_metadata(part).num_rows for part in staging.files(RECORDS)] == [0, 2 * PAGES_PER_PART, 2]
    ids = [row["milestone_id"] for row in read(staging.files(RECORDS))]
    assert ids == [milestone_id(number) for number in range(2 * len(pages))]


def test_staging_again_replaces_what_was_staged(staging: Staging) -> None:
    stage(staging, [milestone(1), milestone(2, title=None)])
    before = {path.name: path.read_bytes() for path in staging.folder.iterdir()}
    stage(staging, [milestone(1), milestone(2, title=None)])
    assert {path.name: path.read_bytes() for path in staging.folder.iterdir()} == before
    stage(staging, [milestone(9)])
    assert [row["milestone_id"] for row in read(staging.files(RECORDS))] == [milestone_id(9)]
    assert read(staging.parts(REFUSED_BY_DECODING)) == []


# Decoding ahead

PAGES = PAGES_WORTH_A_WORKER + 3


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    """Landed pages of two milestones, one of them refused."""
    found = Landing.begin(tmp_path / "raw", mode="full", filters=Filters(), ids=[], now=NOON)
    for number in range(1, PAGES + 1):
        rows = [milestone(2 * number), milestone(2 * number + 1, title=7 if number == 5 else "fine")]
        found.land(Page(number, "/milestones?limit=500", None, None, NOON, len(rows), page_body(rows)))
    return found


def announce(ahead: DecodingAhead, landing: Landing, numbers: range) -> None:
    for number in numbers:
        ahead.page(landing.sweep, landing.page(number))


@pytest.mark.parametrize("first", [1, PAGES], ids=["a new sweep", "a resumed sweep"])
def test_decoding_ahead_gives_the_same_records(first: int, staging: Staging, landing: Landing, tmp_path: Path) -> None:
    with DecodingAhead(staging, landing, workers=1) as ahead:
        announce(ahead, landing, range(first, PAGES + 1))
        decoded = ahead.finish()
    afterwards = Staging(tmp_path / "afterwards")
    assert decoded == stage_records(afterwards, landing.sweep.sweep_id, landing.pages())
    assert decoded is not None
    assert (decoded.received, decoded.quarantined) == (2 * PAGES, 1)
    assert read(staging.files(RECORDS)) == read(afterwards.files(RECORDS))
    assert read(staging.refused_files) == read(afterwards.refused_files)


def test_few_pages_start_no_worker(staging: Staging, landing: Landing) -> None:
    with DecodingAhead(staging, landing, workers=1) as ahead:
        announce(ahead, landing, range(1, 4))
        assert ahead.finish() is None
    assert not staging.folder.exists()


def test_pages_of_a_killed_worker_are_decoded_again(staging: Staging, landing: Landing) -> None:
    with DecodingAhead(staging, landing, workers=1) as ahead:
        announce(ahead, landing, range(1, PAGES_WORTH_A_WORKER + 1))
        (worker,) = multiprocessing.active_children()
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        announce(ahead, landing, range(PAGES_WORTH_A_WORKER + 1, PAGES + 1))
        assert ahead.finish() is None
    assert stage_records(staging, landing.sweep.sweep_id, landing.pages()).received == 2 * PAGES


def test_decoding_ahead_leaves_a_damaged_page_to_the_stage(staging: Staging, landing: Landing) -> None:
    page = landing.folder / "page-000002.parquet"
    page.write_bytes(page.read_bytes()[:-100])
    with DecodingAhead(staging, landing, workers=1) as ahead:
        for number in range(3, PAGES + 1):
            ahead.page(landing.sweep, landing.page(number))
        assert ahead.finish() is None
    with pytest.raises(SweepDamaged):
        stage_records(staging, landing.sweep.sweep_id, landing.pages())


def test_without_workers_nothing_is_decoded_ahead(staging: Staging, landing: Landing) -> None:
    with DecodingAhead(staging, landing, workers=0) as ahead:
        announce(ahead, landing, range(1, PAGES + 1))
        assert ahead.finish() is None
    assert not staging.folder.exists()
