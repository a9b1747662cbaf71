"""A full sweep, a poll and a retry, killed with SIGKILL while they land, load and publish, and the run after it."""

import pytest

from bench.crash import COMMANDS, PHASES, Found, prepared, state_of

pytestmark = pytest.mark.slow

ROWS = 600
KILLS = (0, 1, 2, 7)
"""Each command and each phase once at least."""


def test_the_kills_are_of_everything() -> None:
    assert {COMMANDS[number % len(COMMANDS)] for number in KILLS} == set(COMMANDS)
    assert {PHASES[number % len(PHASES)] for number in KILLS} == set(PHASES)


def test_a_killed_run_leaves_the_state_before_it_or_after_it_and_the_next_one_ends_it() -> None:
    found = Found()

    with prepared(seed=3, rows=ROWS) as bench:
        for states in bench.states.values():
            assert len(states) > 1
        for number in KILLS:
            bench.kill_once(number, found)

    assert found.kills.total() == len(KILLS)
    assert (found.lost, found.duplicated, found.unreadable, found.leftovers) == ([], [], [], [])


def test_the_harness_sees_what_is_lost_and_duplicated() -> None:
    """A comparison that finds nothing has to be one that could."""
    found = Found()

    with prepared(seed=4, rows=ROWS) as bench:
        poll = COMMANDS[1]
        home = bench.undisturbed("seen", "auto")
        expected = state_of(home)
        expected["milestones"].subtract([expected["milestones"].most_common(1)[0][0]])
        expected["milestone_events"].update([("a row that no run ever writes",)])
        bench.states[poll.name] = [bench.old, expected]
        bench.compare_at_the_end(home, poll, "seen", found)
        (home.published / "left.tmp").touch()
        home.published_duckdb.write_bytes(b"no database")
        bench.compare_at_once(home, poll, "damaged", found)
        bench.compare_leftovers(home, "damaged", found)

    assert [len(found.lost), len(found.duplicated)] == [1, 1]
    assert found.leftovers == ["damaged: published/left.tmp"]
    assert "damaged" in found.unreadable[0]
