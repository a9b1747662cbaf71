"""The tool query: values, limits, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.errors import MilestonesError, WrongUse
from pipelines.mcp_server.limits import Limits
from pipelines.mcp_server.query import QueryAnswer, QueryArguments, query
from pipelines.mcp_server.values import ANSWER_CHARACTERS, VALUE_CHARACTERS
from pipelines.storage.home import Home
from tests.mcp_server.conftest import SHOWN
from tests.support import tree

LIMITS = Limits(rows=10, seconds=20)


def asked(connection: duckdb.DuckDBPyConnection, sql: str, limit: int = 5) -> QueryAnswer:
    return query(connection, QueryArguments(sql=sql, limit=limit), LIMITS)


@pytest.mark.parametrize(
    ("expression", "value", "kind"),
    [
        ("1", 1, "number"),
        ("9007199254740993", 9007199254740993, "number"),
        ("0.25::DOUBLE", 0.25, "number"),
        ("0.12345678901234567890123::DECIMAL(38,23)", "0.12345678901234567890123", "number"),
        ("'inf'::DOUBLE", "inf", "number"),
        ("true", True, "boolean"),
        ("TIMESTAMPTZ '2026-11-23 12:00:00.5Z'", "2026-11-23T12:00:00.500000Z", "time"),
        ("INTERVAL 90 MINUTE", "01:30:00", "other"),
        ("[1, NULL, 2]", [1, None, 2], "list"),
        ("{'a': 1.5, 'b': ['x\x1b']}", {"a": 1.5, "b": ["x\\x1b"]}, "struct"),
        ("""'{"a":1.10}'::JSON""", '{"a":1.10}', "json"),
        ("NULL::VARCHAR", None, "text"),
    ],
    ids=str,
)
def test_values(connection: duckdb.DuckDBPyConnection, expression: str, value: Any, kind: str) -> None:
    answer = asked(connection, f"select {expression} as found")
    assert (answer.rows, answer.columns[0].kind, answer.is_complete) == ([[value]], kind, True)


def test_text_of_the_api_is_data_without_hidden_characters(connection: duckdb.DuckDBPyConnection) -> None:
    answer = asked(connection, "select title from milestones where type = 'one_off'")
    assert answer.rows == [[SHOWN]]
    assert SHOWN.replace("|", r"\|") in answer.text()


def test_a_name_of_a_column_is_escaped_and_unique(connection: duckdb.DuckDBPyConnection) -> None:
    answer = asked(connection, 'select 1 as "a\x1b", 2 as "a\x1b"')
    assert [column.name for column in answer.columns] == [r"a\x1b", r"a\x1b_2"]


@pytest.mark.parametrize(
    ("limit", "rows", "advice"),
    [(3, 3, "raise limit (at most 10)"), (10, 10, "at most 10 rows"), (500, 10, "at most 10 rows")],
    ids=str,
)
def test_rows_beyond_the_limit_are_cut(
    connection: duckdb.DuckDBPyConnection, limit: int, rows: int, advice: str
) -> None:
    answer = asked(connection, "from range(1000000000)", limit)
    assert [row[0] for row in answer.rows] == list(range(rows))
    assert not answer.is_complete
    assert f"the first {rows} rows" in answer.notices[0]
    assert advice in answer.notices[0]
    assert answer.notices[0] in answer.text()


def test_as_many_rows_as_the_limit_are_complete(connection: duckdb.DuckDBPyConnection) -> None:
    assert asked(connection, "from range(5)").is_complete


def test_long_values_are_cut(connection: duckdb.DuckDBPyConnection) -> None:
    answer = asked(connection, "select 1 as n, repeat('é', 2000) as long, range(2000) as numbers")
    assert answer.rows[0][1] == "é" * VALUE_CHARACTERS + "… (2,000 characters)"
    assert answer.rows[0][2].startswith("[0, 1, 2,")
    assert answer.rows[0][2].endswith("characters)")
    assert "long, numbers" in answer.notices[0]
    assert not answer.is_complete


def test_an_answer_that_would_be_too_long_has_fewer_rows(connection: duckdb.DuckDBPyConnection) -> None:
    columns = ", ".join(f"repeat('x', 900) as c{number}" for number in range(20))
    answer = asked(connection, f"select {columns} from range(5)")
    assert len(answer.rows) == ANSWER_CHARACTERS // 18_000
    assert "longer than" in answer.notices[0]
    one = asked(connection, f"select {columns}, {columns}, {columns}")
    assert (len(one.rows), one.is_complete) == (1, True)


def test_no_rows(connection: duckdb.DuckDBPyConnection) -> None:
    answer = asked(connection, "select title, type from milestones where false")
    assert answer.rows == []
    assert answer.text().startswith("No rows (columns: title, type).")


@pytest.mark.parametrize(
    "sql",
    [
        "describe milestones",
        "show tables",
        "summarize milestones",
        "pivot milestones on type",
        "with a as (select 1) from a",
    ],
)
def test_all_kinds_of_queries(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert asked(connection, sql).rows


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("copy milestones to 'stolen.csv'", "COPY is not allowed"),
        ("attach 'stolen.duckdb'", "ATTACH is not allowed"),
        ("install httpfs", "LOAD is not allowed"),
        ("load httpfs", "LOAD is not allowed"),
        ("set enable_external_access = true", "SET is not allowed"),
        ("reset lock_configuration", "SET is not allowed"),
        ("pragma database_list", "PRAGMA is not allowed"),
        ("call pragma_version()", "CALL is not allowed"),
        ("checkpoint", "is not allowed"),
        ("create table stolen as from milestones", "CREATE is not allowed"),
        ("delete from milestones", "DELETE is not allowed"),
        ("export database 'stolen'", "EXPORT is not allowed"),
        ("explain analyze copy milestones to 'stolen.csv'", "EXPLAIN is not allowed"),
        ("select 1; copy milestones to 'stolen.csv'", "these are 2 statements"),
        ("from read_csv('/etc/passwd')", "only the published file is accessible"),
        ("from read_text('/etc/passwd')", "only the published file is accessible"),
        ("from read_blob('*')", "only the published file is accessible"),
        ("from glob('/*')", "only the published file is accessible"),
        ("from '/etc/passwd'", "there is no table or view"),
        ("from 'https://example.com/a.parquet'", "only the published file is accessible"),
        ("from query('copy milestones to ''stolen.csv''')", "Expected a single SELECT statement"),
        ("select getenv('HOME')", "getenv"),
        ("select nothing from milestones", "there is no column nothing"),
        ("from milestone", "did you mean milestones"),
        ("selec 1", "syntax error"),
        ("", "there is no query"),
        ("-- nothing", "there is no query"),
    ],
    ids=str,
)
def test_what_is_refused(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sql: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = tree(home.published)
    with pytest.raises(MilestonesError) as caught:
        asked(connection, sql)
    assert message in str(caught.value)
    assert "root:" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert tree(home.published) == before


def test_several_statements_are_refused(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(WrongUse, match="send one query in a call"):
        asked(connection, "select 1; select 2")
    assert asked(connection, " ; select 1; -- one").rows == [[1]]
