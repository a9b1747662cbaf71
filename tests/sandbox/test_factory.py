"""One generated milestone: overrides, times relative to now, and tickers that agree. Proportions: test_generate."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sandbox.census import CENSUS
from sandbox.factory import DAY, HOUR, OLDEST_START, RowFactory
from sandbox.rfc3339 import MICROS, format_seconds, parse_micros
from tests.sandbox.conftest import NOW

CELLS = list(CENSUS)


def test_overrides_replace_top_level_fields() -> None:
    row = RowFactory(1, NOW).row("basketball_game", "Sports", 0, title="mine", extra=[1])
    assert (row["title"], row["extra"], row["start_date"]) == ("mine", [1], "1970-01-01T00:00:00Z")


def test_rows_do_not_depend_on_rows_of_another_factory() -> None:
    one, other = RowFactory("a", NOW), RowFactory("a", NOW)
    list(zip(range(5), RowFactory("b", NOW).ordinary(), strict=False))
    assert [one.row(*CELLS[0]) for _ in range(3)] == [other.row(*CELLS[0]) for _ in range(3)]


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell[0]} in {cell[1]}")
def test_every_cell_of_the_census_makes_a_consistent_milestone(cell: tuple[str, str]) -> None:
    factory = RowFactory(7, NOW)
    now = factory.now_seconds * MICROS
    for start in (factory.now_seconds - 40 * DAY, factory.now_seconds + 2 * HOUR):
        row = factory.row(*cell, start)
        assert (row["type"], row["category"]) == cell
        assert row["start_date"] == format_seconds(start)
        assert set(row["primary_event_tickers"]) <= set(row["related_event_tickers"])
        assert parse_micros(row["last_updated_ts"]) <= now
        if row.get("end_date") is not None:
            assert parse_micros(row["end_date"]) > start * MICROS


def test_cells_are_those_of_the_census() -> None:
    cells = RowFactory(1, NOW).cells()
    assert {next(cells) for _ in range(5_000)} <= set(CELLS)


def test_a_clock_before_the_generated_data_is_refused() -> None:
    with pytest.raises(ValueError, match=f"begin on {OLDEST_START:%Y-%m-%d}: now must be at least a day later"):
        RowFactory(1, datetime(2024, 5, 9, 23, tzinfo=UTC))
