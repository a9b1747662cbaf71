"""The next published DuckDB file: a copy of the warehouse without private tables, with the views."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.publish.duckdb_file import make_next
from pipelines.publish.previous_snapshot import WAREHOUSE
from pipelines.publish.views import view_texts
from pipelines.warehouse.connection import open_reading
from schemas.endpoints import PUBLISHED_TABLES
from schemas.tables import PRIVATE_TABLES
from tests.support import Shells, milestone, rows_of

pytestmark = pytest.mark.slow


def test_the_copy_has_the_published_tables_and_every_view(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path / "home", [milestone(1), milestone(2)])
    shell.sweep(mode="full")
    before = shell.home.warehouse_file.read_bytes()
    file = tmp_path / "next.duckdb"
    # What a killed publish left under the same name is replaced.
    file.write_bytes(b"half of a file")
    with open_reading(shell.home.warehouse_file, WAREHOUSE) as connection:
        make_next(connection, shell.home, file)
    tables = {name for (name,) in rows_of(file, "SELECT table_name FROM duckdb_tables()")}
    assert {table.name for table in PUBLISHED_TABLES} <= tables
    assert not tables & {table.name for table in PRIVATE_TABLES}
    macros = {name for (name,) in rows_of(file, "SELECT function_name FROM duckdb_functions() WHERE NOT internal")}
    assert set(view_texts()) <= macros
    assert rows_of(file, "SELECT count(*) FROM milestones") == [(2,)]
    assert shell.home.warehouse_file.read_bytes() == before
    assert not file.with_name("next.duckdb.wal").exists()
