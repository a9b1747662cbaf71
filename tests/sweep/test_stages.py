"""Sweeps end to end without Dagster, against a sandbox over HTTP: outcomes, versions, watermark, account, refusals."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.errors import NothingToDo, SweepRefused, WarehouseUnusable
from pipelines.kalshi.errors import ServerFault
from pipelines.kalshi.scans import OVERLAP_SECONDS
from pipelines.storage.home import Home
from pipelines.storage.landing import Filters, Landing, Page
from pipelines.storage.retention import PRUNED_SUFFIX, Retention
from pipelines.sweep.progress_listener import NullProgress
from pipelines.sweep.request import SweepRequest
from pipelines.sweep.staged_sweep import MAX_REFUSED_SHARE
from pipelines.sweep.stages import Stages
from pipelines.warehouse import compare, typed_tables
from pipelines.warehouse.connection import MEMORY_BYTES
from pipelines.warehouse.ledger import LedgerRow
from sandbox.app import build_app
from sandbox.obstacles import Faults
from schemas.sql import quote
from schemas.tables import FLAT_TABLES, TOUCHED
from tests.support import (
    NOON,
    OUR_CLOCK,
    ZERO_TIME,
    Clock,
    Shell,
    Shells,
    as_bytes,
    contents,
    files_of_at_most,
    loaded_milestones,
    milestone,
    milestone_id,
    page_body,
    rows_of,
    team_id,
    tree,
)

pytestmark = pytest.mark.slow

UPDATED = datetime(2026, 11, 20, 8, 30, 0, 250_000, tzinfo=UTC)
"""Of every milestone of `support.milestone`."""


@pytest.fixture
def shell(shells: Shells, tmp_path: Path) -> Shell:
    return shells(tmp_path, [milestone(number) for number in (1, 2, 3)])


def versions(shell: Shell, number: int) -> list[tuple[Any, ...]]:
    return shell.rows(
        f"SELECT version, valid_from, valid_to, is_current, sweep_id, last_updated_ts FROM milestone_versions "
        f"WHERE milestone_id = '{milestone_id(number)}' ORDER BY version"
    )


def changed_tables(before: dict[str, str], home: Home, **options: Any) -> set[str]:
    """The tables whose rows are not what they were, but for the note that every load makes of itself."""
    after = contents(home.warehouse_file, **options)
    changed = {table for table in before.keys() | after.keys() if before.get(table) != after.get(table)}
    return changed - {TOUCHED.name}


def updated_at(shell: Shell, number: int) -> datetime:
    """As the world says it."""
    return datetime.fromisoformat(json.loads(shell.world.get(milestone_id(number)))["last_updated_ts"])


def outcomes(ledger: Any) -> tuple[int, ...]:
    return (ledger.records, ledger.new, ledger.changed, ledger.unchanged, ledger.superseded, ledger.quarantined)


# What becomes of a record


def test_the_first_sweep_loads_everything(shell: Shell) -> None:
    ledger = shell.sweep()
    assert (ledger.mode, ledger.status, ledger.is_complete, ledger.filters) == ("full", "loaded", True, "{}")
    assert outcomes(ledger) == (3, 3, 0, 0, 0, 0)
    # One page of the list, one catch-up.
    assert (ledger.pages, ledger.requests, ledger.retries) == (2, 2, 0)
    assert ledger.watermark == UPDATED
    rows = loaded_milestones(shell.home)
    assert rows.keys() == {milestone_id(number) for number in (1, 2, 3)}
    for row in rows.values():
        assert row["first_seen_at"] == row["last_changed_at"]
        assert NOON < row["first_seen_at"] < ledger.finished_at
        assert row["last_updated_ts"] == UPDATED
        assert row["vanished_at"] is None
    for number in (1, 2, 3):
        ((version, valid_from, valid_to, is_current, sweep_id, updated),) = versions(shell, number)
        assert (version, valid_to, is_current, sweep_id, updated) == (1, None, True, ledger.sweep_id, UPDATED)
        assert valid_from == rows[milestone_id(number)]["first_seen_at"]


def test_load_returns_the_stored_ledger_row(shell: Shell) -> None:
    ledger = shell.sweep()
    names = [name for name in vars(ledger) if name != "error"]
    (row,) = shell.rows(f"SELECT {', '.join(map(quote, names))} FROM sweeps")
    assert row == tuple(getattr(ledger, name) for name in names)


def test_a_sweep_without_changes_changes_only_the_ledger(shell: Shell) -> None:
    shell.sweep()
    before = contents(shell.home.warehouse_file)
    ledger = shell.sweep(mode="full")
    assert outcomes(ledger) == (3, 0, 0, 3, 0, 0)
    assert changed_tables(before, shell.home) == {"sweeps"}


def test_a_change_adds_a_version_and_closes_the_previous_one(shell: Shell) -> None:
    first = shell.sweep()
    shell.clock.forward(hours=1)
    shell.world.edit_title(milestone_id(2), "Game 2, moved indoors")
    second = shell.sweep(mode="full")
    assert outcomes(second) == (4, 0, 1, 2, 1, 0)  # the catch-up brings it again
    old, new = versions(shell, 2)
    assert (old[0], new[0]) == (1, 2)
    assert old[2] == new[1], "the new version begins when the old one ends"
    assert (old[3], new[3]) == (False, True)
    assert new[2] is None
    assert (old[4], new[4]) == (first.sweep_id, second.sweep_id)
    assert old[5] == UPDATED, "what was known of the old version stays"
    row = loaded_milestones(shell.home)[milestone_id(2)]
    assert (row["title"], row["last_changed_at"]) == ("Game 2, moved indoors", new[1])
    assert row["first_seen_at"] == old[1]
    assert len(versions(shell, 1)) == 1
    titles = shell.rows(
        "SELECT json_extract_string(record, 'title') FROM milestone_versions "
        f"WHERE milestone_id = '{milestone_id(2)}' ORDER BY version"
    )
    assert titles == [("Game 2",), ("Game 2, moved indoors",)]


def test_the_rows_of_a_changed_milestone_are_replaced_in_every_table(shell: Shell) -> None:
    shell.sweep()
    shell.world.remove_ticker(milestone_id(1), "KXSPREAD-1")
    shell.world.add_ticker(milestone_id(1), "KXNEW-1", primary=True)
    shell.world.set_details(milestone_id(1), {"season": {"year": 2026}, "status": "live"})
    shell.clock.forward(minutes=1)
    shell.sweep()
    of_one = f"WHERE milestone_id = '{milestone_id(1)}' ORDER BY 1"
    assert shell.rows(f"SELECT event_ticker, is_primary FROM milestone_events {of_one}") == [
        ("KXGAME-1", True),
        ("KXNEW-1", True),
    ]
    assert shell.rows(f"SELECT path, value FROM milestone_details {of_one}") == [
        ("home_team_id", team_id(1)),
        ("season.year", "2026"),
        ("status", "live"),
    ]
    assert shell.value("SELECT count(*) FROM milestone_events") == 6


def test_a_reverted_change_is_a_third_version(shell: Shell) -> None:
    shell.sweep()
    for title in ("Game 1 (new)", "Game 1"):
        shell.clock.forward(minutes=1)
        shell.world.edit_title(milestone_id(1), title)
        shell.sweep()
    assert [row[0] for row in versions(shell, 1)] == [1, 2, 3]
    hashes = shell.rows(
        f"SELECT content_hash FROM milestone_versions WHERE milestone_id = '{milestone_id(1)}' ORDER BY version"
    )
    assert hashes[0] == hashes[2] != hashes[1]
    assert [row[3] for row in versions(shell, 1)] == [False, False, True]


def test_an_update_time_alone_makes_no_version(shell: Shell) -> None:
    shell.sweep()
    before = contents(shell.home.warehouse_file, without=frozenset({"last_updated_ts"}))
    shell.clock.forward(hours=1)
    shell.world.touch([milestone_id(1), milestone_id(2)])
    touched_at = updated_at(shell, 1)
    ledger = shell.sweep()
    assert (ledger.mode, ledger.new, ledger.changed) == ("incremental", 0, 0)
    assert changed_tables(before, shell.home, without=frozenset({"last_updated_ts"})) == {"sweeps"}
    expected = {milestone_id(1): touched_at, milestone_id(2): touched_at, milestone_id(3): UPDATED}
    for table in ("milestones", "milestone_versions"):
        assert dict(shell.rows(f"SELECT milestone_id, last_updated_ts FROM {table}")) == expected, table
    assert ledger.watermark == touched_at


def test_an_older_record_never_overwrites_a_newer_one(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path, [milestone(1)])
    shell.sweep()
    before = contents(shell.home.warehouse_file)
    # The same server falls back to a state of before: a lagging replica.
    stale = shells(tmp_path, [milestone(1, title="as it was", last_updated_ts="2026-11-20T08:30:00.249999Z")])
    ledger = stale.sweep(mode="full")
    assert outcomes(ledger) == (1, 0, 0, 0, 1, 0)
    assert changed_tables(before, shell.home) == {"sweeps"}


def test_an_older_update_time_is_ignored(shells: Shells, tmp_path: Path) -> None:
    shells(tmp_path, [milestone(1)]).sweep()
    ledger = shells(tmp_path, [milestone(1, last_updated_ts="2026-11-01T00:00:00Z")]).sweep(mode="full")
    assert outcomes(ledger) == (1, 0, 0, 1, 0, 0)
    assert rows_of(Home(tmp_path).warehouse_file, "SELECT last_updated_ts FROM milestones") == [(UPDATED,)]
    assert ledger.watermark == UPDATED


def test_the_zero_time_is_null_and_gives_no_watermark(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path, [milestone(1, last_updated_ts=ZERO_TIME)])
    ledger = shell.sweep()
    assert ledger.watermark is None
    assert shell.rows("SELECT last_updated_ts FROM milestones") == [(None,)]
    assert shell.rows("SELECT last_updated_ts FROM milestone_versions") == [(None,)]
    assert shell.sweep().mode == "full", "without a watermark there is nothing to go on from"
    shell.clock.forward(hours=1)
    shell.world.touch([milestone_id(1)])
    touched_at = updated_at(shell, 1)
    shell.sweep()
    assert shell.rows("SELECT last_updated_ts FROM milestones") == [(touched_at,)]


def test_the_newest_duplicate_in_a_sweep_wins(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path, [milestone(1), milestone(2)])
    shell.clock.forward(hours=1)
    shell.world.edit_title(milestone_id(1), "newer")
    landing = shell.land()
    # As if the scan had met it before it moved.
    old_page = Page(3, "/milestones?limit=500", None, None, shell.clock(), 1, page_body([milestone(1)]))
    landing.land(old_page)
    landing.save()
    shell.stage()
    ledger = shell.stages.load()
    assert outcomes(ledger) == (4, 2, 0, 0, 2, 0)
    assert shell.rows("SELECT title FROM milestones ORDER BY milestone_id") == [("newer",), ("Game 2",)]
    assert [row[0] for row in versions(shell, 1)] == [1]


def test_a_clock_set_back_keeps_versions_in_order(shell: Shell) -> None:
    shell.sweep()
    shell.world.edit_title(milestone_id(1), "new")
    shell.clock.forward(days=-30)
    shell.sweep(mode="full")
    old, new = versions(shell, 1)
    assert old[1] < old[2] == new[1]


@pytest.mark.parametrize("title", ["'; DROP TABLE milestones; --", 'a"b\\c', "\u0000\u001b[31m\u202e", "東京 🏀"])
def test_texts_with_sql_are_stored_as_they_are(shells: Shells, tmp_path: Path, title: str) -> None:
    rows = [milestone(1, title=title, details={title: {title: title}}, related_event_tickers=[title])]
    shell = shells(tmp_path, rows)
    assert shell.sweep().new == 1
    assert shell.rows("SELECT title FROM milestones") == [(title,)]
    assert shell.rows("SELECT value FROM milestone_details") == [(title,)]
    assert (title,) in shell.rows("SELECT event_ticker FROM milestone_events")


# Which sweep


def test_an_incremental_sweep_starts_before_the_watermark(shell: Shell) -> None:
    first = shell.sweep()
    landing = shell.land()
    assert first.watermark is not None
    assert landing.sweep.mode == "incremental"
    since = int((first.watermark - timedelta(seconds=OVERLAP_SECONDS)).timestamp())
    assert landing.sweep.filters == Filters(min_updated_ts=since)
    (page,) = landing.pages()
    assert page.path == f"/milestones?limit=500&min_updated_ts={since}"


@pytest.mark.parametrize("overlap", [0, 3600])
def test_the_overlap_is_a_setting(shell: Shell, overlap: int) -> None:
    first = shell.sweep()
    assert first.watermark is not None
    shell.stages = Stages(shell.home, now=shell.clock, overlap_seconds=overlap)
    assert shell.land().sweep.filters == Filters(min_updated_ts=int(first.watermark.timestamp()) - overlap)


def test_incremental_before_the_first_full_sweep_is_full(shell: Shell) -> None:
    assert shell.land(mode="incremental").sweep.mode == "full"


LIMITED: dict[str, tuple[dict[str, Any], list[int]]] = {
    "category": ({"category": "Politics"}, [2]),
    "type": ({"type": "political_race"}, [2, 4]),
    "since": ({"since": NOON + timedelta(days=7, minutes=3)}, [3, 4]),
    "until": ({"until": NOON + timedelta(days=7, minutes=3)}, [1, 2]),
    "since and until": (
        {"since": NOON + timedelta(days=7, minutes=2), "until": NOON + timedelta(days=7, minutes=4)},
        [2, 3],
    ),
    "event": ({"event": "KXSPREAD-3"}, [3]),
    "source id": ({"source_id": "s-4"}, [4]),
    "competition": ({"competition": "NFL"}, [1]),
    "both": ({"category": "Politics", "type": "political_race"}, [2]),
    "full has no say": ({"category": "Politics", "mode": "full"}, [2]),
}


@pytest.mark.parametrize(("request_", "numbers"), LIMITED.values(), ids=LIMITED)
def test_a_filtered_sweep_moves_no_watermark(
    shells: Shells, tmp_path: Path, request_: dict[str, Any], numbers: list[int]
) -> None:
    race = {"type": "political_race"}
    rows = [
        milestone(1, details={"league": "NFL"}),
        milestone(2, category="Politics", **race),
        milestone(3),
        milestone(4, source_id="s-4", **race),
    ]
    shell = shells(tmp_path, rows)
    ledger = shell.sweep(**request_)
    assert (ledger.mode, ledger.watermark, ledger.is_complete) == ("partial", None, True)
    assert loaded_milestones(shell.home).keys() == {milestone_id(number) for number in numbers}
    assert ledger.filters != "{}"
    assert shell.land().sweep.mode == "full", "a partial sweep is no ground to go on from"


def cut(shell: Shell, **request: Any) -> LedgerRow:
    """Sweep with one milestone a page."""
    with shell.client(page_limit=1) as api:
        shell.stages.land(api, SweepRequest(**request), NullProgress())
    shell.stage()
    return shell.stages.load()


def test_a_full_sweep_that_is_cut_loads_what_it_fetched(shell: Shell) -> None:
    ledger = cut(shell, max_pages=2)
    assert (ledger.mode, ledger.pages, ledger.new, ledger.is_complete) == ("partial", 2, 2, False)
    assert (ledger.watermark, ledger.vanished) == (None, 0)
    following = shell.sweep()
    assert (following.mode, following.new, following.unchanged, following.is_complete) == ("full", 1, 2, True)


def test_full_sweeps_that_are_cut_let_nothing_vanish(shell: Shell) -> None:
    shell.sweep()
    for _ in range(3):
        assert cut(shell, mode="full", max_pages=1).vanished == 0
    assert shell.value("SELECT count(*) FROM milestones WHERE vanished_at IS NOT NULL") == 0
    assert shell.sweep(mode="full").unchanged == 3


def test_an_incremental_sweep_that_is_cut_moves_no_watermark(shell: Shell) -> None:
    shell.sweep()
    shell.clock.forward(hours=1)
    for number in (1, 2, 3):
        shell.world.edit_title(milestone_id(number), "edited")
    assert cut(shell, max_pages=2).mode == "partial"
    assert shell.sweep().mode == "incremental"
    assert shell.value("SELECT count(*) FROM milestones WHERE title = 'edited'") == 3


def test_a_sweep_that_ends_before_the_last_page_allowed_is_complete(shell: Shell) -> None:
    full = cut(shell, max_pages=9)
    assert (full.mode, full.is_complete, full.watermark) == ("full", True, UPDATED)
    poll = shell.sweep(max_pages=1)
    assert (poll.mode, poll.is_complete) == ("incremental", True)


def test_a_sweep_by_id(shell: Shell) -> None:
    unknown = "ffffffff-0000-4000-8000-000000000000"
    ledger = shell.sweep(ids=(milestone_id(3), unknown, milestone_id(1)))
    assert (ledger.mode, ledger.watermark, ledger.pages, ledger.new, ledger.requests) == ("by_id", None, 2, 2, 3)
    assert loaded_milestones(shell.home).keys() == {milestone_id(1), milestone_id(3)}
    assert Landing.open(shell.home.raw, ledger.sweep_id).sweep.not_found == [unknown]
    assert shell.land().sweep.mode == "full"


def test_a_sweep_of_unknown_ids_is_refused(shell: Shell) -> None:
    with pytest.raises(SweepRefused) as caught:
        shell.land(ids=("nobody", "knows"))
    assert str(caught.value) == "the API has no milestone nobody, knows: check the ids"
    assert shell.rows("SELECT mode, status, pages, error FROM sweeps") == [("by_id", "failed", 0, str(caught.value))]


# The watermark


def test_the_watermark_never_lies_beyond_the_sweeps_start(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path, [milestone(1, last_updated_ts="2031-01-01T00:00:00Z")])
    ledger = shell.sweep()
    assert ledger.watermark == ledger.started_at
    assert shell.rows("SELECT last_updated_ts FROM milestones") == [(datetime(2031, 1, 1, tzinfo=UTC),)]


def test_the_watermark_never_goes_back(shells: Shells, tmp_path: Path) -> None:
    first = shells(tmp_path, [milestone(1)]).sweep()
    older = shells(tmp_path, [milestone(1, last_updated_ts="2020-01-01T00:00:00Z")]).sweep(mode="full")
    empty = shells(tmp_path, []).sweep(mode="full", allow_shrink=True)
    assert [first.watermark, older.watermark, empty.watermark] == [UPDATED] * 3


def test_a_change_during_a_sweep_is_in_the_next_one(shell: Shell) -> None:
    class Meddler(NullProgress):
        """Changes a milestone once the sweep has read its last page."""

        def page(self, sweep: Any, page: Page) -> None:
            if page.number == 2:
                shell.world.edit_title(milestone_id(1), "changed late")

    with shell.client() as api:
        shell.stages.land(api, SweepRequest(), Meddler())
    shell.stage()
    shell.stages.load()
    assert loaded_milestones(shell.home)[milestone_id(1)]["title"] == "Game 1"
    assert shell.sweep().changed == 1
    assert loaded_milestones(shell.home)[milestone_id(1)]["title"] == "changed late"


def test_an_empty_list_is_refused(shells: Shells, tmp_path: Path) -> None:
    shells(tmp_path, [milestone(1)]).sweep()
    before = contents(Home(tmp_path).warehouse_file)
    with pytest.raises(SweepRefused) as caught:
        shells(tmp_path, []).land(mode="full")
    assert str(caught.value).startswith(
        "the API listed 0 records, without 1 of the 1 expected milestones (at most 5% may be missing): "
    )
    assert str(caught.value).endswith("run milestones ingest --full --allow-shrink")
    assert changed_tables(before, Home(tmp_path)) == {"sweeps"}
    assert rows_of(Home(tmp_path).warehouse_file, "SELECT status, error FROM sweeps ORDER BY sweep_id") == [
        ("loaded", None),
        ("failed", str(caught.value)),
    ]


def test_an_accepted_empty_list_deletes_nothing(shells: Shells, tmp_path: Path) -> None:
    shells(tmp_path, [milestone(1)]).sweep()
    before = contents(Home(tmp_path).warehouse_file)
    ledger = shells(tmp_path, []).sweep(mode="full", allow_shrink=True)
    assert (outcomes(ledger), ledger.vanished) == ((0, 0, 0, 0, 0, 0), 0)
    assert changed_tables(before, Home(tmp_path)) == {"sweeps", "internal_absences"}


# Refusals

# A world takes any row that has an id and a start; the number says which rule the row breaks where.
BAD: dict[str, tuple[dict[str, Any], str | None, str]] = {
    "by decoding": ({"title": 7}, "title", "Expected `str | null`, got `int`"),
    "by a missing field": ({"last_updated_ts": ...}, "last_updated_ts", "missing required field"),
    "by a time": ({"end_date": "tomorrow"}, "end_date", "not an RFC 3339 time: 'tomorrow'"),
    "by a rule": ({"type": ""}, "type", "breaks a rule: type is not the empty string"),
}


@pytest.mark.parametrize(("fields", "field", "reason"), BAD.values(), ids=BAD)
def test_a_few_bad_records_are_quarantined_and_the_rest_loaded(
    shells: Shells, tmp_path: Path, fields: dict[str, Any], field: str | None, reason: str
) -> None:
    # Exactly one in a hundred: the most that is let through.
    shell = shells(tmp_path, [*(milestone(number) for number in range(1, 100)), milestone(100, **fields)])
    ledger = shell.sweep()
    assert outcomes(ledger) == (100, 99, 0, 0, 0, 1)
    assert milestone_id(100) not in loaded_milestones(shell.home)
    for table in (table.name for table in FLAT_TABLES):
        assert shell.value(f"SELECT count(*) FROM {table} WHERE milestone_id = '{milestone_id(100)}'") == 0, table
    (row,) = shell.rows("SELECT sweep_id, page, position, milestone_id, field, reason FROM quarantine")
    assert row[:5] == (ledger.sweep_id, 1, 99, milestone_id(100), field)
    assert reason in row[5]


def test_a_refused_record_keeps_the_old_version(shells: Shells, tmp_path: Path) -> None:
    rows = [milestone(number) for number in range(1, 101)]
    shells(tmp_path, rows).sweep()
    rows[0] = milestone(1, related_event_tickers=[""], last_updated_ts="2026-11-22T00:00:00Z")
    ledger = shells(tmp_path, rows).sweep(mode="full")
    assert outcomes(ledger) == (100, 0, 0, 99, 0, 1)
    assert rows_of(Home(tmp_path).warehouse_file, "SELECT count(*) FROM milestone_versions") == [(100,)]


def refused_rows(count: int) -> list[dict[str, Any]]:
    """So many good rows and two bad ones, one for decoding and one for a rule."""
    bad = [milestone(9_001, title=7), milestone(9_002, type="")]
    return [*(milestone(number) for number in range(1, count + 1)), *bad]


def test_the_records_of_a_sweep_raise_the_memory_limit_until_they_are_stored(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first sweep has no stored milestones to tell how much memory it takes to compare and load its records."""
    limits: dict[str, str] = {}

    def noting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def noted(connection: duckdb.DuckDBPyConnection, *arguments: Any, **options: Any) -> Any:
            limits[name] = connection.execute("SELECT current_setting('memory_limit')").fetchall()[0][0]
            return function(connection, *arguments, **options)

        return noted

    monkeypatch.setattr("pipelines.warehouse.connection.MILESTONES_OF_MEMORY", 1)
    monkeypatch.setattr(compare, "classify_records", noting("compared", compare.classify_records))
    monkeypatch.setattr(typed_tables, "refresh", noting("loaded", typed_tables.refresh))
    shell.sweep()
    compared, loaded = (float(limits[name].removesuffix(" MiB")) for name in ("compared", "loaded"))
    assert compared == 3 * MEMORY_BYTES / 1024**2
    assert loaded > compared


def test_a_sweep_with_too_many_refusals_is_not_loaded(shells: Shells, tmp_path: Path) -> None:
    first = shells(tmp_path, [milestone(1)])
    first.sweep()
    first.stages.publish()
    data = contents(first.home.warehouse_file)
    published = tree(first.home.published)
    # 2 of 199 are just above one in a hundred.
    shell = shells(tmp_path, refused_rows(197))
    landing = shell.land(mode="full")
    shell.stages.stage_records()
    _, summary = shell.stages.stage_tables()
    assert summary.refused_share == pytest.approx(2 / 199)
    assert summary.refused_share > MAX_REFUSED_SHARE
    assert summary.refusal == (
        "2 of 199 records were refused (1.0%, at most 1% may be): the API's answers have changed. Most often: "
        "1 for title (Expected `str | null`, got `int`); 1 for type (breaks a rule: type is not the empty string). "
        "List the records with milestones quarantine"
    )
    with pytest.raises(NothingToDo, match="no landed sweep to work on"):
        shell.stages.load()
    assert changed_tables(data, shell.home) == {"sweeps", "quarantine"}
    assert tree(shell.home.published) == published
    assert Landing.open(shell.home.raw, landing.sweep.sweep_id).sweep.state == "failed"
    (row,) = shell.rows(
        "SELECT sweep_id, status, is_complete, records, quarantined, new, watermark, error FROM sweeps "
        "WHERE status <> 'loaded'"
    )
    assert row == (landing.sweep.sweep_id, "failed", False, 199, 2, 0, None, summary.refusal)
    refused = shell.rows("SELECT milestone_id, field FROM quarantine ORDER BY 1")
    assert refused == [(milestone_id(9_001), "title"), (milestone_id(9_002), "type")]


def test_the_sweep_after_a_refused_one_starts_from_the_last_loaded_one(shells: Shells, tmp_path: Path) -> None:
    good = shells(tmp_path, [milestone(1)]).sweep()
    refused = shells(tmp_path, refused_rows(1))
    refused.land(mode="full")
    refused.stage()
    shell = shells(tmp_path, [milestone(1), milestone(2, last_updated_ts="2026-11-22T00:00:00Z")])
    ledger = shell.sweep()
    assert (ledger.mode, ledger.sweep_id[:6], ledger.new) == ("incremental", "000003", 1)
    assert good.watermark == UPDATED < (ledger.watermark or UPDATED)
    assert shell.rows("SELECT status FROM sweeps ORDER BY sweep_id") == [("loaded",), ("failed",), ("loaded",)]


def test_refusals_at_the_limit_are_accepted(shells: Shells, tmp_path: Path) -> None:
    assert outcomes(shells(tmp_path, refused_rows(198)).sweep()) == (200, 198, 0, 0, 0, 2)


def test_one_bad_record_stops_the_polling_only_until_a_full_sweep_could_bear_it(shells: Shells, tmp_path: Path) -> None:
    long_ago = {"last_updated_ts": "2026-10-01T00:00:00Z"}
    shell = shells(tmp_path, [milestone(1), *(milestone(number, **long_ago) for number in range(2, 400))])
    shell.sweep()
    shell.world.insert(milestone(400, title=7))
    with pytest.raises(NothingToDo):
        shell.sweep()
    assert shell.value("SELECT error FROM sweeps WHERE status = 'failed'").startswith("1 of 2 records were refused")
    shell.sweep(mode="full")
    shell.world.set_details(milestone_id(2), {"status": "live"})
    ledger = shell.sweep()
    assert (ledger.mode, ledger.changed, ledger.quarantined) == ("incremental", 1, 1)


# Sweeps that break off


def test_a_failed_fetch_is_only_in_the_ledger(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path, [milestone(1)])
    shell.sweep()
    before = contents(shell.home.warehouse_file)
    shells.serve(build_app(shell.world, faults=Faults(fail_after_pages=0, status=503)))
    with pytest.raises(ServerFault) as caught, shell.client(sleep=lambda _: None) as api:
        shell.stages.land(api, SweepRequest(), NullProgress())
    assert changed_tables(before, shell.home) == {"sweeps"}
    (row,) = shell.rows("SELECT status, pages, requests, retries, error FROM sweeps WHERE status = 'failed'")
    assert row == ("failed", 0, caught.value.attempts, caught.value.attempts - 1, str(caught.value))
    with pytest.raises(NothingToDo, match="no landed sweep to work on"):
        shell.stages.stage_records()


def test_an_interrupted_fetch_is_kept(shell: Shell) -> None:
    class Interrupts(NullProgress):
        def page(self, sweep: Any, page: Page) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), shell.client() as api:
        shell.stages.land(api, SweepRequest(), Interrupts())
    newest = Landing.newest(shell.home.raw)
    assert newest is not None
    assert (newest.sweep.state, len(list(newest.pages()))) == ("landing", 1)
    assert shell.rows("SELECT * FROM sweeps") == []
    assert shell.sweep().sweep_id == newest.sweep.sweep_id, "it is taken up again"


STAGES: dict[str, Callable[[Stages], object]] = {
    "records": lambda stages: stages.stage_records(),
    "tables": lambda stages: stages.stage_tables(),
    "load": lambda stages: stages.load(),
}


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_a_stage_without_a_landed_sweep_raises(tmp_path: Path, stage: Callable[[Stages], object]) -> None:
    with pytest.raises(NothingToDo, match=r"no landed sweep to work on: .* run milestones ingest"):
        stage(Stages(Home(tmp_path), now=Clock()))
    assert list(tmp_path.iterdir()) == []


def test_publishing_without_a_warehouse_raises(tmp_path: Path) -> None:
    with pytest.raises(NothingToDo, match=r"there is no warehouse at .* to publish"):
        Stages(Home(tmp_path), now=Clock()).publish()
    assert list(tmp_path.iterdir()) == []


# Doing it again


def test_loading_twice_changes_nothing(shell: Shell) -> None:
    shell.land()
    shell.stage()
    shell.stages.load()
    before = contents(shell.home.warehouse_file)
    shell.stages.load()
    assert contents(shell.home.warehouse_file) == before


@pytest.mark.parametrize("again", ["records", "tables", "load"])
def test_every_stage_can_be_repeated(shell: Shell, again: str) -> None:
    shell.sweep()
    shell.world.edit_title(milestone_id(1), "new")
    shell.clock.forward(hours=1)
    shell.land()
    for name, stage in STAGES.items():
        stage(shell.stages)
        if name == again:
            stage(shell.stages)
    once = contents(shell.home.warehouse_file, without=frozenset({"finished_at"}))
    assert shell.rows("SELECT count(*) FROM milestone_versions") == [(4,)]
    # All of it once more, from the landed pages on.
    for stage in STAGES.values():
        stage(shell.stages)
    assert contents(shell.home.warehouse_file, without=frozenset({"finished_at"})) == once


def test_a_sweep_that_failed_leaves_no_staging(shell: Shell) -> None:
    landing = shell.land()
    shell.stages.stage_records()
    staging = shell.home.staging(landing.sweep.sweep_id)
    (staging / "records-000001.parquet").write_bytes(b"damaged")
    with pytest.raises(Exception, match=r"records-000001\.parquet"):
        shell.stages.stage_tables()
    assert not staging.exists()
    assert shell.rows("SELECT status, records FROM sweeps") == [("failed", 3)]


def test_a_damaged_summary_is_none(shell: Shell) -> None:
    landing = shell.land()
    shell.stages.stage_records()
    (shell.home.staging(landing.sweep.sweep_id) / "staged_sweep.json").write_bytes(b'{"decoded": {')
    with pytest.raises(NothingToDo, match="materialize records first"):
        shell.stages.stage_tables()
    shell.stages.stage_records()
    shell.stages.stage_tables()
    assert shell.stages.load().new == 3


def test_a_failure_of_pruning_does_not_hide_an_earlier_failure(shell: Shell, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        shell.sweep(mode="full")
        shell.clock.forward(days=1)
    keeping_one = Stages(shell.home, now=shell.clock, retention=Retention(sweeps=1, sweep_age=timedelta(0)))
    # What pruning renames an old sweep to is taken.
    (oldest, *_) = sorted(shell.home.raw.iterdir())
    oldest.with_name(f"{oldest.name}{PRUNED_SUFFIX}").write_bytes(b"in the way")
    shell.home.warehouse_file.unlink()
    with pytest.raises(NothingToDo, match="there is no warehouse"):
        keeping_one.publish()
    assert "could not remove what the failed publish left behind" in caplog.text


def test_a_failure_that_cannot_be_recorded_is_still_raised(shell: Shell, caplog: pytest.LogCaptureFixture) -> None:
    shell.sweep()
    shell.world.edit_title(milestone_id(1), "another title")
    shell.clock.forward(hours=1)
    shell.land()
    shell.home.warehouse_file.write_bytes(b"no warehouse")
    with pytest.raises(WarehouseUnusable, match="milestones restore"):
        shell.stage()
    assert "could not note that sweep" in caplog.text


def test_a_publish_on_a_full_disk_keeps_the_old_state(shell: Shell) -> None:
    shell.sweep()
    shell.stages.publish()
    before = tree(shell.home.published)
    shell.world.edit_title(milestone_id(2), "Game 2, moved indoors")
    ledger = shell.sweep()
    with files_of_at_most(100_000), pytest.raises(OSError, match="File too large"):
        shell.stages.publish()
    assert tree(shell.home.published) == before
    assert not shell.home.staging(ledger.sweep_id).exists(), "the next sweep needs the room"
    shell.stages.publish()
    assert tree(shell.home.published) != before


def test_tables_of_restaged_records_are_not_loaded(shell: Shell) -> None:
    shell.land()
    shell.stage()
    shell.stages.stage_records()
    with pytest.raises(NothingToDo, match="no staged tables"):
        shell.stages.load()
    shell.stage()
    assert shell.stages.load().new == 3


def test_a_lost_staging_folder_is_restored_from_the_pages(shell: Shell) -> None:
    landing = shell.land()
    shell.stage()
    shutil.rmtree(shell.home.staging(landing.sweep.sweep_id))
    shell.stage()
    assert shell.stages.load().new == 3


def test_a_stage_run_too_early_keeps_the_landed_sweep(shell: Shell) -> None:
    shell.land()
    with pytest.raises(NothingToDo, match="materialize records first"):
        shell.stages.stage_tables()
    shell.stage()
    assert shell.stages.load().new == 3


def test_a_fault_after_the_load_does_not_unload_it(shell: Shell) -> None:
    ledger = shell.sweep()
    shutil.rmtree(shell.home.staging(ledger.sweep_id))
    with pytest.raises(NothingToDo):
        shell.stages.load()
    assert shell.rows("SELECT status, watermark FROM sweeps") == [("loaded", UPDATED)]


# Order


def sweep_of_pages(folder: Path, pages: list[list[dict[str, Any]]]) -> dict[str, str]:
    """What the warehouse holds after one sweep of these pages, whenever each was fetched."""
    clock = Clock()
    home = Home(folder)
    landing = Landing.begin(home.raw, mode="full", filters=Filters(), ids=[], now=NOON)
    for number, rows in enumerate(pages, start=1):
        landing.land(Page(number, "/milestones?limit=500", None, None, clock(), len(rows), page_body(rows)))
    landing.sweep.state = "landed"
    landing.save()
    stages = Stages(home, now=clock)
    stages.stage_records()
    stages.stage_tables()
    stages.load()
    return contents(home.warehouse_file, without=OUR_CLOCK | {"page", "position", "pages"})


TELLING_TIMES = [
    *(milestone(number) for number in range(1, 6)),
    milestone(1),
    milestone(2, title="newer", last_updated_ts="2026-11-21T00:00:00Z"),
    milestone(2, title="newest", last_updated_ts="2026-11-21T00:00:00.000001Z"),
    milestone(3, title="older", last_updated_ts="2025-11-21T00:00:00Z"),
    milestone(6, last_updated_ts=ZERO_TIME),
]
"""Of no two versions of one milestone are the times equal, none is zero beside another: the times settle everything."""

SAME_PAGES = [
    *TELLING_TIMES,
    milestone(3, title="the same time, one content"),
    milestone(3, title="the same time, another content"),
    milestone(4, title="never updated", last_updated_ts=ZERO_TIME),
    milestone(5, title="the same instant", last_updated_ts="2026-11-20T09:30:00.250+01:00"),
    milestone(6, last_updated_ts=ZERO_TIME, title="b"),
    milestone(6, last_updated_ts="2027-11-20T00:00:00Z", title="from the future"),
    milestone(6, title="fetched last"),
]


@settings(
    max_examples=6,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(order=st.permutations(range(len(TELLING_TIMES))), cuts=st.sets(st.integers(1, len(SAME_PAGES) - 1)))
def test_the_cutting_of_pages_changes_nothing_nor_does_the_order_where_times_tell(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], cuts: set[int]
) -> None:
    rows = [*(TELLING_TIMES[index] for index in order), *SAME_PAGES[len(TELLING_TIMES) :]]
    edges = [0, *sorted(cuts), len(rows)]
    pages = [rows[start:end] for start, end in itertools.pairwise(edges)]
    folder = tmp_path_factory.mktemp("order")
    assert sweep_of_pages(folder, pages) == in_one_page(tmp_path_factory)
    shutil.rmtree(folder)


_REFERENCE: dict[str, dict[str, str]] = {}


def in_one_page(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    if not _REFERENCE:
        _REFERENCE["one page"] = sweep_of_pages(tmp_path_factory.mktemp("one"), [SAME_PAGES])
    return _REFERENCE["one page"]


def test_records_without_an_order_of_times_are_ordered_by_fetch(tmp_path: Path) -> None:
    sweep_of_pages(tmp_path, [SAME_PAGES])
    titles = rows_of(Home(tmp_path).warehouse_file, "SELECT title FROM milestones ORDER BY milestone_id")
    assert [title for (title,) in titles] == [
        "Game 1",
        "newest",
        "the same time, another content",
        "never updated",
        "the same instant",
        "fetched last",
    ]


# Times from the future

AHEAD = "2030-01-01T00:00:00Z"
TRUE_TIME = "2026-11-21T00:00:00Z"


@pytest.mark.parametrize("request_", [{"mode": "full"}, {"ids": (milestone_id(1),)}], ids=["full", "by id"])
@pytest.mark.parametrize("later", [timedelta(minutes=5), timedelta(days=365 * 5)], ids=["before then", "after then"])
def test_a_later_fetch_replaces_a_time_from_the_future(
    request_: dict[str, Any], later: timedelta, shells: Shells, tmp_path: Path
) -> None:
    first = shells(tmp_path, [milestone(1, title="ahead", last_updated_ts=AHEAD)])
    ledger = first.sweep(mode="full")
    assert ledger.watermark == ledger.started_at
    assert first.rows("SELECT has_future_update FROM milestones") == [(True,)]
    second = shells(tmp_path, [milestone(1, title="mended", last_updated_ts=TRUE_TIME)])
    second.clock.time += later
    assert second.sweep(**request_).changed == 1
    columns = "title, last_updated_ts, has_future_update"
    assert second.rows(f"SELECT {columns} FROM milestones") == [("mended", datetime(2026, 11, 21, tzinfo=UTC), False)]


def test_an_unchanged_milestone_ignores_a_time_from_the_future(shells: Shells, tmp_path: Path) -> None:
    shells(tmp_path, [milestone(1)]).sweep(mode="full")
    ahead = shells(tmp_path, [milestone(1, last_updated_ts=AHEAD)])
    assert ahead.sweep(mode="full").unchanged == 1
    assert ahead.rows("SELECT last_updated_ts, has_future_update FROM milestones") == [(UPDATED, False)]


def test_a_time_from_the_future_gives_way_to_a_newer_true_one_and_rebuilding_keeps_it(
    shells: Shells, tmp_path: Path
) -> None:
    shells(tmp_path, [milestone(1, last_updated_ts=AHEAD), milestone(2, last_updated_ts=AHEAD)]).sweep(mode="full")
    touched = shells(tmp_path, [milestone(1, last_updated_ts="2031-01-01T00:00:00Z"), milestone(2, title="new")])
    touched.clock.forward(days=5 * 365)
    touched.sweep(mode="full")
    before = contents(touched.home.warehouse_file)
    times = touched.rows("SELECT year(last_updated_ts), has_future_update FROM milestones ORDER BY milestone_id")
    assert times == [(2031, False), (2026, False)]
    # Another that is not touched, and stays as it is.
    with_ahead = shells(tmp_path, [milestone(3, last_updated_ts="2040-01-01T00:00:00Z")])
    with_ahead.sweep(ids=(milestone_id(3),))
    before = contents(touched.home.warehouse_file)
    touched.stages.rebuild()
    assert contents(touched.home.warehouse_file, tables=["milestones"])["milestones"] == before["milestones"]
    assert touched.value("SELECT count(*) FROM milestones WHERE has_future_update") == 1


def test_the_world_accepts_records_of_the_api() -> None:
    """The bad rows above reach the stages: the sandbox serves them as they are."""
    assert as_bytes(refused_rows(0)) == as_bytes([milestone(9_001, title=7), milestone(9_002, type="")])
