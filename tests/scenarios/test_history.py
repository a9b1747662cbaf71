"""History, end to end: what a changing sandbox did is what the tables say, and all of it can be derived again."""

from __future__ import annotations

import errno
import json
from collections import Counter
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from pipelines.contract import Contract
from pipelines.errors import ContractViolated, NothingToDo, SweepRefused
from pipelines.sweep.stages import Stages
from pipelines.warehouse.database import open_warehouse
from sandbox.app import build_app
from sandbox.evolve import Counts, Evolution, evolve
from sandbox.generate import generate_bodies
from sandbox.world import World
from schemas.sql import quote
from schemas.tables import DERIVED_TABLES, EVIDENCE
from tests.support import NOON, Shell, Shells, as_bytes, milestone, milestone_id, rows_of

pytestmark = pytest.mark.slow

CHANGES = Counts(
    inserts=7, reschedules=6, title_edits=5, tickers_added=4, tickers_removed=3, status_changes=8, removals=2, touches=9
)


@pytest.fixture
def shell(shells: Shells, tmp_path: Path) -> Shell:
    return shells(tmp_path / "home")


@pytest.fixture
def changing(shell: Shell) -> tuple[Shell, list[Evolution]]:
    """Three full sweeps of a world that changes between them."""
    shell.world.load(generate_bodies(1_000, 3, NOON))
    evolutions = []
    shell.sweep(mode="full")
    for seed in (1, 2):
        shell.clock.forward(hours=24)
        evolutions.append(evolve(shell.world, seed, CHANGES))
        shell.clock.forward(hours=1)
        shell.sweep(mode="full")
    return shell, evolutions


def change_warehouse(shell: Shell, *statements: str) -> None:
    with open_warehouse(shell.home.warehouse_file) as connection:
        for statement in statements:
            connection.execute(statement)


def published(shell: Shell, query: str) -> list[tuple[Any, ...]]:
    return rows_of(shell.home.published_duckdb, query)


class Unlisted(World):
    """A world that still knows by id what its list no longer shows."""

    def __init__(self, world: World, body: bytes) -> None:
        super().__init__([world.get(one) for one in world.ids()], now=world.now)
        self._body = body

    def get(self, milestone_id: str) -> bytes:
        return self._body if milestone_id in self._body.decode() else super().get(milestone_id)


def fingerprint(shell: Shell) -> dict[str, tuple[Any, ...]]:
    """Rows and an order-free hash of every derived table, the typed ones too."""
    typed = [row[0] for row in shell.rows("SELECT DISTINCT table_name FROM details_fields")]
    names = [table.name for table in (*DERIVED_TABLES, EVIDENCE)] + typed
    return {
        name: shell.rows(f"SELECT count(*), bit_xor(hash(t)), sum(hash(t)::HUGEINT) FROM {quote(name)} AS t")[0]
        for name in names
    }


def test_three_sweeps_of_a_changing_world_say_what_it_did(changing: tuple[Shell, list[Evolution]]) -> None:
    shell, evolutions = changing
    done: Counter[str] = Counter()
    for evolution in evolutions:
        done.update(evolution.counts())
    changed = sum(done[kind] for kind in done if kind not in ("insert", "remove", "touch"))
    assert shell.rows("SELECT count(*) FROM milestone_versions") == [(1_000 + done["insert"] + changed,)]
    assert shell.rows('SELECT sum("new"), sum(changed) FROM sweeps') == [(1_000 + done["insert"], changed)]
    by_field = dict(shell.rows("SELECT field, count(*) FROM milestone_changes GROUP BY field"))
    assert by_field["start_date"] == done["reschedule"]
    assert by_field["title"] == done["edit_title"]
    assert by_field["details.status"] == done["set_details"]
    added = "field = 'related_event_tickers' AND old IS NULL"
    removed = "field = 'related_event_tickers' AND new IS NULL"
    assert shell.rows(f"SELECT count(*) FROM milestone_changes WHERE {added}") == [(done["add_ticker"],)]
    assert shell.rows(f"SELECT count(*) FROM milestone_changes WHERE {removed}") == [(done["remove_ticker"],)]
    # What went before the second sweep is missing from two; what went before the third from one only.
    gone = evolutions[0].ids("remove")
    assert {row[0] for row in shell.rows("SELECT milestone_id FROM milestones WHERE vanished_at IS NOT NULL")} == gone
    assert by_field["vanished_at"] == len(gone)
    assert shell.rows("SELECT sum(vanished) FROM sweeps") == [(len(gone),)]


def test_a_poll_asks_for_what_changed_and_no_more(shell: Shell) -> None:
    shell.world.load(generate_bodies(2_000, 3, NOON))
    shell.sweep(mode="full")
    shell.clock.forward(hours=1)
    hit = evolve(shell.world, 1, Counts(title_edits=120)).ids()
    ledger = shell.sweep()
    assert (ledger.mode, ledger.changed) == ("incremental", 120)
    assert ledger.requests <= 4
    assert {row[0] for row in shell.rows("SELECT milestone_id FROM milestone_changes WHERE field = 'title'")} == hit


def test_every_table_can_be_derived_again(changing: tuple[Shell, list[Evolution]]) -> None:
    shell, _ = changing
    before = fingerprint(shell)
    assert before["milestone_changes"][0] > 0
    shell.stages.rebuild()
    assert fingerprint(shell) == before
    assert not shell.home.staging("rebuild").exists()


def test_a_rebuilt_warehouse_without_its_holes_is_the_same(changing: tuple[Shell, list[Evolution]]) -> None:
    shell, _ = changing
    before, file = fingerprint(shell), shell.home.warehouse_file
    shell.stages.rebuild()
    size = file.stat().st_size
    with open_warehouse(file, max_free_bytes=0):
        pass
    assert file.stat().st_size < size
    assert fingerprint(shell) == before
    evolve(shell.world, 1, Counts(title_edits=5))
    shell.clock.forward(hours=1)
    assert shell.sweep().changed == 5


def test_rebuild_mends_a_damaged_table(changing: tuple[Shell, list[Evolution]]) -> None:
    shell, _ = changing
    before = fingerprint(shell)
    change_warehouse(
        shell, "DELETE FROM milestone_details WHERE kind = 'string'", "UPDATE milestones SET title = 'wrong'"
    )
    assert fingerprint(shell) != before
    shell.stages.rebuild()
    assert fingerprint(shell) == before


def test_what_was_believed_at_a_time(shell: Shell) -> None:
    shell.world.load(as_bytes([milestone(1), milestone(2)]))
    shell.sweep(mode="full")
    first = shell.clock()
    shell.clock.forward(hours=1)
    shell.world.edit_title(milestone_id(1), "Renamed")
    shell.world.insert(milestone(3))
    shell.sweep(mode="full")
    shell.stages.publish()
    query = "SELECT milestone_id, title FROM milestones_as_of(TIMESTAMPTZ '{}') ORDER BY 1"
    before, after = published(shell, query.format(first)), published(shell, query.format(shell.clock()))
    assert before == [(milestone_id(1), "Game 1"), (milestone_id(2), "Game 2")]
    assert after == [(milestone_id(1), "Renamed"), (milestone_id(2), "Game 2"), (milestone_id(3), "Game 3")]
    assert published(shell, query.format("2020-01-01 00:00:00+00")) == []


NULL_ARRAYS: dict[str, Any] = {"related_event_tickers": None, "primary_event_tickers": None}
SIMULATED_AS: dict[str, dict[str, Any]] = {
    "a real game": {},
    "a real game without tickers": NULL_ARRAYS,
    "a related ticker": {"related_event_tickers": ["SIMNBAGAME"], "primary_event_tickers": None},
    "a primary ticker": {"related_event_tickers": None, "primary_event_tickers": ["SIMNBAGAME"]},
    "a main ticker": {"details": {"main_game_event_ticker": "SIMNBAGAME"}} | NULL_ARRAYS,
    "a session": {"details": {"session_id": "212f3380"}},
    "no session": {"details": {"session_id": None}},
    "a related ticker with a suffix": {"related_event_tickers": ["KX-1", "SIMNFLGAME-26NOV29AB"]},
    "a main ticker with a suffix": {"details": {"main_game_event_ticker": "SIMUFLGAME-1"}} | NULL_ARRAYS,
    "a ticker that only holds the word": {
        "related_event_tickers": ["KXSIMNBAGAME", "KX-SIMNBAGAME-26", "SIMPLEGAME-1"]
    },
}


@pytest.mark.parametrize("is_replaced", [False, True], ids=["versions that hold", "versions that were replaced"])
def test_what_was_believed_leaves_out_what_is_simulated_and_no_more(shell: Shell, *, is_replaced: bool) -> None:
    shell.world.load(as_bytes(milestone(n, title=name, **SIMULATED_AS[name]) for n, name in enumerate(SIMULATED_AS)))
    shell.sweep(mode="full")
    then = shell.clock()
    real = shell.rows("SELECT title FROM milestones WHERE NOT is_simulated ORDER BY 1")
    if is_replaced:
        shell.clock.forward(hours=1)
        for number in range(len(SIMULATED_AS)):
            shell.world.edit_title(milestone_id(number), "Renamed")
        shell.sweep(mode="full")
    shell.stages.publish()
    assert published(shell, f"SELECT title FROM milestones_as_of(TIMESTAMPTZ '{then}') ORDER BY 1") == real
    assert len(real) == 4


AS_BELIEVED = """
    milestone_id, category, type, title, start_date, start_is_tentative, end_date, source_id, main_event_ticker, league,
    status, status_group, details, content_hash
"""


@pytest.mark.parametrize("asked", ["", ", include_simulated := true"], ids=["real", "simulated too"])
def test_what_was_believed_is_what_milestones_said_then(shell: Shell, asked: str) -> None:
    shell.world.load(generate_bodies(1_000, 3, NOON))
    shell.sweep(mode="full")
    then = shell.clock()
    kept = "true" if asked else "NOT is_simulated"
    said = shell.rows(f"SELECT {AS_BELIEVED} FROM milestones WHERE {kept} ORDER BY milestone_id")
    for seed in (1, 2):
        shell.clock.forward(hours=24)
        evolve(shell.world, seed, CHANGES)
        simulated = shell.rows("SELECT milestone_id FROM milestones WHERE is_simulated ORDER BY 1 LIMIT 2")
        for (simulated_id,) in simulated:
            shell.world.edit_title(simulated_id, f"{seed}")
        shell.sweep(mode="full")
    shell.stages.publish()
    believed = f"milestones_as_of(TIMESTAMPTZ '{then}'{asked})"
    assert published(shell, f"SELECT {AS_BELIEVED} FROM {believed} ORDER BY milestone_id") == said
    # Neither way of finding it is idle.
    assert {row[0] for row in published(shell, f"SELECT DISTINCT valid_to IS NULL FROM {believed}")} == {True, False}


def test_reschedules_say_how_far_and_how_long_before(shell: Shell) -> None:
    shell.world.load(as_bytes([milestone(1), milestone(2)]))
    shell.sweep(mode="full")
    start = shell.rows(f"SELECT start_date FROM milestones WHERE milestone_id = '{milestone_id(1)}'")[0][0]
    shell.world.reschedule(milestone_id(1), start.replace(hour=23, minute=30))
    shell.sweep(mode="full")
    shell.stages.publish()
    columns = "milestone_id, new_start - old_start = shift, notice > INTERVAL 6 DAY, shift_minutes, notice_minutes"
    ((moved, is_difference, is_early, shift_minutes, notice_minutes),) = published(
        shell, f"SELECT {columns} FROM reschedules"
    )
    assert (moved, is_difference, is_early) == (milestone_id(1), True, True)
    assert shift_minutes == (23 - start.hour) * 60 + 30 - start.minute
    assert notice_minutes > 6 * 24 * 60


class TestVanishing:
    """A milestone is gone when two complete full sweeps miss it and the API does not know its id."""

    def test_once_missing_is_not_gone(self, shell: Shell) -> None:
        self._begin(shell)
        shell.world.remove(milestone_id(1))
        assert shell.sweep(mode="full").vanished == 0
        assert self._vanished(shell) == []

    def test_twice_missing_and_unknown_by_id_is_gone(self, shell: Shell) -> None:
        self._begin(shell)
        shell.world.remove(milestone_id(1))
        shell.sweep(mode="full")
        assert shell.sweep(mode="full").vanished == 1
        assert self._vanished(shell) == [milestone_id(1)]
        assert shell.rows("SELECT count(*) FROM milestone_versions WHERE is_current") == [(29,)]
        # Known to be gone: it is not asked for again.
        assert shell.sweep(mode="full").vanished == 0

    def test_twice_missing_but_known_by_id_stays(self, shells: Shells, shell: Shell) -> None:
        self._begin(shell)
        body = shell.world.get(milestone_id(1))
        shell.world.remove(milestone_id(1))
        shell.sweep(mode="full")
        shells.serve(build_app(Unlisted(shell.world, body)))
        ledger = shell.sweep(mode="full")
        assert (ledger.vanished, ledger.unchanged) == (0, 30)
        assert self._vanished(shell) == []

    def test_an_id_that_cannot_be_asked_for_stops_no_sweep(self, shell: Shell) -> None:
        self._begin(shell)
        shell.world.load(as_bytes([milestone(100, id="..")]))
        shell.sweep(mode="full")
        shell.world.remove("..")
        shell.world.remove(milestone_id(1))
        shell.sweep(mode="full", allow_shrink=True)
        for gone in (1, 0):
            assert shell.sweep(mode="full", allow_shrink=True).vanished == gone
        assert self._vanished(shell) == [milestone_id(1)]

    def test_partial_sweeps_conclude_nothing(self, shell: Shell) -> None:
        self._begin(shell)
        shell.world.remove(milestone_id(1))
        for request in ({"mode": "auto"}, {"category": "Sports"}, {"type": "football_game"}, {"since": NOON}):
            shell.sweep(**request)
            shell.sweep(**request)
        assert self._vanished(shell) == []

    def test_coming_back_clears_it_and_both_stay_in_the_history(self, shell: Shell) -> None:
        self._begin(shell)
        body = json.loads(shell.world.get(milestone_id(1)))
        shell.world.remove(milestone_id(1))
        shell.sweep(mode="full")
        shell.sweep(mode="full")
        shell.world.load(as_bytes([body]))
        assert shell.sweep(mode="full").changed == 1
        assert self._vanished(shell) == []
        history = shell.rows(
            "SELECT version, is_current, valid_to IS NULL FROM milestone_versions "
            f"WHERE milestone_id = '{milestone_id(1)}' ORDER BY version"
        )
        assert history == [(1, False, False), (2, True, True)]
        changes = shell.rows(
            "SELECT version, position, field, old IS NULL, new IS NULL FROM milestone_changes ORDER BY ALL"
        )
        assert changes == [(1, 0, "vanished_at", True, False), (2, 1, "vanished_at", False, True)]
        before = fingerprint(shell)
        shell.stages.rebuild()
        assert fingerprint(shell) == before

    @pytest.mark.parametrize("left", [0, 27], ids=["empty world", "a tenth gone"])
    def test_a_world_that_shrinks_at_once_is_not_believed(self, shell: Shell, left: int) -> None:
        self._begin(shell)
        for number in range(left, 30):
            shell.world.remove(milestone_id(number))
        with pytest.raises(SweepRefused, match="allow-shrink"):
            shell.sweep(mode="full")
        assert shell.rows("SELECT status FROM sweeps ORDER BY sweep_id") == [("loaded",), ("failed",)]
        assert shell.sweep(mode="full", allow_shrink=True).records == left

    def _begin(self, shell: Shell) -> None:
        shell.world.load(as_bytes(milestone(number) for number in range(30)))
        shell.sweep(mode="full")
        shell.clock.forward(hours=1)

    def _vanished(self, shell: Shell) -> list[str]:
        return [row[0] for row in shell.rows("SELECT milestone_id FROM milestones WHERE vanished_at IS NOT NULL")]


def test_an_id_that_is_used_again_for_another_event_keeps_both_in_the_history(shell: Shell) -> None:
    shell.world.load(as_bytes([milestone(1)]))
    shell.sweep(mode="full")
    shell.world.remove(milestone_id(1))
    other = {"category": "Politics", "type": "political_race", "title": "The race", "details": {"race_id": "r"}}
    shell.world.load(as_bytes([milestone(1, **other, last_updated_ts="2026-11-22T00:00:00Z")]))
    assert shell.sweep(mode="full").changed == 1
    columns = "json_extract_string(record, 'category'), json_extract_string(record, 'title'), is_current"
    assert shell.rows(f"SELECT {columns} FROM milestone_versions ORDER BY version") == [
        ("Sports", "Game 1", False),
        ("Politics", "The race", True),
    ]
    changed = shell.rows("SELECT field, old, new FROM milestone_changes WHERE field IN ('category', 'type')")
    assert sorted(changed) == [("category", "Sports", "Politics"), ("type", "football_game", "political_race")]


class TestTypedTables:
    """details_<type>: no value is lost, whatever came first."""

    @pytest.mark.parametrize("order", list(permutations((1, "1", 2.5))), ids=str)
    def test_a_conflict_widens_all_history(self, shell: Shell, order: tuple[Any, ...]) -> None:
        for number, leg in enumerate(order):
            shell.world.load(as_bytes([milestone(number, type="relay", details={"leg": leg})]))
            shell.sweep(mode="full")
        field = shell.rows("SELECT kinds, column_name, sql_type FROM details_fields WHERE type = 'relay'")
        assert field == [("integer, number, string", "leg", "VARCHAR")]
        legs = shell.rows("SELECT leg FROM details_relay ORDER BY milestone_id")
        assert legs == [(str(leg),) for leg in order]
        kinds = {1: "integer", "1": "string", 2.5: "number"}
        found = shell.rows("SELECT kind, value FROM milestone_details WHERE path = 'leg' ORDER BY milestone_id")
        assert [value for _, value in found] == [str(leg) for leg in order]
        assert sorted(kind for kind, _ in found) == sorted(kinds.values())

    def test_shapes(self, shell: Shell) -> None:
        mapping = {"0ed4a109-9ed1-42ac-824d-0838189f87d2": {"rank": 1}}
        details = {
            "season": {"week": 0, "type": "REG"},
            "ids": ["a", "b"],
            "none": [],
            "scores": [1, 2.5],
            "mapping": mapping,
            "plays": [{"x": 1}],
            "a.b": True,
            "big": 2**70,
            "milestone_id": "mine",
        }
        shell.world.load(as_bytes([milestone(1, type="Odd type; drop table x", details=details)]))
        shell.sweep(mode="full")
        table = shell.rows("SELECT DISTINCT table_name FROM details_fields")[0][0]
        assert table == "details_odd_type__drop_table_x"
        columns = dict(shell.rows("SELECT path, column_name FROM details_fields WHERE column_name IS NOT NULL"))
        row = shell.rows(f"SELECT {', '.join(quote(columns[path]) for path in sorted(columns))} FROM {quote(table)}")[0]
        values = dict(zip(sorted(columns), row, strict=True))
        assert values.pop("mapping") == json.dumps(mapping, separators=(",", ":"))
        assert values == {
            '"a.b"': True,
            "big": str(2**70),
            "ids": ["a", "b"],
            "milestone_id": "mine",
            "none": "[]",
            "plays": '[{"x":1}]',
            "scores": [1.0, 2.5],
            "season.type": "REG",
            "season.week": 0,
        }
        assert columns["milestone_id"] != "milestone_id"

    def test_the_long_table_holds_every_leaf(self, changing: tuple[Shell, list[Evolution]]) -> None:
        shell, _ = changing
        texts = shell.rows("SELECT details FROM milestones")
        assert shell.rows("SELECT count(*) FROM milestone_details") == [(sum(count(json.loads(t)) for (t,) in texts),)]

    def test_a_milestone_that_changes_type_changes_table(self, shell: Shell) -> None:
        shell.world.load(
            as_bytes([milestone(1, type="one", details={"x": 1}), milestone(2, type="one", details={"x": 2})])
        )
        shell.sweep(mode="full")
        shell.world.remove(milestone_id(1))
        shell.world.load(as_bytes([milestone(1, type="two", details={"x": 1}, last_updated_ts="2026-11-22T00:00:00Z")]))
        shell.sweep(mode="full")
        assert shell.rows("SELECT milestone_id FROM details_one") == [(milestone_id(2),)]
        assert shell.rows("SELECT milestone_id FROM details_two") == [(milestone_id(1),)]


def count(node: Any) -> int:
    """Leaves of a JSON value, counted the plain way."""
    if isinstance(node, dict) and node:
        return sum(count(child) for child in node.values())
    if isinstance(node, list) and node:
        return sum(count(child) for child in node)
    return 1


class TestContract:
    """What new fields and kinds may do."""

    def _grow(self, shell: Shell, contract: str) -> None:
        shell.world.load(as_bytes([milestone(1, type="game", details={"x": 1})]))
        shell.sweep(mode="full")
        shell.stages = Stages(shell.home, now=shell.clock, contract=Contract.parse(contract))
        shell.world.load(as_bytes([milestone(2, type="game", details={"x": 2, "y": "new"})]))

    def test_evolve_adds_a_column(self, shell: Shell) -> None:
        self._grow(shell, "evolve")
        shell.sweep(mode="full")
        assert shell.rows("SELECT x, y FROM details_game ORDER BY x") == [(1, None), (2, "new")]

    @pytest.mark.parametrize("contract", ["freeze", "evolve,game=freeze"])
    def test_freeze_fails_naming_it(self, shell: Shell, contract: str) -> None:
        self._grow(shell, contract)
        with pytest.raises(ContractViolated, match="game: y is string"):
            shell.sweep(mode="full")
        assert shell.rows("SELECT count(*) FROM milestones") == [(1,)]
        assert shell.rows("SELECT status FROM sweeps ORDER BY sweep_id") == [("loaded",), ("failed",)]

    def test_freeze_lets_other_types_be(self, shell: Shell) -> None:
        self._grow(shell, "other=freeze")
        assert shell.sweep(mode="full").new == 1

    def test_discard_keeps_it_out_of_the_columns_only(self, shell: Shell) -> None:
        self._grow(shell, "discard")
        shell.sweep(mode="full")
        assert shell.rows("SELECT * FROM details_game ORDER BY x") == [(milestone_id(1), 1), (milestone_id(2), 2)]
        assert shell.rows("SELECT value FROM milestone_details WHERE path = 'y'") == [("new",)]
        field = shell.rows("SELECT column_name, is_discarded FROM details_fields WHERE path = 'y'")
        assert field == [(None, True)]
        before = fingerprint(shell)
        shell.stages.rebuild()
        assert fingerprint(shell) == before


class TestRetry:
    """Refused records through today's code."""

    def test_what_is_accepted_leaves_the_quarantine(self, shell: Shell) -> None:
        good = milestone(1)
        shell.world.load(as_bytes([*(milestone(number) for number in range(2, 250)), good | {"title": 7}]))
        assert shell.sweep(mode="full").quarantined == 1
        # Tomorrow's code reads what today's refuses: played by mending the text.
        change_warehouse(shell, 'UPDATE quarantine SET record = replace(record, \'"title":7\', \'"title":"seven"\')')
        ledger = shell.sweep(mode="retry")
        assert (ledger.records, ledger.new, ledger.quarantined) == (1, 1, 0)
        assert shell.rows("SELECT count(*) FROM quarantine") == [(0,)]
        assert shell.rows(f"SELECT title FROM milestones WHERE milestone_id = '{milestone_id(1)}'") == [("seven",)]

    def test_what_is_refused_again_stays_once(self, shell: Shell) -> None:
        shell.world.load(as_bytes([*(milestone(number) for number in range(250)), milestone(300, title=7)]))
        shell.sweep(mode="full")
        for _ in range(2):
            assert shell.sweep(mode="retry").quarantined == 1
        assert shell.rows("SELECT count(*), any_value(field) FROM quarantine") == [(1, "title")]

    def test_a_retry_that_fails_leaves_the_quarantine_as_it_was(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shell.world.load(as_bytes([*(milestone(number) for number in range(250)), milestone(300, title=7)]))
        shell.sweep(mode="full")
        before = shell.rows("FROM quarantine")

        def fail(*_: object) -> None:
            raise OSError(errno.EIO, "input/output error")

        with monkeypatch.context() as broken:
            broken.setattr("pipelines.sweep.stages.load_sweep", fail)
            with pytest.raises(OSError, match="input/output"):
                shell.sweep(mode="retry")
        assert shell.rows("SELECT mode, status FROM sweeps ORDER BY sweep_id DESC LIMIT 1") == [("retry", "failed")]
        assert shell.rows("FROM quarantine") == before
        assert shell.sweep(mode="retry").quarantined == 1
        assert shell.rows("SELECT count(*) FROM quarantine") == [(1,)]

    @pytest.mark.parametrize(
        ("updated", "title"),
        [
            pytest.param("2026-11-20T08:30:00.25Z", "Game 1", id="no newer than what is stored"),
            pytest.param("0001-01-01T00:00:00Z", "Game 1", id="of a time that nobody knows"),
            pytest.param("2026-11-20T08:30:01Z", "seven", id="newer"),
        ],
    )
    def test_what_was_refused_long_ago_changes_nothing_that_is_newer(
        self, shell: Shell, updated: str, title: str
    ) -> None:
        self._refuse(shell, milestone(1, title=7, last_updated_ts=updated))
        ledger = shell.sweep(mode="retry")
        assert (ledger.changed, ledger.superseded) == ((1, 0) if title == "seven" else (0, 1))
        assert shell.rows("SELECT count(*) FROM quarantine") == [(0,)]
        assert shell.rows(f"SELECT title FROM milestones WHERE milestone_id = '{milestone_id(1)}'") == [(title,)]

    def test_what_went_since_does_not_come_back_from_the_quarantine(self, shell: Shell) -> None:
        self._refuse(shell, milestone(1, title=7, last_updated_ts="2026-11-20T08:30:01Z"))
        shell.world.remove(milestone_id(1))
        for vanished in (0, 1):
            assert shell.sweep(mode="full").vanished == vanished
        assert shell.sweep(mode="retry").superseded == 1
        gone = "SELECT count(*) FROM milestones WHERE vanished_at IS NOT NULL"
        assert shell.rows(gone) == [(1,)]
        assert shell.rows("SELECT count(*) FROM milestone_versions WHERE version > 1") == [(0,)]

    def _refuse(self, shell: Shell, row: dict[str, Any]) -> None:
        """A world loaded whole, then one record refused by the code of its day and mended since."""
        shell.world.load(as_bytes(milestone(number) for number in range(250)))
        shell.sweep(mode="full")
        shell.world.remove(milestone_id(1))
        shell.world.load(as_bytes([row]))
        assert shell.sweep(mode="full").quarantined == 1
        change_warehouse(shell, 'UPDATE quarantine SET record = replace(record, \'"title":7\', \'"title":"seven"\')')

    def test_an_empty_quarantine_is_said(self, shell: Shell) -> None:
        shell.world.load(as_bytes([milestone(1)]))
        shell.sweep(mode="full")
        with pytest.raises(NothingToDo, match="empty"):
            shell.land(mode="retry")


def test_the_fixture_folder_is_small() -> None:
    files = list((Path(__file__).parents[1] / "fixtures").iterdir())
    assert files
    assert sum(file.stat().st_size for file in files) < 1_000_000
