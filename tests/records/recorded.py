"""Recorded answers of the live API that hold milestones, as the pages they came on or would have."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tests.records.samples import page

SINGLE_RECORDS = ("football_game__ncaafb_scheduled", "political_race__holborn_placeholder_dates")
CRICKET = "cricket_match__late_september"


class _Golden(msgspec.Struct):
    response: msgspec.Raw


def golden(payloads: Path, name: str) -> bytes:
    """An answer that was recorded with notes around it, without them."""
    return bytes(msgspec.json.decode((payloads / f"{name}.json").read_bytes(), type=_Golden).response)


def recorded_record(payloads: Path, name: str) -> bytes:
    return (payloads / f"{name}.json").read_bytes()


def recorded_cricket(payloads: Path) -> list[bytes]:
    """Matches with the provider's free text as their status, recorded by event ticker."""
    by_event = msgspec.json.decode(recorded_record(payloads, CRICKET), type=dict[str, list[msgspec.Raw]])
    return [bytes(record) for records in by_event.values() for record in records]


def recorded_pages(payloads: Path) -> list[bytes]:
    return [
        golden(payloads, "golden_milestones_list_response"),
        *(page(recorded_record(payloads, name)) for name in SINGLE_RECORDS),
        page(*recorded_cricket(payloads)),
    ]
