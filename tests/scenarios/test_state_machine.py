"""The warehouse against a model: whatever happens to the API's data, in any order with sweeps, is what the tables say.

Hypothesis chooses the changes of a sandbox and what the pipeline does between them, and looks for the shortest sequence
that ends with other tables than a model of a few lines. Longer: `pytest --hypothesis-profile=explore`.
"""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from pipelines.recovery.restore import restore
from pipelines.recovery.verify import verify_home
from tests.support import NOON, Shell, Shells, contents, json_of, milestone, rows_of, tables_in

pytestmark = pytest.mark.slow

SUITE = settings(max_examples=settings().max_examples // 16, stateful_step_count=30)
"""A sequence takes as long as a hundred examples of other properties."""
FIRST = 4
"""Milestones of the world at the beginning."""

Record = dict[str, Any]
numbers = st.integers(0, 50)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats(allow_nan=False, width=16) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


class Machine(RuleBasedStateMachine):
    """`versions` has the contents of each milestone as sweeps saw them, without repetitions; `absent` counts the full
    sweeps in a row that did not list one; `landed` is the mode of a sweep that is not loaded yet, and what it saw.
    """

    def __init__(self, shells: Shells, folder: Path) -> None:
        super().__init__()
        shutil.rmtree(folder, ignore_errors=True)
        self.shell: Shell = shells(folder, [milestone(number) for number in range(FIRST)])
        self.shell.home.preflight()
        self.inserted = FIRST
        self.versions: dict[str, list[Record]] = {}
        self.absent: dict[str, int] = {}
        self.landed: tuple[str, dict[str, Record]] | None = None

    @initialize()
    def begin(self) -> None:
        self.sweep(mode="full")

    # What happens to the API's data

    def one(self, number: int) -> str:
        ids = self.shell.world.ids()
        return ids[number % len(ids)]

    @rule(minutes=st.sampled_from([1, 7, 3 * 24 * 60]))
    def wait(self, minutes: int) -> None:
        self.shell.clock.forward(minutes=minutes)

    @rule(details=st.dictionaries(st.text(max_size=4), values, max_size=3))
    def insert(self, details: Record) -> None:
        self.shell.world.insert(milestone(self.inserted, details=details))
        self.inserted += 1

    @precondition(lambda self: len(self.shell.world) > 1)
    @rule(number=numbers)
    def remove(self, number: int) -> None:
        self.shell.world.remove(self.one(number))

    @rule(number=numbers, title=st.sampled_from(["Final", "Semi-final", ""]))
    def retitle(self, number: int, title: str) -> None:
        self.shell.world.edit_title(self.one(number), title)

    @rule(number=numbers, hours=st.integers(-500, 5_000))
    def reschedule(self, number: int, hours: int) -> None:
        self.shell.world.reschedule(self.one(number), NOON + timedelta(hours=hours))

    @rule(number=numbers, changes=st.dictionaries(st.sampled_from(["status", "season", "x"]), values, min_size=1))
    def change_details(self, number: int, changes: Record) -> None:
        self.shell.world.set_details(self.one(number), changes)

    @rule(number=numbers, ticker=st.sampled_from(["KXA", "KXB", "KXC"]), primary=st.booleans())
    def toggle_event(self, number: int, ticker: str, primary: bool) -> None:
        name = self.one(number)
        if ticker in self.seen_now()[name]["related_event_tickers"]:
            self.shell.world.remove_ticker(name, ticker)
        else:
            self.shell.world.add_ticker(name, ticker, primary=primary)

    @rule()
    def touch(self) -> None:
        self.shell.world.touch(self.shell.world.ids())

    # What the pipeline does

    def seen_now(self) -> dict[str, Record]:
        """What a sweep that begins now sees, by id."""
        records = [json_of(body.decode()) for body in self.shell.world.bodies()]
        for record in records:
            del record["last_updated_ts"]
        return {record["id"]: record for record in records}

    @precondition(lambda self: self.landed is None)
    @rule(mode=st.sampled_from(["full", "incremental"]))
    def land(self, mode: str) -> None:
        """A sweep that is killed before it is loaded."""
        self.shell.land(mode=mode, allow_shrink=True)
        self.landed = mode, self.seen_now()

    @rule(mode=st.sampled_from(["full", "incremental"]))
    def sweep(self, mode: str) -> None:
        if self.landed is not None:
            self.load(*self.landed)
        self.shell.land(mode=mode, allow_shrink=True)
        self.load(mode, self.seen_now())
        query = "SELECT milestone_id FROM milestones WHERE vanished_at IS NOT NULL"
        stored = {name for (name,) in self.shell.rows(query)}
        # A milestone has vanished after two full sweeps in a row without it.
        assert {name for name, sweeps in self.absent.items() if sweeps > 1} <= stored <= self.absent.keys()
        events = {
            (name, ticker)
            for name, record in self.seen_now().items()
            for ticker in record["related_event_tickers"] + record["primary_event_tickers"]
        }
        query = "SELECT milestone_id, event_ticker FROM milestone_events JOIN milestones USING (milestone_id)"
        assert {row for row in self.shell.rows(query) if row[0] in self.shell.world} == events

    def load(self, mode: str, seen: dict[str, Record]) -> None:
        """Load the landed sweep, which saw these."""
        self.shell.stage()
        self.shell.stages.load()
        self.landed = None
        for name, record in seen.items():
            versions = self.versions.setdefault(name, [])
            if not versions or versions[-1] != record:
                versions.append(record)
        if mode == "full":
            self.absent = {name: self.absent.get(name, 0) + 1 for name in self.versions.keys() - seen.keys()}
        assert self.stored_versions() == self.versions

    def stored_versions(self) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        query = "SELECT milestone_id, record FROM milestone_versions ORDER BY milestone_id, version"
        for name, text in self.shell.rows(query):
            record = json_of(text)
            record.pop("last_updated_ts", None)
            found.setdefault(name, []).append(record)
        return found

    @rule()
    def publish(self) -> None:
        snapshot = self.shell.stages.publish()
        assert [str(fault) for part in verify_home(self.shell.home, now=NOON) for fault in part.faults] == []
        counted = rows_of(self.shell.home.published_duckdb, "SELECT count(*) FROM milestone_versions")
        assert counted == [(sum(map(len, self.versions.values())),)]
        assert snapshot.folder.exists()

    @rule()
    def rebuild(self) -> None:
        file = self.shell.home.warehouse_file
        # What publishes have yet to write is no derived table: after a rebuild, everything.
        tables = [name for name in tables_in(file) if not name.startswith("internal_")]
        before = contents(file, tables=tables)
        self.shell.stages.rebuild()
        assert contents(file, tables=tables) == before

    @precondition(lambda self: self.landed is None and self.shell.home.latest_snapshot.exists())
    @rule()
    def lose_the_warehouse(self) -> None:
        """It is restored from the published files and the sweeps that were landed after them."""
        self.shell.home.warehouse_file.unlink()
        restore(self.shell.home, now=self.shell.clock())
        # Nothing that is published says which milestones one sweep has missed.
        self.absent = {name: sweeps if sweeps > 1 else 0 for name, sweeps in self.absent.items()}
        assert self.stored_versions() == self.versions


def test_tables_follow_the_model(shells: Shells, tmp_path: Path) -> None:
    class Here(Machine):
        def __init__(self) -> None:
            super().__init__(shells, tmp_path / "home")

    run_state_machine_as_test(Here, settings=SUITE)
