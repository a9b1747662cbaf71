"""A row keeps its bytes and reads the fields that scans compare."""

from __future__ import annotations

import msgspec
import pytest

from sandbox.row import Row

BODY = b'{"id":"a","start_date":"1970-01-01T00:00:07.9Z","last_updated_ts":"1970-01-01T00:00:00.5Z","x":1.10}'


def test_fields_that_scans_compare() -> None:
    row = Row.of(BODY)
    assert (row.position, row.updated_micros, row.category, row.type) == ((7, "a"), 500_000, "", "")
    assert row.body is BODY


def test_a_missing_update_is_the_zero_time() -> None:
    row = Row.of(b'{"id":"a","start_date":"1970-01-01T00:00:00Z","category":null,"type":"game"}')
    assert row.updated_micros == -62_135_596_800_000_000
    assert (row.category, row.type) == ("", "game")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"start_date":"1970-01-01T00:00:00Z"}',
        b'{"id":7,"start_date":"1970-01-01T00:00:00Z"}',
        b'{"id":"a","start_date":"soon"}',
        b'{"id":"a","start_date":"1970-01-01T00:00:00Z","last_updated_ts":""}',
    ],
    ids=["no JSON", "no id", "id not text", "start not a time", "update not a time"],
)
def test_a_row_that_cannot_be_served_is_refused(body: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, ValueError)):
        Row.of(body)
