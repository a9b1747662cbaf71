"""`milestones ingest --full`, killed with SIGKILL while it lands, loads and publishes, and run once more."""

from bench.crash import PHASES, Found, prepared

ROWS = 600


def test_a_killed_run_leaves_the_state_before_it_or_after_it_and_the_next_one_ends_it() -> None:
    found = Found()

    with prepared(seed=3, rows=ROWS) as bench:
        assert bench.old != bench.new
        for number in (0, 2, 3):
            bench.kill_once(number, found)

    assert found.kills.keys() == {PHASES[number].name for number in (0, 2, 3)}
    assert (found.lost, found.duplicated, found.unreadable, found.leftovers) == ([], [], [], [])


def test_the_harness_sees_what_is_lost_and_duplicated() -> None:
    """A comparison that finds nothing has to be one that could."""
    found = Found()

    with prepared(seed=4, rows=ROWS) as bench:
        bench.new["milestones"].subtract([bench.new["milestones"].most_common(1)[0][0]])
        bench.new["milestone_events"].update([("a row that no run ever writes",)])
        home = bench.undisturbed("seen")
        bench.compare_at_the_end(home, "seen", found)
        (home.published / "left.tmp").touch()
        home.published_duckdb.write_bytes(b"no database")
        bench.compare_at_once(home, "damaged", found)
        bench.compare_leftovers(home, "damaged", found)

    assert [len(found.lost), len(found.duplicated)] == [1, 1]
    assert found.leftovers == ["damaged: published/left.tmp"]
    assert "damaged" in found.unreadable[0]
