"""A reader can only read: statements that reach beyond the published file fail and leave no file behind."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from pipelines.reading.connection import NothingPublished, advice_for, open_reader, query
from pipelines.reading.query_errors import QueryFailed
from pipelines.warehouse.database import open_warehouse
from tests.support import tree

pytestmark = pytest.mark.slow

CANARY = "canary-value"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file to read, next to files that must not be read, all in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.csv").write_text(f"{CANARY}\n1\n")
    (tmp_path / "secret.json").write_text(f'[{{"a": "{CANARY}"}}]')
    (tmp_path / "schema.sql").write_text("CREATE TABLE imported (a INTEGER)")
    (tmp_path / "load.sql").write_text("COPY imported FROM 'secret.csv'")
    with duckdb.connect(str(tmp_path / "other.duckdb")) as connection:
        connection.execute(f"CREATE TABLE t AS SELECT '{CANARY}' AS a")
        connection.execute("COPY t TO 'secret.parquet'")
    file = tmp_path / "read.duckdb"
    with open_warehouse(file):
        pass
    return file


FORBIDDEN = [
    # The file itself
    "INSERT INTO sweeps SELECT * FROM sweeps",
    "INSERT INTO schema_version VALUES (1, now(), 'x')",
    "UPDATE schema_version SET version = 1",
    "DELETE FROM schema_version",
    "TRUNCATE schema_version",
    "DROP TABLE sweeps",
    "ALTER TABLE sweeps ADD COLUMN x INTEGER",
    "CREATE TABLE t AS SELECT 1",
    "CREATE VIEW v AS SELECT 1",
    "CREATE OR REPLACE MACRO f(x) AS x",
    "CREATE INDEX i ON sweeps (sweep_id)",
    "COMMENT ON TABLE sweeps IS 'x'",
    "COPY sweeps FROM 'secret.csv'",
    # Write to other files
    "COPY sweeps TO 'stolen.csv'",
    "COPY (SELECT 1) TO '{folder}/stolen.parquet' (FORMAT parquet)",
    "EXPORT DATABASE 'stolen'",
    "SELECT 1; COPY (SELECT 1) TO 'stolen.csv'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO 'stolen.csv'",
    "PREPARE steal AS COPY (SELECT 1) TO 'stolen.csv'",
    "SELECT * FROM query('COPY (SELECT 1) TO ''stolen.csv''')",
    "ATTACH 'new.duckdb'",
    "PRAGMA profiling_output = '{folder}/stolen.json'",
    "PRAGMA enable_profiling = 'json'",
    "SET log_query_path = '{folder}/stolen.log'",
    "CALL enable_logging(storage = 'file', storage_path = '{folder}/log')",
    "CALL enable_logging(storage = 'file', storage_config = {{'path': '{folder}/log'}})",
    "CALL enable_profiling(save_location = '{folder}/stolen.json')",
    "CREATE PERSISTENT CANARY (TYPE http)",
    # Read other files
    "SELECT * FROM 'secret.csv'",
    "SELECT * FROM '{folder}/secret.parquet'",
    "SELECT * FROM read_csv('secret.csv')",
    "SELECT * FROM read_csv_auto('/etc/passwd')",
    "SELECT * FROM read_json('secret.json')",
    "SELECT * FROM read_parquet('secret.parquet')",
    "SELECT * FROM parquet_metadata('secret.parquet')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM sniff_csv('secret.csv')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM query_table('secret.csv')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM read_text(''/etc/passwd'')'))",
    "ATTACH 'other.duckdb' AS other (READ_ONLY)",
    "IMPORT DATABASE '.'",
    "SELECT getenv('HOME')",
    "FROM duckdb_secrets()",
    # Network and extensions
    "INSTALL httpfs",
    "FORCE INSTALL spatial FROM community",
    "LOAD httpfs",
    "LOAD '{folder}/evil.duckdb_extension'",
    "SELECT * FROM 'https://example.com/x.parquet'",
    "SELECT * FROM read_csv('s3://bucket/x.csv')",
    "ATTACH 'https://example.com/x.duckdb'",
    # Settings of the sandbox
    "SET enable_external_access = true",
    "RESET enable_external_access",
    "SET GLOBAL enable_external_access = true",
    "SET lock_configuration = false",
    "SET allowed_directories = ['/']",
    "SET temp_directory = '{folder}/spilt'",
    "SET python_enable_replacements = true",
    "SET memory_limit = '1PB'",
    "SET TimeZone = 'America/New_York'",
    "PRAGMA threads = 64",
    "DETACH milestones",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_a_forbidden_statement_fails(file: Path, statement: str) -> None:
    before = tree(file.parent)
    with open_reader(file) as connection, pytest.raises(duckdb.Error) as caught:
        connection.execute(statement.format(folder=file.parent)).fetchall()
    assert CANARY not in str(caught.value)
    assert tree(file.parent) == before


ALLOWED = [
    "ATTACH ':memory:' AS scratch",
    "CREATE TEMP TABLE t AS SELECT 1",
    "USE memory",
    "CHECKPOINT",
    "FORCE CHECKPOINT milestones",
    "VACUUM",
    "BEGIN",
    "SET VARIABLE x = 1",
    "SELECT write_log('x')",
]


@pytest.mark.parametrize("statement", ALLOWED)
def test_an_allowed_statement_leaves_no_file_behind(file: Path, statement: str) -> None:
    before = tree(file.parent)
    with open_reader(file) as connection:
        connection.execute(statement)
        with pytest.raises(duckdb.Error, match="disabled by configuration"):
            connection.execute("COPY (SELECT 1) TO 'stolen.csv'")
    assert tree(file.parent) == before


def test_a_large_query_does_not_spill_to_disk(file: Path) -> None:
    with open_reader(file) as connection:
        assert connection.execute("SELECT current_setting('temp_directory')").fetchall() == [("",)]


def test_python_variables_are_not_tables(file: Path) -> None:
    secret = pa.table({"a": [CANARY]})
    assert secret.num_rows
    with open_reader(file) as connection, pytest.raises(duckdb.CatalogException, match="secret"):
        connection.execute("SELECT * FROM secret")


def test_two_readers_in_one_process(file: Path) -> None:
    with open_reader(file) as first, open_reader(file) as second:
        for connection in (first, second):
            assert connection.execute("SELECT count(*) FROM sweeps").fetchall() == [(0,)]


def test_a_new_reader_sees_the_newest_file_while_an_old_one_is_open(tmp_path: Path) -> None:
    """DuckDB keeps one instance per path and process: a plain second connect would see the old file."""
    file = tmp_path / "published.duckdb"

    def publish(value: int) -> None:
        with duckdb.connect(str(tmp_path / "next")) as connection:
            connection.execute(f"CREATE TABLE t AS SELECT {value} AS a")
        (tmp_path / "next").replace(file)

    def read(connection: duckdb.DuckDBPyConnection) -> int:
        return int(connection.execute("SELECT a FROM t").fetchall()[0][0])

    publish(1)
    with duckdb.connect(str(file), read_only=True) as old, open_reader(file) as older_reader:
        publish(2)
        with duckdb.connect(str(file), read_only=True) as second, open_reader(file) as reader:
            assert (read(old), read(older_reader), read(second), read(reader)) == (1, 1, 1, 2)


# query()


def published(file: Path, title: str) -> None:
    """Publish a table with one title, as a publish does: a new file under the same name."""
    fresh = file.with_name("fresh.duckdb")
    with duckdb.connect(str(fresh)) as connection:
        connection.execute(
            "CREATE TABLE milestones AS SELECT $1 AS title, TIMESTAMPTZ '2026-11-23 12:00:00Z' AS start", [title]
        )
    fresh.replace(file)


def test_a_query_has_columns_rows_and_records(tmp_path: Path) -> None:
    published(tmp_path / "m.duckdb", "one")
    found = query(
        "select title, start, title from milestones where title = $title", {"title": "one"}, path=tmp_path / "m.duckdb"
    )
    noon = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
    assert (found.columns, found.rows) == (["title", "start", "title"], [("one", noon, "one")])
    assert found.records == [{"title": "one", "start": noon, "title_2": "one"}]


def test_each_query_reads_the_newest_publish_and_a_reader_keeps_its_own(tmp_path: Path) -> None:
    file = tmp_path / "m.duckdb"
    published(file, "one")
    with open_reader(str(file)) as connection:
        published(file, "two")
        assert query("select title from milestones", path=file).rows == [("two",)]
        assert connection.execute("select title from milestones").fetchall() == [("one",)]


def test_a_query_reads_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILESTONES_HOME", str(tmp_path))
    with pytest.raises(NothingPublished, match=r"nothing is published at .*\.duckdb: run milestones ingest first"):
        query("select 1")
    (tmp_path / "published").mkdir()
    published(tmp_path / "published" / "milestones.duckdb", "mine")
    assert query("select title from milestones").rows == [("mine",)]


@pytest.mark.parametrize("text", ["", "-- nothing", "select nothing from milestones", "copy milestones to 'x.csv'"])
def test_a_query_that_cannot_be_answered(tmp_path: Path, text: str) -> None:
    published(tmp_path / "m.duckdb", "one")
    with pytest.raises(QueryFailed):
        query(text, path=tmp_path / "m.duckdb")


def test_the_reading_api_loads_neither_arrow_nor_dagster() -> None:
    program = "import sys, pipelines.reading; print({'pyarrow', 'dagster', 'requests', 'msgspec'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


def test_query_returns_columns_rows_and_records(file: Path) -> None:
    result = query("SELECT $a AS a, 2 AS a", {"a": 1}, path=file)
    assert (result.columns, result.rows) == (["a", "a"], [(1, 2)])
    assert result.records == [{"a": 1, "a_2": 2}]


@pytest.mark.parametrize(
    ("text", "message"),
    [("FROM nowhere", "there is no table or view nowhere"), ("-- nothing", "there is no query in this text")],
    ids=["unknown table", "no statement"],
)
def test_query_explains_its_errors(file: Path, text: str, message: str) -> None:
    with pytest.raises(QueryFailed, match=message):
        query(text, path=file)


def test_query_without_a_published_file(tmp_path: Path) -> None:
    with pytest.raises(NothingPublished, match=r"nothing is published at .*none\.duckdb: run milestones ingest first"):
        query("SELECT 1", path=tmp_path / "none.duckdb")


def test_times_are_utc_in_every_zone_also_for_cursors(file: Path) -> None:
    program = f"""
from pipelines.reading.connection import open_reader
with open_reader({str(file)!r}) as connection:
    for one in (connection, connection.cursor()):
        print(one.execute("SELECT current_setting('TimeZone')").fetchall()[0][0])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"TZ": "Asia/Tokyo"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["UTC", "UTC"]


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        ('IO Error: Cannot open file "/data/published/milestones.duckdb": Permission denied', "make it readable"),
        ('IO Error: The file "/data/x" exists, but it is not a valid DuckDB database file!', "milestones ingest"),
    ],
    ids=["permissions", "damage"],
)
def test_the_advice_for_a_file_that_cannot_be_opened(fault: str, advice: str) -> None:
    """A sweep does not change who may read the file."""
    assert advice_for(fault).startswith(advice)
