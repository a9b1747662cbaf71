"""A full sweep, a poll and a retry, killed with SIGKILL while they land, load and publish, and the run after it."""

from pathlib import Path

import pytest

from bench.crash import COMMANDS, PHASES, Found, compare_leftovers, prepared, prepared_small, state_of
from pipelines.storage.home import Home
from pipelines.storage.landing import Filters, Landing
from pipelines.storage.leftovers import remove_leftovers
from tests.support import NOON

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

    poll = COMMANDS[1]
    with prepared_small(seed=4, commands=[poll], rows=200, changes=5) as bench:
        home = bench.undisturbed("seen", "auto")
        expected = state_of(home)
        expected["milestones"].subtract([expected["milestones"].most_common(1)[0][0]])
        expected["milestone_events"].update([("a row that no run ever writes",)])
        bench.states[poll.name] = [bench.old, expected]
        bench.compare_at_the_end(home, poll, "seen", found)
        home.published_duckdb.write_bytes(b"no database")
        bench.compare_at_once(home, poll, "damaged", found)

    assert [len(found.lost), len(found.duplicated)] == [1, 1]
    assert "damaged" in found.unreadable[0]


def leftovers_of(home: Home, *, next_runs: int) -> list[str]:
    """What the harness records, with `next_runs` runs that clean up after it has looked once."""
    runs = iter(range(next_runs))

    def run_again() -> None:
        if next(runs, None) is not None:
            Landing.begin(home.raw, mode="full", filters=Filters(), ids=[], now=NOON)
            remove_leftovers(home)

    found = Found()
    compare_leftovers(home, "killed", found, run_again=run_again)
    return found.leftovers


UNUSED = "raw/000001-20261123T120000Z"


@pytest.mark.parametrize(
    ("folders", "files", "next_runs", "recorded"),
    [
        pytest.param([UNUSED], [], 1, [], id="empty-and-gone-after-a-run"),
        pytest.param([UNUSED], [], 0, [UNUSED], id="empty-and-still-there"),
        pytest.param([], [f"{UNUSED}/page-000001.parquet"], 1, [UNUSED], id="with-a-page"),
        pytest.param(["raw/notes"], [], 1, ["raw/notes"], id="empty-but-of-no-sweep"),
        pytest.param([UNUSED], ["published/left.tmp"], 1, ["published/left.tmp"], id="a-file-that-the-run-removes"),
        pytest.param([], ["warehouse/spill/left"], 1, ["warehouse/spill/left"], id="spilled"),
    ],
)
def test_the_harness_accepts_an_empty_folder_of_a_sweep_that_a_run_removes_and_nothing_else(
    tmp_path: Path, folders: list[str], files: list[str], next_runs: int, recorded: list[str]
) -> None:
    home = Home(tmp_path)
    for name in ("raw", "published", "warehouse/staging", *folders):
        (home.root / name).mkdir(parents=True, exist_ok=True)
    for name in files:
        (home.root / name).parent.mkdir(parents=True, exist_ok=True)
        (home.root / name).touch()
    assert leftovers_of(home, next_runs=next_runs) == [f"killed: {path}" for path in recorded]
