"""Compaction: a warehouse with much free space is rewritten with the same contents, or kept as it is."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pipelines.errors import WarehouseUnusable
from pipelines.warehouse.compaction import discard, rewrite, sizes
from pipelines.warehouse.database import open_warehouse
from tests.support import rows_of

STORAGE_VERSION_NUMBER = 65
"""See `tests.warehouse.test_connection`."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "warehouse" / "warehouse.duckdb"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


DEFINITIONS = (
    "SELECT table_name, comment, sql FROM duckdb_tables() ORDER BY 1",
    "SELECT table_name, column_name, comment, is_nullable, data_type FROM duckdb_columns() ORDER BY 1, 2",
    "SELECT table_name, constraint_text FROM duckdb_constraints() ORDER BY 1, 2",
    "SELECT * FROM schema_version ORDER BY ALL",
    "SELECT * FROM kept ORDER BY ALL",
)


def free_most(file: Path) -> tuple[int, list[list[tuple[object, ...]]]]:
    """Make a warehouse of mostly free space: its size, and the definitions and rows that must stay."""
    with open_warehouse(file) as connection:
        connection.execute("CREATE TABLE gone AS SELECT uuid() AS id FROM range(200_000)")
        connection.execute("CREATE TABLE kept (id VARCHAR USING COMPRESSION uncompressed NOT NULL, number BIGINT)")
        connection.execute("INSERT INTO kept SELECT uuid(), range FROM range(1_000)")
        connection.execute("COMMENT ON COLUMN kept.number IS 'counts'")
    with open_warehouse(file) as connection:
        connection.execute("DROP TABLE gone")
        # DuckDB truncates free space at the end of a file: this table keeps it in the middle.
        connection.execute("CREATE TABLE last AS FROM range(10_000)")
        definitions = [connection.execute(query).fetchall() for query in DEFINITIONS]
    return file.stat().st_size, definitions


@pytest.mark.slow
def test_a_warehouse_with_much_free_space_is_rewritten(file: Path) -> None:
    size, definitions = free_most(file)
    with open_warehouse(file, max_free_bytes=0):
        pass
    assert file.stat().st_size < size / 2
    assert [rows_of(file, query) for query in DEFINITIONS] == definitions
    assert int.from_bytes(file.read_bytes()[12:20], "little") == STORAGE_VERSION_NUMBER
    assert names(file.parent) == [file.name]


def test_a_little_free_space_is_kept_for_reuse(file: Path) -> None:
    free_most(file)
    before = file.stat().st_ino
    with open_warehouse(file):
        pass
    assert file.stat().st_ino == before


def test_a_failed_compaction_changes_nothing(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    size, definitions = free_most(file)
    in_the_way = file.with_name(file.name + ".tmp")
    in_the_way.mkdir()
    with caplog.at_level(logging.WARNING, logger="pipelines"), open_warehouse(file, max_free_bytes=0):
        pass
    assert "keeps its free space: it could not be rewritten" in caplog.text
    in_the_way.rmdir()
    assert file.stat().st_size == size
    assert [rows_of(file, query) for query in DEFINITIONS] == definitions


@pytest.mark.slow
def test_the_leftovers_of_a_killed_compaction_are_replaced(file: Path) -> None:
    size, definitions = free_most(file)
    for suffix in (".tmp", ".tmp.wal"):
        file.with_name(file.name + suffix).write_bytes(b"half of something")
    with open_warehouse(file, max_free_bytes=0):
        pass
    assert file.stat().st_size < size / 2
    assert [rows_of(file, query) for query in DEFINITIONS] == definitions
    assert names(file.parent) == [file.name]


def test_sizes_counts_the_free_bytes_of_the_file(file: Path) -> None:
    size, _ = free_most(file)
    with open_warehouse(file) as connection:
        total, free = sizes(connection)
    assert size / 2 < free < total <= size


def test_rewriting_a_damaged_warehouse_raises_and_keeps_it(file: Path) -> None:
    with open_warehouse(file) as connection:
        connection.execute("CREATE TABLE mine AS SELECT uuid() AS id FROM range(200_000)")
    with file.open("r+b") as damaged:
        damaged.seek(file.stat().st_size // 2)
        damaged.write(bytes(100_000))
    before = file.read_bytes()
    with pytest.raises(WarehouseUnusable, match=r"cannot read .*milestones restore"):
        rewrite(file)
    assert file.read_bytes() == before


def test_discard_removes_a_temporary_file_and_its_log(tmp_path: Path) -> None:
    for name in ("a.tmp", "a.tmp.wal", "a"):
        (tmp_path / name).write_bytes(b"half of something")
    discard(tmp_path / "a.tmp")
    discard(tmp_path / "a.tmp")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
