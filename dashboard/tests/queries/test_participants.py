"""Who takes part in the known milestones."""

from __future__ import annotations

import duckdb

from board.queries import participants
from board.queries.participants import Listed, Participant

from ..known import FRESH, KINGS, LATER, LIONS, LIVE, NAMELESS, TWIN, UNFETCHED, UNKNOWN
from ..publishing import number, team


def test_names_by_role_the_home_side_first(connection: duckdb.DuckDBPyConnection) -> None:
    assert participants.of_milestone(connection, number(LIVE)) == (
        Participant("home", "Kraków Kings", "KRA", "football_team", None, team(KINGS)),
        Participant("away", "Łódź Lions", "LOD", "football_team", None, team(LIONS)),
    )


def test_a_milestone_without_participants(connection: duckdb.DuckDBPyConnection) -> None:
    assert participants.of_milestone(connection, number(FRESH)) == ()
    assert participants.of_milestone(connection, "unknown") == ()


def test_unknown_ids_are_marked(connection: duckdb.DuckDBPyConnection) -> None:
    unknown, known = participants.of_milestone(connection, number(TWIN))
    assert (unknown.name, unknown.note) == (team(UNKNOWN), "unknown: Kalshi did not return it")
    assert known.note is None
    *players, nameless, unfetched = participants.of_milestone(connection, number(LATER))
    assert [one.name for one in players] == ["Player 7", "Player 8", "Player 9", "Player 10"]
    assert (nameless.name, nameless.note) == (team(NAMELESS), "unknown: it has no name")
    assert (unfetched.name, unfetched.note) == (team(UNFETCHED), "unknown: not fetched yet, or refused")


def test_lists_for_given_milestones(connection: duckdb.DuckDBPyConnection) -> None:
    found = participants.listed(connection, (number(LIVE), number(FRESH), "unknown"))
    assert found == (Listed(number(LIVE), "Kraków Kings, Łódź Lions"),)
    assert participants.listed(connection, ()) == ()
