"""Archived history: milestones that leave the list by age are kept, and one decision settles them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from pipelines.errors import SweepRefused
from pipelines.kalshi.client import KalshiClient
from pipelines.kalshi.errors import ServerFault
from pipelines.kalshi.response import Response
from pipelines.publish.manifest import verify
from pipelines.storage.landing import Landing
from pipelines.sweep.absent_requests import ARCHIVE_SAMPLE
from pipelines.sweep.progress_listener import NullProgress
from pipelines.sweep.request import SweepRequest
from pipelines.warehouse.absences import MIN_ARCHIVED, find_absences
from pipelines.warehouse.audits import audits, run
from pipelines.warehouse.database import open_warehouse
from sandbox.app import build_app
from sandbox.world import World
from tests.support import NOON, Shell, Shells, as_bytes, contents, milestone, milestone_id, rows_of

pytestmark = pytest.mark.slow

OLD, ALL = 40, 60
"""Milestones start a day apart."""


def dated(number: int, **fields: Any) -> dict[str, Any]:
    return milestone(
        number, start_date=f"2026-{7 + (number + 22) // 31:02d}-{(number + 22) % 31 + 1:02d}T12:00:00Z", **fields
    )


def day_of(number: int) -> str:
    return str(dated(number)["start_date"])[:10]


@pytest.fixture
def shell(shells: Shells, tmp_path: Path) -> Shell:
    """A world of `ALL` milestones, loaded and published."""
    shell = shells(tmp_path / "home", [dated(number) for number in range(ALL)])
    shell.sweep(mode="full")
    shell.stages.publish()
    shell.clock.forward(hours=1)
    return shell


class Archived(World):
    """A world that still answers by id for what its list no longer has, and counts those requests."""

    def __init__(self, world: World, *, unlisted: range) -> None:
        super().__init__([world.get(one) for one in world.ids()], now=world.now)
        self._by_id = {milestone_id(number): self.get(milestone_id(number)) for number in unlisted}
        self.requested: list[str] = []
        for number in unlisted:
            self.remove(milestone_id(number))

    def get(self, milestone_id: str) -> bytes:
        if milestone_id in getattr(self, "_by_id", {}):
            self.requested.append(milestone_id)
            return self._by_id[milestone_id]
        return super().get(milestone_id)


def archived(shell: Shell) -> dict[str, bool | None]:
    return dict(shell.rows("SELECT milestone_id, answered_by_id FROM archived_milestones"))


def remove(shell: Shell, numbers: range) -> None:
    for number in numbers:
        shell.world.remove(milestone_id(number))


def vanished(shell: Shell) -> Any:
    return shell.value("SELECT count(*) FROM milestones WHERE vanished_at IS NOT NULL")


def settled(shell: Shell) -> None:
    """Every audit passes, and what is published is what the warehouse holds."""
    with open_warehouse(shell.home.warehouse_file) as connection:
        assert [str(found) for audit in audits() if not (found := run(connection, audit)).passed] == []
    shell.stages.publish()
    assert verify(shell.home).differences == []
    table = ["archived_milestones"]
    assert contents(shell.home.published_duckdb, tables=table) == contents(shell.home.warehouse_file, tables=table)
    files = f"read_parquet('{shell.home.latest_snapshot}/archived_milestones/**/*.parquet')"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        published = connection.execute(f"SELECT milestone_id, answered_by_id FROM {files}").fetchall()
    assert dict(published) == archived(shell)


def test_refused_then_allowed_then_a_plain_full_sweep_passes(shells: Shells, shell: Shell) -> None:
    world = Archived(shell.world, unlisted=range(OLD))
    shells.serve(build_app(world))
    with pytest.raises(SweepRefused) as caught:
        shell.sweep(mode="full")
    assert str(caught.value) == (
        "the API listed 20 records, without 40 of the 60 expected milestones (at most 5% may be missing); "
        f"all 40 absent milestones start before {day_of(OLD)}: history may have been archived: if that is correct, run "
        "milestones ingest --full --allow-shrink, which marks them as archived"
    )
    assert archived(shell) == {}
    assert world.requested == []

    ledger = shell.sweep(mode="full", allow_shrink=True)
    assert (ledger.vanished, ledger.changed, ledger.unchanged) == (0, 0, ALL - OLD + ARCHIVE_SAMPLE)
    assert archived(shell).keys() == {milestone_id(number) for number in range(OLD)}
    assert list(archived(shell).values()).count(True) == ARCHIVE_SAMPLE
    assert list(archived(shell).values()).count(None) == OLD - ARCHIVE_SAMPLE
    assert len(world.requested) == ARCHIVE_SAMPLE
    assert shell.rows("SELECT DISTINCT sweep_id FROM archived_milestones") == [(ledger.sweep_id,)]
    newest = Landing.newest(shell.home.raw)
    assert newest is not None
    assert newest.sweep.archived == OLD
    settled(shell)

    for _ in range(3):
        plain = shell.sweep(mode="full")
        # The list ends in the past: one more request checks that it has ended.
    assert (plain.vanished, plain.records, plain.requests) == (0, ALL - OLD, plain.pages + 1)
    assert vanished(shell) == 0
    assert len(archived(shell)) == OLD
    assert len(world.requested) == ARCHIVE_SAMPLE
    # History stays: nothing was closed, and the views keep it.
    assert shell.rows("SELECT count(*), count(*) FILTER (is_current) FROM milestone_versions") == [(ALL, ALL)]
    shell.stages.publish()
    assert rows_of(shell.home.published_duckdb, "SELECT sum(milestones) FROM coverage_daily") == [(ALL,)]


def test_what_the_api_does_not_know_by_id_either_is_archived_not_vanished(shell: Shell) -> None:
    remove(shell, range(OLD))
    ledger = shell.sweep(mode="full", allow_shrink=True)
    assert (ledger.vanished, vanished(shell)) == (0, 0)
    assert list(archived(shell).values()).count(False) == ARCHIVE_SAMPLE
    assert list(archived(shell).values()).count(True) == 0
    shell.sweep(mode="full")
    assert vanished(shell) == 0
    settled(shell)


@pytest.mark.parametrize("request_", [{"mode": "full"}, {"mode": "auto"}, {"ids": (milestone_id(3),)}], ids=str)
def test_one_that_the_api_shows_again_leaves_the_table(shell: Shell, request_: dict[str, Any]) -> None:
    remove(shell, range(OLD))
    shell.sweep(mode="full", allow_shrink=True)
    shell.stages.publish()
    shell.stages.publish()
    updated = f"{shell.clock() + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}" if request_.get("mode") == "auto" else None
    again = dated(3, last_updated_ts=updated) if updated else dated(3)
    shell.world.load(as_bytes([again]))
    shell.clock.forward(hours=1)
    shell.sweep(**request_)
    assert archived(shell).keys() == {milestone_id(number) for number in range(OLD)} - {milestone_id(3)}
    settled(shell)


def test_what_comes_out_of_quarantine_is_not_listed_again(shell: Shell) -> None:
    with open_warehouse(shell.home.warehouse_file) as connection:
        connection.execute(
            "INSERT INTO quarantine SELECT max(sweep_id), 1, 0, $1, 'broken', NULL, $2, now() FROM sweeps",
            [milestone_id(3), as_bytes([dated(3)])[0].decode()],
        )
    remove(shell, range(OLD))
    shell.sweep(mode="full", allow_shrink=True)
    assert shell.sweep(mode="retry").records == 1
    assert milestone_id(3) in archived(shell)


def test_rebuild_keeps_the_table(shell: Shell) -> None:
    remove(shell, range(OLD))
    shell.sweep(mode="full", allow_shrink=True)
    before = contents(shell.home.warehouse_file, tables=["archived_milestones", "milestones", "milestone_versions"])
    shell.stages.rebuild()
    after = contents(shell.home.warehouse_file, tables=["archived_milestones", "milestones", "milestone_versions"])
    assert after == before
    settled(shell)


def test_history_that_is_archived_day_by_day_needs_no_decision(shells: Shells, tmp_path: Path) -> None:
    """Less than 5 % at once are never refused: what fits the pattern twice is archived, not taken for deleted."""
    shell = shells(tmp_path, [dated(number % ALL, id=milestone_id(number)) for number in range(600)])
    shell.sweep(mode="full")
    old = [number for number in range(600) if number % ALL < 3]
    for number in old:
        shell.world.remove(milestone_id(number))
    assert len(old) >= MIN_ARCHIVED
    assert shell.sweep(mode="full").vanished == 0
    assert archived(shell) == {}
    assert shell.sweep(mode="full").vanished == 0
    assert archived(shell).keys() == {milestone_id(number) for number in old}
    assert list(archived(shell).values()).count(False) == ARCHIVE_SAMPLE


def test_a_deleted_milestone_beside_archived_history_vanishes(shell: Shell) -> None:
    remove(shell, range(OLD))
    remove(shell, range(ALL - 1, ALL))
    with pytest.raises(SweepRefused, match=f"; 40 of the 41 absent milestones start before {day_of(OLD)}: history"):
        shell.sweep(mode="full")
    shell.sweep(mode="full", allow_shrink=True)
    assert shell.sweep(mode="full").vanished == 1
    assert milestone_id(ALL - 1) not in archived(shell)
    assert len(archived(shell)) == OLD


class Failing(KalshiClient):
    """Answers for five ids, then fails."""

    left = 5

    def get_milestone(self, milestone_id: str) -> Response:
        self.left -= 1
        if self.left < 0:
            raise ServerFault(self.base_url, status=503)
        return super().get_milestone(milestone_id)


def test_a_sweep_that_dies_while_it_asks_is_resumed(shells: Shells, shell: Shell) -> None:
    world = Archived(shell.world, unlisted=range(OLD))
    shells.serve(build_app(world))
    request = SweepRequest(mode="full", allow_shrink=True)
    with (
        Failing(shell.base_url, requests_per_second=0, now=shell.clock) as api,
        pytest.raises(ServerFault),
    ):
        shell.stages.land(api, request, NullProgress())
    shell.clock.forward(minutes=1)
    ledger = shell.sweep(mode="full", allow_shrink=True)
    assert shell.rows("SELECT status FROM sweeps") == [("loaded",), ("loaded",)]
    assert (ledger.vanished, len(archived(shell))) == (0, OLD)
    settled(shell)


class TestWithoutAPattern:
    """Absent milestones of any age."""

    GONE = range(0, ALL, 2)

    def test_the_refusal_names_no_day(self, shell: Shell) -> None:
        self._remove(shell)
        with pytest.raises(SweepRefused) as caught:
            shell.sweep(mode="full")
        assert "archived" not in str(caught.value)
        assert str(caught.value).endswith("if that is correct, run milestones ingest --full --allow-shrink")

    def test_what_was_allowed_once_is_refused_no_more(self, shell: Shell) -> None:
        self._remove(shell)
        shell.sweep(mode="full", allow_shrink=True)
        assert shell.sweep(mode="full").vanished == len(self.GONE)
        assert archived(shell) == {}
        assert shell.sweep(mode="full").vanished == 0

    def test_a_further_shrink_is_refused_again(self, shell: Shell) -> None:
        self._remove(shell)
        shell.sweep(mode="full", allow_shrink=True)
        for number in range(1, ALL, 6):
            shell.world.remove(milestone_id(number))
        with pytest.raises(SweepRefused, match="without 10 of the 30 expected milestones"):
            shell.sweep(mode="full")

    def test_an_empty_list_is_no_archive(self, shell: Shell) -> None:
        remove(shell, range(ALL))
        with pytest.raises(SweepRefused) as caught:
            shell.sweep(mode="full")
        assert "archived" not in str(caught.value)
        shell.sweep(mode="full", allow_shrink=True)
        assert archived(shell) == {}

    def _remove(self, shell: Shell) -> None:
        for number in self.GONE:
            shell.world.remove(milestone_id(number))


# The day


@pytest.mark.parametrize(
    ("absent", "before"),
    [
        pytest.param(range(MIN_ARCHIVED), MIN_ARCHIVED, id="just enough"),
        pytest.param(range(MIN_ARCHIVED - 1), None, id="too few"),
        pytest.param([*range(40), 45, 50], 40, id="two later ones"),
        pytest.param([*range(40), 42, 45, 50], None, id="three later ones"),
        pytest.param([n for n in range(40) if n != 7], 40, id="one still listed"),
        pytest.param([n for n in range(40) if n not in (7, 9)], None, id="two still listed"),
        pytest.param(range(20, 60), None, id="the future is cut off"),
        pytest.param(range(0, 60, 2), None, id="every other one"),
        pytest.param(range(60), None, id="everything"),
        pytest.param([], None, id="nothing"),
    ],
)
def test_a_day_is_named_only_where_it_separates(shell: Shell, absent: Any, before: int | None) -> None:
    listed = pa.array([milestone_id(number) for number in range(ALL) if number not in set(absent)], pa.string())
    with open_warehouse(shell.home.warehouse_file) as connection:
        found = find_absences(connection, [listed], shell.home.warehouse / "absent.parquet")
    assert (found.expected, found.absent, found.twice) == (ALL, len(list(absent)), [])
    if before is None:
        assert found.archive is None
    else:
        assert found.archive is not None
        assert f"{found.archive.before:%Y-%m-%d}" <= day_of(before)
        assert found.archive.ids == [milestone_id(number) for number in absent if number < before]


def test_a_day_of_which_half_is_archived_is_split_at_the_time(shells: Shells, tmp_path: Path) -> None:
    starts = [NOON - timedelta(hours=number) for number in range(ALL, 0, -1)]
    rows = [milestone(number, start_date=f"{start:%Y-%m-%dT%H:%M:%SZ}") for number, start in enumerate(starts)]
    shell = shells(tmp_path, rows)
    shell.sweep(mode="full")
    remove(shell, range(OLD))
    with pytest.raises(SweepRefused, match=f"start before {starts[OLD]:%Y-%m-%dT%H:%M:%SZ}: history"):
        shell.sweep(mode="full")
    shell.sweep(mode="full", allow_shrink=True)
    assert len(archived(shell)) == OLD


def test_what_starts_soon_after_the_archived_ones_is_left_alone(shell: Shell) -> None:
    remove(shell, range(OLD))
    remove(shell, range(OLD + 3, OLD + 4))
    shell.sweep(mode="full", allow_shrink=True)
    for _ in range(2):
        assert shell.sweep(mode="full").vanished == 0
    assert (len(archived(shell)), vanished(shell)) == (OLD, 0)
    remove(shell, range(OLD, OLD + 3))
    shell.sweep(mode="full", allow_shrink=True)
    assert (len(archived(shell)), vanished(shell)) == (OLD + 4, 0)


def test_a_start_that_nobody_knows_is_no_history(shells: Shells, tmp_path: Path) -> None:
    unknown = milestone(99, start_date="0001-01-01T00:00:00Z")
    shell = shells(tmp_path, [*(dated(number) for number in range(ALL)), unknown])
    shell.sweep(mode="full")
    remove(shell, range(OLD))
    shell.world.remove(milestone_id(99))
    for gone in (0, 1):
        assert shell.sweep(mode="full", allow_shrink=not gone).vanished == gone
    assert milestone_id(99) not in archived(shell)
    assert len(archived(shell)) == OLD
