"""SQL on the warehouse: files of statements, transactions, inserts."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

import duckdb
import pytest

from pipelines.warehouse.statements import insert_row, run_file, sql, transaction, unordered
from schemas.tables import ARCHIVED_MILESTONES
from tests.support import NOON


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        opened.execute("CREATE TABLE mine (n INTEGER)")
        ARCHIVED_MILESTONES.create(opened.execute)
        yield opened


def test_every_file_can_be_parsed() -> None:
    names = [file.name for file in resources.files("pipelines.warehouse").joinpath("sql").iterdir()]
    assert len(names) >= 10
    for name in names:
        assert duckdb.extract_statements(sql(name.removesuffix(".sql"))), name


def test_a_transaction_is_committed(connection: duckdb.DuckDBPyConnection) -> None:
    with transaction(connection):
        connection.execute("INSERT INTO mine VALUES (1)")
    connection.execute("BEGIN")
    connection.execute("ROLLBACK")
    assert connection.execute("SELECT * FROM mine").fetchall() == [(1,)]


@pytest.mark.parametrize("statement", ["SELECT error('x')", "INSERT INTO mine VALUES ('no number')"])
def test_a_failed_transaction_is_rolled_back(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    def use() -> None:
        with transaction(connection):
            connection.execute("INSERT INTO mine VALUES (1)")
            connection.execute(statement)

    with pytest.raises(duckdb.Error):
        use()
    assert connection.execute("SELECT count(*) FROM mine").fetchall() == [(0,)]


def test_the_order_of_rows_is_free_only_inside_unordered(connection: duckdb.DuckDBPyConnection) -> None:
    query = "SELECT current_setting('preserve_insertion_order')"
    with unordered(connection):
        assert connection.execute(query).fetchall() == [(False,)]
    assert connection.execute(query).fetchall() == [(True,)]


def test_each_statement_of_a_file_gets_only_its_own_parameters(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE milestone_versions (milestone_id VARCHAR, valid_from TIMESTAMPTZ, valid_to TIMESTAMPTZ)"
    )
    connection.execute(
        "CREATE TABLE milestones (milestone_id VARCHAR, last_changed_at TIMESTAMPTZ, vanished_at TIMESTAMPTZ)"
    )
    connection.execute("INSERT INTO milestone_versions VALUES ('a', $1, NULL), ('b', $1, NULL)", [NOON])
    connection.execute("INSERT INTO milestones VALUES ('a', $1, NULL), ('b', $1, NULL)", [NOON])
    connection.execute("CREATE TABLE milestone_changes (milestone_id VARCHAR, version INTEGER, position INTEGER)")
    connection.execute(
        "CREATE MACRO disappearances() AS TABLE "
        "SELECT milestone_id, 1 AS version, 0 AS position FROM milestone_versions"
    )
    run_file(connection, "vanish", vanished=["a"], vanished_at=NOON, unused=1)
    assert connection.execute("SELECT milestone_id FROM milestones WHERE vanished_at > ?", [NOON]).fetchall() == [
        ("a",)
    ]
    assert connection.execute("SELECT * FROM milestone_changes").fetchall() == [("a", 1, 0)]


def test_a_row_is_inserted_by_column_name(connection: duckdb.DuckDBPyConnection) -> None:
    row = {"answered_by_id": True, "sweep_id": "000001", "archived_at": NOON, "milestone_id": "a"}
    insert_row(connection, ARCHIVED_MILESTONES, row)
    query = "SELECT milestone_id, archived_at, sweep_id, answered_by_id FROM archived_milestones"
    assert connection.execute(query).fetchall() == [("a", NOON, "000001", True)]
