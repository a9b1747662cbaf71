"""Coverage in the known data: eight current milestones, and races from long ago."""

from __future__ import annotations

from datetime import timedelta

import duckdb
import pytest

from board.queries import coverage, types
from board.queries.coverage import Scope

from ..known import RACES
from ..publishing import NOW

FIRST, LAST = (NOW - timedelta(days=9)).date(), (NOW + timedelta(days=9)).date()


@pytest.mark.parametrize(
    ("scope", "milestones"),
    [
        (Scope(FIRST, LAST), 8),
        (Scope(FIRST, LAST, groups=("Sports",)), 6),
        (Scope(FIRST, LAST, types=("esports_match", "one_off_milestone")), 2),
        (Scope(FIRST, LAST, groups=("Sports",), types=("esports_match",)), 0),
        (Scope((NOW + timedelta(hours=60)).date(), LAST), 1),
    ],
    ids=["everything", "group", "types", "both must hold", "days"],
)
def test_days_and_types_add_up(connection: duckdb.DuckDBPyConnection, scope: Scope, milestones: int) -> None:
    assert sum(day.milestones for day in coverage.days(connection, scope)) == milestones
    assert sum(kind.milestones for kind in coverage.by_type(connection, scope)) == milestones


def test_completeness(connection: duckdb.DuckDBPyConnection) -> None:
    football, *_ = coverage.by_type(connection, Scope(FIRST, LAST))
    assert football.type == "football_game"
    assert (football.with_end, football.with_main_event_ticker, football.with_events) == (1, 1, 6)


def test_years(connection: duckdb.DuckDBPyConnection) -> None:
    starts = [NOW + timedelta(hours=ahead) for ahead in (-24 * 400, -5, -1, 60)]
    assert coverage.years(connection) == tuple(sorted({start.year for start in starts}, reverse=True))


def test_known_types(connection: duckdb.DuckDBPyConnection) -> None:
    assert [(kind.type, kind.milestones) for kind in types.known_types(connection)] == [
        ("political_race", RACES),
        ("football_game", 6),
        ("esports_match", 1),
        ("one_off_milestone", 1),
    ]
