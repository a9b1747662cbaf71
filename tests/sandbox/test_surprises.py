"""The fixed first rows: present() has something live and something upcoming. What they contain: test_generate."""

from __future__ import annotations

from sandbox.census import CENSUS
from sandbox.factory import DAY, RowFactory
from sandbox.rfc3339 import MICROS, parse_micros
from sandbox.surprises import contradictions, present, surprises
from tests.sandbox.conftest import NOW


def test_surprises_are_few_and_have_every_type() -> None:
    rows = list(surprises(RowFactory(1, NOW)))
    assert len(rows) <= 150
    assert {(row["type"], row["category"]) for row in rows} >= set(CENSUS)
    assert len({row["id"] for row in rows}) == len(rows)


def test_contradictions_have_no_end_and_a_status() -> None:
    *rows, simulated = list(contradictions(RowFactory(1, NOW)))
    assert len(rows) == 8
    assert all("end_date" not in row and "status" in row["details"] for row in rows)
    assert simulated["primary_event_tickers"] == ["SIMNFLGAME-26NOV29AB"]
    assert "session_id" not in simulated["details"]


def test_present_rows_start_around_the_given_time() -> None:
    factory = RowFactory(1, NOW)
    rows = list(present(factory, factory.now_seconds))
    starts = [parse_micros(row["start_date"]) // MICROS - factory.now_seconds for row in rows]
    assert all(-DAY < start <= 3 * DAY for start in starts)
    assert sum(start > 0 for start in starts) == 5
    assert sum(start <= 0 for start in starts) == 5
