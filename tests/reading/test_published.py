"""Questions to the published file, and what is said where there is none or it is damaged."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines.errors import MilestonesError, WarehouseBusy
from pipelines.reading.connection import NothingPublished
from pipelines.reading.published import ask_home, pages_of_last_full_sweep, reading, refused, table_rows
from pipelines.reading.query_errors import QueryFailed
from pipelines.reading.status import status
from pipelines.storage.home import Home
from pipelines.storage.landing import Landing
from pipelines.storage.lock import writer_lock
from pipelines.warehouse.database import open_warehouse
from schemas.tables import PUBLISHED_TABLES
from tests.support import NOON, Shell, as_bytes, milestone, serving_shells


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Two sweeps, a record that both refused, published."""
    with serving_shells() as shells:
        rows = [*(milestone(number) for number in range(1, 100)), milestone(100, title=7)]
        shell = shells(tmp_path_factory.mktemp("published"), rows)
        shell.sweep()
        shell.clock.forward(hours=1)
        shell.world.edit_title(rows[0]["id"], "changed")
        shell.sweep()
        shell.stages.publish()
    return shell


@pytest.fixture
def home(published: Shell, tmp_path: Path) -> Home:
    shutil.copytree(published.home.root, tmp_path / "home", symlinks=True)
    return Home(tmp_path / "home")


@pytest.mark.slow
def test_a_query(published: Shell) -> None:
    answer = ask_home(published.home, "SELECT 1 AS one, 'two' AS two UNION ALL SELECT 3, NULL ORDER BY 1")
    assert answer.columns == ["one", "two"]
    assert answer.rows == [(1, "two"), (3, None)]
    assert answer.records == [{"one": 1, "two": "two"}, {"one": 3, "two": None}]


def test_times_are_in_utc(published: Shell) -> None:
    ((time,),) = ask_home(published.home, "SELECT max(last_updated_ts) FROM milestones").rows
    assert time.utcoffset().total_seconds() == 0


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM nowhere", "nowhere"),
        ("SELECT 'open", "unterminated"),
        ("SELECT CAST('x' AS INTEGER)", "Could not convert"),
        ("DELETE FROM milestones", "read-only"),
        ("COPY milestones TO 'here.csv'", "disabled by configuration"),
        ("SET enable_external_access = true", "locked"),
        ("SELECT INTERVAL '1000000000 months'", "too large to be shown"),
    ],
    ids=["syntax", "table", "quote", "value", "delete", "copy", "setting", "interval"],
)
def test_a_query_that_fails_says_duckdbs_words(published: Shell, query: str, says: str) -> None:
    with pytest.raises(QueryFailed) as caught:
        ask_home(published.home, query)
    assert says in str(caught.value)
    assert caught.value.exit_status == 1


@pytest.mark.parametrize("query", ["", "  ", ";", "-- nothing"], ids=repr)
def test_a_query_without_a_statement(published: Shell, query: str) -> None:
    with pytest.raises(MilestonesError):
        ask_home(published.home, query)


def test_nothing_published(tmp_path: Path) -> None:
    with pytest.raises(NothingPublished) as caught:
        ask_home(Home(tmp_path), "SELECT 1")
    assert str(caught.value) == (
        f"nothing is published at {tmp_path / 'published' / 'milestones.duckdb'}: run milestones ingest first"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no DuckDB file", bytes(20_000)], ids=["empty", "text", "zeros"])
def test_a_damaged_published_file(home: Home, content: bytes) -> None:
    home.published_duckdb.write_bytes(content)
    with pytest.raises(MilestonesError, match=r"milestones (verify|ingest)"):
        ask_home(home, "SELECT 1")


def test_an_answer_is_as_fresh_as_what_is_published(home: Home) -> None:
    with reading(home) as connection:
        assert connection.execute("SELECT count(*) FROM milestones").fetchall() == [(99,)]
    with open_warehouse(home.published_duckdb) as connection:
        connection.execute("DELETE FROM milestones")
    assert ask_home(home, "SELECT count(*) FROM milestones").rows == [(0,)]


def test_rows_of_every_table(published: Shell) -> None:
    rows = table_rows(published.home)
    assert rows.keys() == {table.name for table in PUBLISHED_TABLES}
    assert (rows["milestones"], rows["milestone_versions"], rows["quarantine"], rows["sweeps"]) == (99, 100, 2, 2)


def test_pages_of_the_last_full_sweep(published: Shell, tmp_path: Path) -> None:
    assert pages_of_last_full_sweep(published.home) == 2
    assert pages_of_last_full_sweep(Home(tmp_path)) is None


def test_the_status(published: Shell) -> None:
    found = status(published.home)
    assert found.published_file == str(published.home.published_duckdb)
    assert found.bytes == published.home.published_duckdb.stat().st_size
    assert found.rows == table_rows(published.home)
    assert [(sweep["mode"], sweep["status"]) for sweep in found.sweeps] == [
        ("incremental", "loaded"),
        ("full", "loaded"),
    ]
    assert found.watermark == published.value("SELECT max(watermark) FROM sweeps")
    assert found.last_full_at == published.value("SELECT finished_at FROM sweeps WHERE mode = 'full'")
    assert found.newest_update == published.value("SELECT max(last_updated_ts) FROM milestones")
    assert found.quarantined_by_reason == [
        {"reason": "Expected `str | null`, got `int`", "field": "title", "records": 2}
    ]
    assert found.drift == []
    assert found.missing == {}
    assert found.unpublished is None
    assert len(status(published.home, sweeps=1).sweeps) == 1


@pytest.mark.slow
def test_the_status_names_new_fields_of_known_types(tmp_path: Path) -> None:
    grown = [milestone(2, details={"x": 2, "y": "s"}), milestone(3, type="game", details={"z": 1})]
    with serving_shells() as shells:
        shell = shells(tmp_path / "home", [milestone(1, details={"x": 1})])
        shell.sweep(mode="full")
        shell.world.load(as_bytes(grown))
        shell.sweep(mode="full")
    shell.stages.publish()
    found = status(shell.home).drift
    assert [(field["type"], field["path"], field["kinds"]) for field in found] == [("football_game", "y", "string")]


def test_the_status_names_what_came_after_the_publishing(home: Home) -> None:
    newest = Landing.newest(home.raw)
    assert newest is not None
    later = Landing.begin(home.raw, mode="full", filters=newest.sweep.filters, ids=[], now=newest.sweep.started_at)
    later.sweep.state, later.sweep.error = "failed", "the API is failing"
    later.save()
    assert status(home).unpublished == {
        "sweep_id": later.sweep.sweep_id,
        "mode": "full",
        "state": "failed",
        "error": "the API is failing",
    }


def updated(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


@pytest.mark.slow
def test_the_status_says_how_late_rows_arrive(tmp_path: Path) -> None:
    """One poll each: in time, late, from the future, of the zero time, after a pause; full sweeps do not count."""
    with serving_shells() as shells:
        shell = shells(tmp_path / "home", [milestone(0, last_updated_ts=updated(NOON - timedelta(seconds=5000)))])
        shell.sweep(mode="full")
        shell.stages.publish()
        nothing = {"rows": 0, "seconds_p99": None, "seconds_max": None, "overlap_used_seconds": None}
        assert status(shell.home).lateness == nothing
        shell.world.load(as_bytes([milestone(1, last_updated_ts=updated(NOON - timedelta(seconds=10)))]))
        shell.sweep()
        for number, seconds in ((2, 200.0), (3, -3600.0)):
            shell.world.load(as_bytes([milestone(number, last_updated_ts=updated(NOON - timedelta(seconds=seconds)))]))
        shell.sweep()
        # As a poll would bring them after days without one; the world itself never lists the zero time to a poll.
        for number, text in ((4, updated(NOON - timedelta(days=2))), (5, "0001-01-01T00:00:00Z")):
            shell.world.load(as_bytes([milestone(number, last_updated_ts=text)]))
        shell.sweep(mode="full")
    with open_warehouse(shell.home.warehouse_file) as connection:
        connection.execute(
            "UPDATE milestone_versions SET sweep_id = (SELECT max(sweep_id) FROM sweeps WHERE mode = 'incremental') "
            "WHERE milestone_id IN (?, ?)",
            [milestone(4)["id"], milestone(5)["id"]],
        )
    shell.stages.rebuild()
    shell.stages.publish()
    found = status(shell.home).lateness
    assert found["rows"] == 2
    assert found["seconds_p99"] == found["seconds_max"] == pytest.approx(200, abs=1)
    assert found["overlap_used_seconds"] == pytest.approx(190, abs=1)


def test_lateness_is_that_of_recent_polls(home: Home) -> None:
    before = status(home).lateness["rows"]
    assert before == 1
    with open_warehouse(home.published_duckdb) as connection:
        connection.execute("UPDATE sweeps SET started_at = started_at - INTERVAL 8 DAY")
        connection.execute(
            "INSERT INTO sweeps BY NAME SELECT * REPLACE ('000009-20261124T120000Z' AS sweep_id, "
            "started_at + INTERVAL 8 DAY AS started_at) FROM sweeps WHERE mode = 'incremental'"
        )
    assert status(home).lateness["rows"] == 0


def test_a_reader_is_closed_whatever_happens(published: Shell) -> None:
    with pytest.raises(ZeroDivisionError), reading(published.home) as connection:
        raise ZeroDivisionError
    with pytest.raises(duckdb.Error):
        connection.execute("SELECT 1")


@pytest.fixture
def failed(tmp_path: Path) -> Home:
    """One sweep, which refused too much: nothing was ever published."""
    with serving_shells() as shells:
        shell = shells(tmp_path / "failed", [milestone(1), milestone(2, title=7)])
        shell.land(mode="full")
        shell.stage()
    return shell.home


@pytest.mark.slow
def test_what_a_failed_sweep_refused_is_listed_though_nothing_was_ever_published(failed: Home) -> None:
    (row,) = refused(failed, limit=20).records
    assert (row["reason"], row["field"]) == ("Expected `str | null`, got `int`", "title")
    with pytest.raises(NothingPublished):
        status(failed)


def test_what_a_failed_sweep_refused_is_listed_beside_what_was_published(published: Shell, home: Home) -> None:
    assert len(list(refused(home, limit=20).rows)) == 2
    with open_warehouse(home.warehouse_file) as connection:
        connection.execute(
            "INSERT INTO quarantine BY NAME SELECT * REPLACE ('000009' AS sweep_id) FROM quarantine LIMIT 1"
        )
    found = refused(home, limit=20).records
    assert [row["sweep_id"] for row in found][:1] == ["000009"]
    assert len(found) == 3
    assert len(list(refused(home, limit=1).rows)) == 1


@pytest.mark.slow
def test_while_a_run_holds_the_warehouse_the_published_records_are_listed(home: Home, failed: Home) -> None:
    with writer_lock(home, purpose="a test"):
        assert len(list(refused(home, limit=20).rows)) == 2
    with writer_lock(failed, purpose="a test"), pytest.raises(WarehouseBusy, match="wait for it") as caught:
        refused(failed, limit=20)
    assert caught.value.exit_status == 75


def test_a_home_without_its_warehouse_lists_what_was_published(home: Home) -> None:
    home.warehouse_file.unlink()
    assert len(list(refused(home, limit=20).rows)) == 2
