"""Milestones whose participants, events and live data were never fetched."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from board.published import reading
from board.queries import events, live_data, milestone, participants
from board.queries.now import current_milestones

from ..known import KINGS, LIVE
from ..publishing import Publisher, number, team


@pytest.fixture
def connection(milestones_only: Publisher) -> Iterator[duckdb.DuckDBPyConnection]:
    with reading(milestones_only.file) as opened:
        yield opened


def test_milestones_have_no_names_and_no_live_data(connection: duckdb.DuckDBPyConnection) -> None:
    found = current_milestones(connection, 48)
    assert len(found) == 6
    assert {(h.participants, h.participant_names, h.main_event_title) for h in found} == {(None, "", None)}
    assert {(h.score, h.live_status, h.observed_at) for h in found} == {(None, None, None)}
    assert live_data.of_milestone(connection, number(LIVE)) is None


def test_ids_of_a_milestone_are_marked(connection: duckdb.DuckDBPyConnection) -> None:
    home, _ = participants.of_milestone(connection, number(LIVE))
    assert (home.name, home.note) == (team(KINGS), "unknown: not fetched yet, or refused")
    assert participants.listed(connection, (number(LIVE),)) == ()


def test_events_have_no_titles(connection: duckdb.DuckDBPyConnection) -> None:
    assert events.event(connection, "KXMAIN-1") is None
    (shown,) = events.event_milestones(connection, "KXMAIN-1")
    assert shown.participants is None
    assert {one.event_title for one in milestone.tickers(connection, number(LIVE))} == {None}
    assert {one.event_ticker for one in events.suggestions(connection, "live game", 9)} == {"KXMAIN-1", "KXEVENT-1"}
    for one in (*events.suggestions(connection, "KX", 9), *events.starting_next(connection, 9)):
        assert (one.event_title, one.participants) == (None, None)
