"""Opening the warehouse: created atomically, foreign files refused, no files left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from pipelines.errors import WarehouseUnusable
from pipelines.warehouse.connection import STORAGE_VERSION
from pipelines.warehouse.database import open_warehouse
from schemas.endpoints import PUBLISHED_TABLES
from schemas.tables import SCHEMA_VERSION
from tests.support import rows_of, tables_in


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "warehouse" / "warehouse.duckdb"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_warehouse_has_every_table_as_declared(file: Path) -> None:
    with open_warehouse(file) as connection:
        for table in PUBLISHED_TABLES:
            columns = connection.execute(
                "SELECT column_name, data_type, is_nullable, comment FROM duckdb_columns() "
                "WHERE table_name = ? ORDER BY column_index",
                [table.name],
            ).fetchall()
            types = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
            assert columns == [
                (c.name, types.get(c.sql_type, c.sql_type), c.nullable or bool(c.generated), c.description)
                for c in table.columns
            ]
            comment = connection.execute(
                "SELECT comment FROM duckdb_tables() WHERE table_name = ?", [table.name]
            ).fetchall()
            assert comment == [(table.description,)]
            assert connection.execute(f'SELECT count(*) FROM "{table.name}"').fetchall() == [(0,)]
        assert connection.execute("SELECT max(version) FROM schema_version").fetchall() == [(SCHEMA_VERSION,)]
    assert names(file.parent) == [file.name]


def test_committed_rows_are_read_after_reopening(file: Path) -> None:
    with open_warehouse(file) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 42 AS answer")
    assert names(file.parent) == [file.name], "no write-ahead log is left"
    with open_warehouse(file) as connection:
        assert connection.execute("SELECT answer FROM mine").fetchall() == [(42,)]


def test_an_exception_keeps_committed_rows_and_leaves_no_log(file: Path) -> None:
    def use() -> None:
        with open_warehouse(file) as connection:
            connection.execute("CREATE TABLE mine AS SELECT 42 AS answer")
            connection.execute("BEGIN")
            connection.execute("DROP TABLE mine")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert rows_of(file, "SELECT answer FROM mine") == [(42,)]
    with open_warehouse(file):
        pass
    assert names(file.parent) == [file.name]


def test_the_leftover_of_a_killed_creation_is_replaced(file: Path) -> None:
    file.parent.mkdir()
    file.with_name(file.name + ".tmp").write_bytes(b"half a DuckDB file")
    with open_warehouse(file) as connection:
        assert connection.execute("SELECT count(*) FROM sweeps").fetchall() == [(0,)]
    assert names(file.parent) == [file.name]


@pytest.mark.parametrize("content", [b"", b"half a DuckDB file", bytes(20_000)], ids=["empty", "text", "zeros"])
def test_a_damaged_file_is_named_and_not_changed(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(WarehouseUnusable) as caught, open_warehouse(file):
        pytest.fail("it was opened")
    assert str(caught.value).startswith(f"cannot open {file}: ")
    assert "with milestones restore" in str(caught.value)
    assert file.read_bytes() == content
    assert "\n" not in str(caught.value)
    assert names(file.parent) == [file.name]


@pytest.mark.parametrize("keep", [4096, 100_000], ids=["headers only", "half of the file"])
def test_a_truncated_warehouse_is_named(file: Path, keep: int) -> None:
    with open_warehouse(file) as connection:
        connection.execute("CREATE TABLE mine AS SELECT range AS n, repeat('x', 100) || range AS t FROM range(20_000)")
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(WarehouseUnusable, match="cannot open"), open_warehouse(file):
        pytest.fail("it was opened")
    assert file.stat().st_size == keep


KILLED = """
import os, signal, sys
from pathlib import Path
from pipelines.warehouse.database import open_warehouse
with open_warehouse(Path(sys.argv[1])) as connection:
    connection.execute("INSERT INTO mine SELECT * FROM range(5_000)")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_damaged_write_ahead_log_is_named_or_dropped_and_never_replayed_in_part(file: Path) -> None:
    """A killed load leaves its log, which the next one replays; DuckDB drops a log whose commit it cannot read."""
    with open_warehouse(file) as connection:
        connection.execute("CREATE TABLE mine (n BIGINT)")
    subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False)
    log = file.with_name(f"{file.name}.wal")
    before, whole = file.read_bytes(), log.read_bytes()
    named = 0
    for place in range(30, len(whole), len(whole) // 12):
        file.write_bytes(before)
        damaged = bytearray(whole)
        damaged[place] ^= 1
        log.write_bytes(damaged)
        try:
            with open_warehouse(file) as connection:
                assert connection.execute("SELECT count(*) FROM mine").fetchall() == [(0,)]
        except WarehouseUnusable as error:
            named += "milestones restore" in str(error)
    assert named > 10
    log.write_bytes(whole)
    with open_warehouse(file) as connection:
        assert connection.execute("SELECT count(*) FROM mine").fetchall() == [(5_000,)]


def make_foreign(file: Path, statement: str, storage_version: str = STORAGE_VERSION) -> bytes:
    file.parent.mkdir()
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{file}' AS foreign_file (STORAGE_VERSION '{storage_version}'); USE foreign_file")
        connection.execute(statement)
    return file.read_bytes()


def test_a_foreign_duckdb_file_is_not_changed(file: Path) -> None:
    before = make_foreign(file, "CREATE TABLE sweeps (mine INTEGER)")
    with pytest.raises(WarehouseUnusable) as caught, open_warehouse(file):
        pytest.fail("it was opened")
    assert str(caught.value) == f"{file} is not a milestones warehouse: set MILESTONES_HOME to another folder"
    assert file.read_bytes() == before


def test_a_foreign_duckdb_file_of_a_newer_format_is_not_changed(file: Path) -> None:
    before = make_foreign(file, "CREATE TABLE sweeps (mine INTEGER)", "v1.4.0")
    with pytest.raises(WarehouseUnusable, match=f"cannot open {file}: .*storage version"), open_warehouse(file):
        pytest.fail("it was opened")
    assert file.read_bytes() == before


FOREIGN_VERSIONS = {
    "another column": "CREATE TABLE schema_version (number INTEGER)",
    "no row": "CREATE TABLE schema_version (version INTEGER)",
    "text": "CREATE TABLE schema_version AS SELECT 'one' AS version",
}


@pytest.mark.parametrize("statement", FOREIGN_VERSIONS.values(), ids=FOREIGN_VERSIONS)
def test_a_foreign_schema_version_is_recognised(file: Path, statement: str) -> None:
    make_foreign(file, statement)
    with pytest.raises(WarehouseUnusable, match="is not a milestones warehouse"), open_warehouse(file):
        pytest.fail("it was opened")


def test_a_newer_warehouse_is_refused_and_not_changed(file: Path) -> None:
    with open_warehouse(file) as connection:
        connection.execute("INSERT INTO schema_version (version, applied_at) VALUES (?, now())", [SCHEMA_VERSION + 6])
    before = file.read_bytes()
    with pytest.raises(WarehouseUnusable) as caught, open_warehouse(file):
        pytest.fail("it was opened")
    assert str(caught.value) == (
        f"{file} has schema version {SCHEMA_VERSION + 6}, and this program supports up to {SCHEMA_VERSION}: "
        "upgrade the program"
    )
    assert file.read_bytes() == before
    assert names(file.parent) == [file.name]


def test_a_path_with_marks_of_sql_is_a_path(tmp_path: Path) -> None:
    file = tmp_path / 'it\'s; "here"' / "ware'house.duckdb"
    with open_warehouse(file) as connection:
        connection.execute("CREATE TABLE mine (n INTEGER)")
    assert "mine" in tables_in(file)
