from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from schemas.api import (
    EXPECTED_FIELDS,
    KNOWN_FIELDS,
    PAGE_LIMIT,
    Milestone,
    exact_number,
    single_decoder,
)
from schemas.endpoints import MILESTONES_ENDPOINT
from tests.records.recorded import golden, recorded_pages
from tests.records.samples import milestone, parse


def test_the_documented_fields_are_known() -> None:
    assert set(milestone()) == KNOWN_FIELDS
    assert {field.name for field in msgspec.structs.fields(Milestone) if not field.required} == {
        *EXPECTED_FIELDS,
        "end_date",
        "source_id",
        "source_ids",
    }
    assert PAGE_LIMIT == 500


def test_recorded_responses_match_the_types(payloads: Path) -> None:
    for body in recorded_pages(payloads):
        page = MILESTONES_ENDPOINT.page_decoder.decode(body)
        raw_page = MILESTONES_ENDPOINT.raw_page_decoder.decode(body)
        assert page.records == parse(body)["milestones"]
        assert [parse(bytes(raw)) for raw in raw_page.records] == page.records
        assert page.cursor == raw_page.cursor == parse(body)["cursor"]
        assert all(msgspec.convert(sent, Milestone).id == sent["id"] for sent in page.records)
    body = golden(payloads, "golden_milestone_single_response")
    assert parse(bytes(single_decoder.decode(body).milestone)) == parse(body)["milestone"]


@pytest.mark.parametrize(
    ("text", "number"),
    [("1.10", "1.10"), ("-0.0", "-0.0"), ("1e-400", "1E-400"), ("0e400", "0E+400"), ("-0e0", "0"), ("-1e0", "-1")],
)
def test_numbers_keep_their_digits(text: str, number: str) -> None:
    assert str(exact_number(text)) == number
    assert exact_number(text) == Decimal(text)


@pytest.mark.parametrize(
    "text", ["1e309", "-1e309", "1e999999999999999999999", "1e-999999999999999999999", "0e9999999999999999999"]
)
def test_numbers_beyond_a_double_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="number out of range: "):
        exact_number(text)
