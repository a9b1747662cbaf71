"""Changes in the known data: one start moved and one title edited, both in the second sweep."""

from __future__ import annotations

from datetime import timedelta

import duckdb
import pytest

from board.queries import changes
from board.queries.changes import Period

from ..publishing import NOW

HOUR_AGO = NOW - timedelta(hours=1)
EVERYTHING = Period(HOUR_AGO)


@pytest.mark.parametrize(
    ("period", "kinds"),
    [
        (EVERYTHING, ["start", "title"]),
        (Period(HOUR_AGO, kinds=("title",)), ["title"]),
        (Period(HOUR_AGO, kinds=("status",)), []),
        (Period(HOUR_AGO, groups=("Sports",)), ["start", "title"]),
        (Period(HOUR_AGO, groups=("Esports",)), []),
        (Period(HOUR_AGO, types=("football_game",)), ["start", "title"]),
        (Period(HOUR_AGO, types=("esports_match",)), []),
        (Period(NOW + timedelta(days=1)), []),
    ],
    ids=["everything", "a kind", "a kind without", "group", "other group", "type", "other type", "later"],
)
def test_counts_and_latest_agree(connection: duckdb.DuckDBPyConnection, period: Period, kinds: list[str]) -> None:
    counted = changes.counts(connection, period, "day")
    assert sorted(count.kind for count in counted) == kinds
    assert all((count.changes, count.milestones) == (1, 1) for count in counted)
    assert sorted(change.kind for change in changes.latest(connection, period, 9)) == kinds


def test_a_change_has_field_old_and_new_value(connection: duckdb.DuckDBPyConnection) -> None:
    (change,) = changes.latest(connection, Period(HOUR_AGO, kinds=("title",)), 9)
    assert (change.field, change.old, change.new) == ("title", "Soon", "Soon, at another time")


def test_shifts(connection: duckdb.DuckDBPyConnection) -> None:
    (shift,) = changes.shifts(connection, EVERYTHING, 9)
    assert (shift.shift, shift.title) == (timedelta(minutes=45), "Soon, at another time")
    assert timedelta(hours=2) < shift.notice < timedelta(hours=3)
    assert changes.shifts(connection, Period(HOUR_AGO, groups=("Esports",)), 9) == ()


def test_first_change(connection: duckdb.DuckDBPyConnection) -> None:
    first = changes.first_change(connection)
    assert first is not None
    assert first == min(change.seen_at for change in changes.latest(connection, EVERYTHING, 9))
