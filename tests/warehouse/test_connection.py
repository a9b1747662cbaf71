"""DuckDB connections of the writer: their settings, the storage version of files, and errors that say what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from pipelines.errors import WarehouseUnusable
from pipelines.warehouse.connection import (
    BYTES_OF_DELETES,
    MAX_THREADS,
    MEMORY_BYTES,
    MILESTONES_OF_MEMORY,
    ROWS_PER_GROUP,
    SKIP_ROW_GROUP_MERGE,
    STORAGE_VERSION,
    attach,
    explain_damage,
    instance,
    memory_bytes,
    open_reading,
    second_connection,
)
from pipelines.warehouse.database import open_warehouse
from pipelines.warehouse.statements import transaction
from sandbox.generate import generate_bodies
from tests.support import NOON

STORAGE_VERSION_NUMBER = 65
"""The storage version of files that DuckDB 1.2.0 and later open; it follows the magic bytes of the main header."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "warehouse" / "warehouse.duckdb"


HOLDS_IT_OPEN = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_file_open_in_another_program_is_not_called_damaged(file: Path) -> None:
    with open_warehouse(file):
        pass
    command = [sys.executable, "-c", HOLDS_IT_OPEN, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(WarehouseUnusable) as caught, open_warehouse(file):
            pytest.fail("it was opened")
        holder.kill()
    assert str(caught.value).endswith("(stop the program that has it open, then run again)")
    assert "milestones restore" not in str(caught.value)


def test_times_are_returned_in_utc(file: Path) -> None:
    with open_warehouse(file) as connection:
        assert connection.execute("SELECT CAST(TIMESTAMPTZ '2026-11-23 12:00:00+00' AS VARCHAR)").fetchall() == [
            ("2026-11-23 12:00:00+00",)
        ]


def test_no_extension_is_installed_or_loaded_by_itself(file: Path) -> None:
    """DuckDB does so by default, from its own server."""
    with open_warehouse(file) as connection, second_connection(connection) as second:
        for one in (connection, second):
            settings = "SELECT name, value FROM duckdb_settings() WHERE name LIKE 'auto%_known_extensions' ORDER BY 1"
            assert one.execute(settings).fetchall() == [
                ("autoinstall_known_extensions", "false"),
                ("autoload_known_extensions", "false"),
            ]


def test_files_have_the_storage_version_of_duckdb_1_2(file: Path) -> None:
    with open_warehouse(file) as connection:
        ((tags,),) = connection.execute(
            "SELECT tags FROM duckdb_databases() WHERE database_name = 'milestones'"
        ).fetchall()
    assert STORAGE_VERSION == "v1.2.0"
    assert "v1.2.0" in tags["storage_version"]
    header = file.read_bytes()[:20]
    assert header[8:12] == b"DUCK"
    assert int.from_bytes(header[12:20], "little") == STORAGE_VERSION_NUMBER


def test_rewriting_rows_keeps_the_storage_version(file: Path) -> None:
    for _ in range(2):
        with open_warehouse(file) as connection:
            connection.execute("CREATE OR REPLACE TABLE mine AS SELECT range FROM range(10_000)")
    assert int.from_bytes(file.read_bytes()[12:20], "little") == STORAGE_VERSION_NUMBER


@pytest.mark.slow
def test_long_texts_are_compressed_with_zstd_and_ids_are_not(file: Path) -> None:
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


def test_writing_threads_are_limited(file: Path) -> None:
    with open_warehouse(file) as connection:
        ((threads,),) = connection.execute("SELECT current_setting('threads')").fetchall()
    assert threads <= MAX_THREADS


def test_damage_found_while_reading_says_what_to_do(file: Path) -> None:
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


def test_a_second_connection_has_the_settings_and_its_own_temporary_tables(file: Path) -> None:
    with open_warehouse(file) as connection:
        connection.execute("CREATE TEMP TABLE mine AS SELECT 1 AS n")
        with second_connection(connection) as second:
            assert second.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
            assert second.execute("SELECT count(*) FROM sweeps").fetchall() == [(0,)]
            with pytest.raises(duckdb.CatalogException, match="mine"):
                second.execute("SELECT * FROM mine")


def test_a_warehouse_opened_to_read_is_not_written(file: Path) -> None:
    with open_warehouse(file):
        pass
    with open_reading(file, "other") as connection:
        assert connection.execute("SELECT current_database()").fetchall() == [("other",)]
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            connection.execute("DELETE FROM sweeps")


def test_an_instance_limits_memory_and_spills_to_its_folder(tmp_path: Path) -> None:
    with instance(tmp_path / "spill") as connection:
        query = "SELECT current_setting('memory_limit'), current_setting('temp_directory')"
        ((memory, folder),) = connection.execute(query).fetchall()
    assert (memory, folder) == (f"{MEMORY_BYTES // 1024**2}.0 MiB", str(tmp_path / "spill"))


def test_rows_can_be_deleted_in_every_row_group_of_a_large_file(file: Path) -> None:
    groups = MEMORY_BYTES // BYTES_OF_DELETES + 20
    one_of_each = f"DELETE FROM numbers WHERE n % {ROWS_PER_GROUP} = 0"
    with open_warehouse(file) as connection:
        connection.execute(f"CREATE TABLE numbers AS SELECT range AS n FROM range({groups * ROWS_PER_GROUP})")
    with pytest.raises(duckdb.OutOfMemoryException), open_warehouse(file) as connection:
        connection.execute(one_of_each)
    with open_warehouse(file) as connection:
        with transaction(connection, deletes=True):
            connection.execute(one_of_each)
        assert connection.execute("SELECT count(*) FROM numbers").fetchall() == [(groups * (ROWS_PER_GROUP - 1),)]


def test_memory_grows_with_stored_and_arriving_milestones_beyond_two_million(file: Path) -> None:
    with open_warehouse(file) as connection:
        assert memory_bytes(connection) == MEMORY_BYTES
        assert memory_bytes(connection, arriving=MILESTONES_OF_MEMORY) == MEMORY_BYTES
        assert memory_bytes(connection, arriving=2 * MILESTONES_OF_MEMORY) == 2 * MEMORY_BYTES
        connection.execute("DROP TABLE milestones")
        connection.execute(f"CREATE TABLE milestones AS SELECT range AS n FROM range({3 * MILESTONES_OF_MEMORY})")
    with open_reading(file, "other") as connection:
        assert memory_bytes(connection) == 3 * MEMORY_BYTES
        assert memory_bytes(connection, arriving=2 * MILESTONES_OF_MEMORY) == 3 * MEMORY_BYTES
        ((limit,),) = connection.execute("SELECT current_setting('memory_limit')").fetchall()
        assert limit == f"{3 * MEMORY_BYTES // 1024**2}.0 MiB"


def test_merging_row_groups_can_be_turned_off(file: Path) -> None:
    with open_warehouse(file) as connection:
        connection.execute(SKIP_ROW_GROUP_MERGE)
        ((tasks,),) = connection.execute("SELECT current_setting('max_vacuum_tasks')").fetchall()
    assert int(tasks) == 0


def test_errors_that_are_no_damage_are_raised_as_they_are(file: Path) -> None:
    with pytest.raises(duckdb.CatalogException), explain_damage(file), duckdb.connect() as connection:
        connection.execute("SELECT * FROM missing")


def test_a_missing_file_cannot_be_attached_to_read(file: Path) -> None:
    with (
        instance(file.parent) as connection,
        pytest.raises(WarehouseUnusable, match=rf"^cannot open {file}: .*does not exist"),
    ):
        attach(connection, file, "warehouse", read_only=True)
