"""Opening the warehouse: made whole or not at all, nobody else's file taken for it, nothing left beside it."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from pipelines.errors import WarehouseUnusable
from pipelines.warehouse.connection import MAX_THREADS, STORAGE_VERSION
from pipelines.warehouse.database import open_warehouse
from sandbox.generate import generate_bodies
from schemas.tables import PUBLISHED_TABLES, SCHEMA_VERSION
from tests.support import NOON, rows_of, tables_in

STORAGE_VERSION_NUMBER = 65
"""Of files that DuckDB 1.2.0 and later open: what stands behind the magic bytes of the main header."""


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


def test_what_was_committed_is_there_again(file: Path) -> None:
    with open_warehouse(file) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 42 AS answer")
    assert names(file.parent) == [file.name], "no write-ahead log is left"
    with open_warehouse(file) as connection:
        assert connection.execute("SELECT answer FROM mine").fetchall() == [(42,)]


def test_a_fault_inside_leaves_what_was_committed_and_no_log(file: Path) -> None:
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


def test_what_a_killed_creation_left_is_made_anew(file: Path) -> None:
    file.parent.mkdir()
    file.with_name(file.name + ".tmp").write_bytes(b"half a DuckDB file")
    with open_warehouse(file) as connection:
        assert connection.execute("SELECT count(*) FROM sweeps").fetchall() == [(0,)]
    assert names(file.parent) == [file.name]


@pytest.mark.parametrize("content", [b"", b"half a DuckDB file", bytes(20_000)], ids=["empty", "text", "zeros"])
def test_a_damaged_file_is_named_and_left_alone(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(WarehouseUnusable) as caught, open_warehouse(file):
        pytest.fail("it was opened")
    assert str(caught.value).startswith(f"cannot open {file}: ")
    assert "with milestones restore" in str(caught.value)
    assert file.read_bytes() == content
    assert "\n" not in str(caught.value)
    assert names(file.parent) == [file.name]


HOLDS_IT_OPEN = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_a_file_that_another_program_has_open_is_not_to_be_thrown_away(file: Path) -> None:
    with open_warehouse(file):
        pass
    command = [sys.executable, "-c", HOLDS_IT_OPEN, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(WarehouseUnusable) as caught, open_warehouse(file):
            pytest.fail("it was opened")
        holder.kill()
    assert str(caught.value).endswith("(end the program that has it open, then run again)")
    assert "move it away" not in str(caught.value)


@pytest.mark.parametrize("keep", [4096, 100_000], ids=["only the headers", "half of it"])
def test_a_warehouse_cut_short_is_named(file: Path, keep: int) -> None:
    with open_warehouse(file) as connection:
        connection.execute("CREATE TABLE mine AS SELECT range AS n, repeat('x', 100) || range AS t FROM range(20_000)")
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(WarehouseUnusable, match="cannot open"), open_warehouse(file):
        pytest.fail("it was opened")
    assert file.stat().st_size == keep


def make_foreign(file: Path, statement: str, storage_version: str = STORAGE_VERSION) -> bytes:
    file.parent.mkdir()
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{file}' AS foreign_file (STORAGE_VERSION '{storage_version}'); USE foreign_file")
        connection.execute(statement)
    return file.read_bytes()


def test_a_foreign_duckdb_file_is_left_alone(file: Path) -> None:
    before = make_foreign(file, "CREATE TABLE sweeps (mine INTEGER)")
    with pytest.raises(WarehouseUnusable) as caught, open_warehouse(file):
        pytest.fail("it was opened")
    assert str(caught.value) == f"{file} is not a milestones warehouse: give MILESTONES_HOME another folder"
    assert file.read_bytes() == before


def test_a_foreign_duckdb_file_of_a_newer_format_is_left_alone(file: Path) -> None:
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


def test_a_newer_warehouse_is_refused_and_not_touched(file: Path) -> None:
    with open_warehouse(file) as connection:
        connection.execute("INSERT INTO schema_version (version, applied_at) VALUES (?, now())", [SCHEMA_VERSION + 6])
    before = file.read_bytes()
    with pytest.raises(WarehouseUnusable) as caught, open_warehouse(file):
        pytest.fail("it was opened")
    assert f"{file} has schema {SCHEMA_VERSION + 6}, newer than the {SCHEMA_VERSION}" in str(caught.value)
    assert "upgrade" in str(caught.value)
    assert file.read_bytes() == before
    assert names(file.parent) == [file.name]


DEFINITIONS = (
    "SELECT table_name, comment, sql FROM duckdb_tables() ORDER BY 1",
    "SELECT table_name, column_name, comment, is_nullable, data_type FROM duckdb_columns() ORDER BY 1, 2",
    "SELECT table_name, constraint_text FROM duckdb_constraints() ORDER BY 1, 2",
    "SELECT * FROM schema_version ORDER BY ALL",
    "SELECT * FROM kept ORDER BY ALL",
)


def mostly_free(file: Path) -> tuple[int, list[list[tuple[object, ...]]]]:
    """A warehouse of which most is free: its size, and all that must stay."""
    with open_warehouse(file) as connection:
        connection.execute("CREATE TABLE gone AS SELECT uuid() AS id FROM range(200_000)")
        connection.execute("CREATE TABLE kept (id VARCHAR USING COMPRESSION uncompressed NOT NULL, number BIGINT)")
        connection.execute("INSERT INTO kept SELECT uuid(), range FROM range(1_000)")
        connection.execute("COMMENT ON COLUMN kept.number IS 'counts'")
    with open_warehouse(file) as connection:
        connection.execute("DROP TABLE gone")
        # What is free at the end of a file DuckDB gives back; so this is at the end, and its room in the middle.
        connection.execute("CREATE TABLE last AS FROM range(10_000)")
        definitions = [connection.execute(query).fetchall() for query in DEFINITIONS]
    return file.stat().st_size, definitions


@pytest.mark.slow
def test_what_is_mostly_free_is_written_anew(file: Path) -> None:
    size, definitions = mostly_free(file)
    with open_warehouse(file, max_free_bytes=0):
        pass
    assert file.stat().st_size < size / 2
    assert [rows_of(file, query) for query in DEFINITIONS] == definitions
    assert int.from_bytes(file.read_bytes()[12:20], "little") == STORAGE_VERSION_NUMBER
    assert names(file.parent) == [file.name]


def test_a_little_free_room_is_left_to_be_filled(file: Path) -> None:
    mostly_free(file)
    before = file.stat().st_ino
    with open_warehouse(file):
        pass
    assert file.stat().st_ino == before


@pytest.mark.slow
def test_what_cannot_be_written_anew_stays_as_it_is(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    size, definitions = mostly_free(file)
    in_the_way = file.with_name(file.name + ".tmp")
    in_the_way.mkdir()
    with caplog.at_level(logging.WARNING, logger="pipelines"), open_warehouse(file, max_free_bytes=0):
        pass
    assert "keeps its free room" in caplog.text
    in_the_way.rmdir()
    assert file.stat().st_size == size
    assert [rows_of(file, query) for query in DEFINITIONS] == definitions


@pytest.mark.slow
def test_what_a_killed_attempt_to_rewrite_left_is_made_anew(file: Path) -> None:
    size, definitions = mostly_free(file)
    for left in (".tmp", ".tmp.wal"):
        file.with_name(file.name + left).write_bytes(b"half of something")
    with open_warehouse(file, max_free_bytes=0):
        pass
    assert file.stat().st_size < size / 2
    assert [rows_of(file, query) for query in DEFINITIONS] == definitions
    assert names(file.parent) == [file.name]


def test_a_path_with_marks_of_sql_is_a_path(tmp_path: Path) -> None:
    file = tmp_path / 'it\'s; "here"' / "ware'house.duckdb"
    with open_warehouse(file) as connection:
        connection.execute("CREATE TABLE mine (n INTEGER)")
    assert "mine" in tables_in(file)


def test_times_are_read_in_utc_wherever_we_are(file: Path) -> None:
    with open_warehouse(file) as connection:
        assert connection.execute("SELECT CAST(TIMESTAMPTZ '2026-11-23 12:00:00+00' AS VARCHAR)").fetchall() == [
            ("2026-11-23 12:00:00+00",)
        ]


def test_duckdb_1_2_can_read_the_file(file: Path) -> None:
    with open_warehouse(file) as connection:
        ((tags,),) = connection.execute(
            "SELECT tags FROM duckdb_databases() WHERE database_name = 'milestones'"
        ).fetchall()
    assert STORAGE_VERSION == "v1.2.0"
    assert "v1.2.0" in tags["storage_version"]
    header = file.read_bytes()[:20]
    assert header[8:12] == b"DUCK"
    assert int.from_bytes(header[12:20], "little") == STORAGE_VERSION_NUMBER


def test_it_stays_readable_when_it_is_written_again(file: Path) -> None:
    for _ in range(2):
        with open_warehouse(file) as connection:
            connection.execute("CREATE OR REPLACE TABLE mine AS SELECT range FROM range(10_000)")
    assert int.from_bytes(file.read_bytes()[12:20], "little") == STORAGE_VERSION_NUMBER


@pytest.mark.slow
def test_texts_are_compressed_hard_and_ids_not_at_all(file: Path) -> None:
    bodies = [body.decode() for body in generate_bodies(5_000, 1, NOON)]
    with open_warehouse(file) as connection:
        connection.execute(
            "INSERT INTO milestone_versions (milestone_id, version, content_hash, valid_from, sweep_id, record) "
            "SELECT record ->> 'id', 1, '', TIMESTAMPTZ '2026-11-25', '000001', record "
            "FROM (SELECT unnest(?::VARCHAR[]) AS record)",
            [bodies],
        )
        connection.execute("CHECKPOINT")
        stored = connection.execute(
            "SELECT DISTINCT column_name, compression FROM pragma_storage_info('milestone_versions') "
            "WHERE segment_type = 'VARCHAR' AND column_name IN ('milestone_id', 'record') ORDER BY 1"
        ).fetchall()
    assert stored == [("milestone_id", "Uncompressed"), ("record", "ZSTD")]


def test_no_more_threads_write_than_memory_is_there_for(file: Path) -> None:
    with open_warehouse(file) as connection:
        ((threads,),) = connection.execute("SELECT current_setting('threads')").fetchall()
    assert threads <= MAX_THREADS


def test_damage_met_later_says_what_to_do(file: Path) -> None:
    with open_warehouse(file) as connection:
        connection.execute("CREATE TABLE mine AS SELECT uuid() AS id FROM range(200_000)")
    with file.open("r+b") as damaged:
        damaged.seek(file.stat().st_size // 2)
        damaged.write(bytes(100_000))
    with (
        pytest.raises(WarehouseUnusable, match=r"cannot read .*milestones restore"),
        open_warehouse(file) as connection,
    ):
        connection.execute("SELECT count(DISTINCT id) FROM mine").fetchall()
