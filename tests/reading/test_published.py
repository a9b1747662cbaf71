"""Queries on the published file, its quarantine, and the errors where it is missing or damaged."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from pipelines.errors import MilestonesError, WarehouseBusy
from pipelines.reading.connection import NothingPublished
from pipelines.reading.published import (
    open_published,
    pages_of_last_full_sweep,
    query_home,
    refused_records,
    row_counts,
)
from pipelines.reading.query_errors import QueryFailed
from pipelines.reading.status import status
from pipelines.storage.home import Home
from pipelines.storage.lock import writer_lock
from pipelines.warehouse.database import open_warehouse
from schemas.endpoints import PUBLISHED_TABLES
from tests.support import Shell, milestone, serving_shells


@pytest.mark.slow
def test_a_query_returns_columns_and_rows(published: Shell) -> None:
    result = query_home(published.home, "SELECT 1 AS one, 'two' AS two UNION ALL SELECT 3, NULL ORDER BY 1")
    assert result.columns == ["one", "two"]
    assert result.rows == [(1, "two"), (3, None)]
    assert result.records == [{"one": 1, "two": "two"}, {"one": 3, "two": None}]


def test_times_are_in_utc(published: Shell) -> None:
    ((time,),) = query_home(published.home, "SELECT max(last_updated_ts) FROM milestones").rows
    assert time.utcoffset().total_seconds() == 0


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM nowhere", "nowhere"),
        ("SELECT 'open", "unterminated"),
        ("SELECT CAST('x' AS INTEGER)", "Could not convert"),
        ("DELETE FROM milestones", "read-only"),
        ("COPY milestones TO 'here.csv'", "disabled by configuration"),
        ("SET enable_external_access = true", "locked"),
        ("SELECT INTERVAL '1000000000 months'", "too large for Python"),
    ],
    ids=["syntax", "table", "quote", "value", "delete", "copy", "setting", "interval"],
)
def test_a_failed_query_raises_duckdbs_message(published: Shell, query: str, message: str) -> None:
    with pytest.raises(QueryFailed) as caught:
        query_home(published.home, query)
    assert message in str(caught.value)
    assert caught.value.exit_status == 1


@pytest.mark.parametrize("query", ["", "  ", ";", "-- nothing"], ids=repr)
def test_a_query_without_a_statement(published: Shell, query: str) -> None:
    with pytest.raises(MilestonesError):
        query_home(published.home, query)


def test_nothing_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where the demo was run, the line would also name its home.
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NothingPublished) as caught:
        query_home(Home(tmp_path), "SELECT 1")
    assert str(caught.value) == (
        f"nothing is published at {tmp_path / 'published' / 'milestones.duckdb'}: run milestones ingest first"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no DuckDB file", bytes(20_000)], ids=["empty", "text", "zeros"])
def test_a_damaged_file_raises(home: Home, content: bytes) -> None:
    home.published_duckdb.write_bytes(content)
    with pytest.raises(MilestonesError, match=r"milestones (verify|ingest)"):
        query_home(home, "SELECT 1")


def test_a_query_reads_the_newest_publish(home: Home) -> None:
    with open_published(home) as connection:
        assert connection.execute("SELECT count(*) FROM milestones").fetchall() == [(99,)]
    with open_warehouse(home.published_duckdb) as connection:
        connection.execute("DELETE FROM milestones")
    assert query_home(home, "SELECT count(*) FROM milestones").rows == [(0,)]


def test_row_counts_of_every_table(published: Shell) -> None:
    with open_published(published.home) as connection:
        rows = row_counts(connection)
    assert rows.keys() == {table.name for table in PUBLISHED_TABLES}
    assert (rows["milestones"], rows["milestone_versions"], rows["quarantine"], rows["sweeps"]) == (99, 100, 2, 2)


def test_pages_of_the_last_full_sweep(published: Shell, tmp_path: Path) -> None:
    assert pages_of_last_full_sweep(published.home) == 2
    assert pages_of_last_full_sweep(Home(tmp_path)) is None


def test_the_connection_is_closed_after_an_exception(published: Shell) -> None:
    with pytest.raises(ZeroDivisionError), open_published(published.home) as connection:
        raise ZeroDivisionError
    with pytest.raises(duckdb.Error):
        connection.execute("SELECT 1")


@pytest.fixture
def failed(tmp_path: Path) -> Home:
    """A home with one failed sweep, which refused too many records: nothing was published."""
    with serving_shells() as shells:
        shell = shells(tmp_path / "failed", [milestone(1), milestone(2, title=7)])
        shell.land(mode="full")
        shell.stage()
    return shell.home


@pytest.mark.slow
def test_refused_records_are_listed_although_nothing_was_published(failed: Home) -> None:
    (row,) = refused_records(failed, limit=20).records
    assert (row["reason"], row["field"]) == ("Expected `str | null`, got `int`", "title")
    with pytest.raises(NothingPublished):
        status(failed)


def test_refused_records_of_a_failed_sweep_are_listed_with_published_ones(published: Shell, home: Home) -> None:
    assert len(list(refused_records(home, limit=20).rows)) == 2
    with open_warehouse(home.warehouse_file) as connection:
        connection.execute(
            "INSERT INTO quarantine BY NAME SELECT * REPLACE ('000009' AS sweep_id) FROM quarantine LIMIT 1"
        )
    found = refused_records(home, limit=20).records
    assert [row["sweep_id"] for row in found][:1] == ["000009"]
    assert len(found) == 3
    assert len(list(refused_records(home, limit=1).rows)) == 1


@pytest.mark.slow
def test_published_records_are_listed_while_a_run_holds_the_warehouse(home: Home, failed: Home) -> None:
    with writer_lock(home, purpose="a test"):
        assert len(list(refused_records(home, limit=20).rows)) == 2
    with writer_lock(failed, purpose="a test"), pytest.raises(WarehouseBusy, match="wait until it ends") as caught:
        refused_records(failed, limit=20)
    assert caught.value.exit_status == 75


def test_published_records_are_listed_without_a_warehouse(home: Home) -> None:
    home.warehouse_file.unlink()
    assert len(list(refused_records(home, limit=20).rows)) == 2
