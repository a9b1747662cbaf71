"""What the live API really sent is decoded, every record and every field of it."""

from __future__ import annotations

from pathlib import Path

from pipelines.records.decode import Record, decode_page, decode_single
from tests.records.recorded import SINGLE_RECORDS, golden, recorded_cricket, recorded_pages, recorded_record
from tests.records.samples import page, parse


def test_every_recorded_milestone_is_decoded_and_unchanged(payloads: Path) -> None:
    seen = 0
    for body in recorded_pages(payloads):
        sent = parse(body)["milestones"]
        found = decode_page(body)
        assert [type(item) for item in found] == [Record] * len(sent)
        for milestone, record in zip(sent, found, strict=True):
            assert isinstance(record, Record)
            assert parse(record.text) == milestone
            assert record.key == milestone["id"]
            assert record.unknown_fields == frozenset()
            assert record.missing_fields == ()
            seen += 1
    assert seen == 5 + len(SINGLE_RECORDS) + len(recorded_cricket(payloads))


def test_the_recorded_single_milestone_is_decoded_and_unchanged(payloads: Path) -> None:
    body = golden(payloads, "golden_milestone_single_response")
    record = decode_single(body)
    assert isinstance(record, Record)
    assert parse(record.text) == parse(body)["milestone"]


def test_trimmed_fractions_of_recorded_times(payloads: Path) -> None:
    [record] = decode_page(page(recorded_record(payloads, "political_race__holborn_placeholder_dates")))
    assert isinstance(record, Record)
    assert record.last_updated_ts == 1_789_485_897_733_570  # 2026-09-15T15:24:57.73357Z
