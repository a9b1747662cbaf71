"""Each value of a result is the text that DuckDB spells; in JSON it keeps its type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from pipelines.reading.json_text import dumps
from pipelines.reading.query_errors import QueryFailed
from pipelines.reading.results import BoundStatement, json_value
from schemas.endpoints import PUBLISHED_TABLES
from schemas.json_columns import JSON_TEXT_COLUMNS

VALUES = {
    "interval with months": ("INTERVAL '1 month -90 minutes'", "1 month -01:30:00", '"1 month -01:30:00"'),
    "interval too long for Python": (
        "INTERVAL '1000000000 months'",
        "83333333 years 4 months",
        '"83333333 years 4 months"',
    ),
    "a decimal": ("1.50::DECIMAL(38, 2)", "1.50", "1.50"),
    "sum": ("sum(9223372036854775807)", "9223372036854775807", "9223372036854775807"),
    "largest integer": (f"{2**127 - 1}::HUGEINT", str(2**127 - 1), str(2**127 - 1)),
    "a float": ("0.1::FLOAT", "0.1", "0.1"),
    "infinity": ("'-inf'::DOUBLE", "-inf", '"-inf"'),
    "an infinite time": ("'infinity'::TIMESTAMPTZ", "infinity", '"infinity"'),
    "an infinite date": ("'-infinity'::DATE", "-infinity", '"-infinity"'),
    "a time": ("TIMESTAMPTZ '2026-01-02 03:04:05.25+00'", "2026-01-02 03:04:05.25+00", '"2026-01-02T03:04:05.250000Z"'),
    "a time without a zone": ("TIMESTAMP '2026-01-02 03:04:05'", "2026-01-02 03:04:05", '"2026-01-02T03:04:05"'),
    "bytes": ("'a'::BLOB || '\\x00'::BLOB", "a\\x00", '"a\\\\x00"'),
    "JSON": ("""'{"a": [1.10, null]}'::JSON""", '{"a": [1.10, null]}', '{"a": [1.10, null]}'),
    "a JSON text": ("""'"x"'::JSON""", '"x"', '"x"'),
    "boolean": ("true", "true", "true"),
    "NULL": ("NULL", None, "null"),
    "a list": ("['a b', NULL, 'c']", "['a b', NULL, c]", '["a b", null, "c"]'),
    "an array": ("array_value(1.5::DOUBLE, 'inf'::DOUBLE)", "[1.5, inf]", '[1.5, "inf"]'),
    "a struct": ("{'q\"x': INTERVAL 1 DAY, 'b': [true]}", None, '{"q\\"x": "1 day", "b": [true]}'),
    "a map": ("MAP {DATE '2026-01-02': 1.50::DECIMAL(9, 2)}", "{2026-01-02=1.50}", '{"2026-01-02": 1.50}'),
    "a tuple": ("row(1, 'a')", "(1, a)", '"(1, a)"'),
    "a union": ("union_value(k := 1)", "1", '"1"'),
}


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def json_of(bound: BoundStatement, **options: Any) -> str:
    ((value,),) = bound.result(is_nested=True).rows
    return dumps(json_value(bound.columns[0].kind, value, **options))


@pytest.mark.parametrize(("value", "text", "json"), VALUES.values(), ids=VALUES)
def test_each_type(connection: duckdb.DuckDBPyConnection, value: str, text: str | None, json: str) -> None:
    bound = BoundStatement(connection, f"SELECT {value} AS x")
    ((found,),) = bound.result().rows
    ((spelled,),) = connection.execute(f"SELECT CAST({value} AS VARCHAR)").fetchall()
    assert found == spelled
    if text is not None:
        assert found == text or value.startswith("[")
    assert json_of(bound) == json


def test_declared_json_columns_are_nested(connection: duckdb.DuckDBPyConnection) -> None:
    bound = BoundStatement(connection, """SELECT '{"a": 1.0}' AS details""")
    assert json_of(bound) == '{"a": 1.0}'
    assert json_of(bound, json=str) == dumps('{"a": 1.0}')
    assert json_of(BoundStatement(connection, """SELECT '{"a": ' AS details""")) == dumps('{"a": ')
    assert json_of(BoundStatement(connection, """SELECT '{"a": 1.0}' AS title""")) == dumps('{"a": 1.0}')
    assert json_of(BoundStatement(connection, "SELECT '1' AS extra")) == '"1"'


def test_json_columns_are_those_whose_description_says_json() -> None:
    described = {
        column.name
        for table in PUBLISHED_TABLES
        for column in table.columns
        if re.search(r"(?i)\b(as|whole) (canonical )?JSON( text)?\b", column.description)
    }
    assert described == JSON_TEXT_COLUMNS


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("SELECT * FROM (VALUES (3), (1), (2)) AS t(a) ORDER BY a -- last", [("1",), ("2",), ("3",)]),
        ("PIVOT (VALUES ('a', 1)) AS t(k, v) ON k USING sum(v)", [("1",)]),
        ("DESCRIBE SELECT 1 AS a", [("a", "INTEGER", "YES", None, None, None)]),
        ("CALL range(2)", [("0",), ("1",)]),
        ("SELECT 1 AS a, 2 AS a", [("1", "2")]),
        ("FROM range(2)", [("0",), ("1",)]),
    ],
    ids=str,
)
def test_statements_of_each_kind(
    connection: duckdb.DuckDBPyConnection, statement: str, rows: list[tuple[str | None, ...]]
) -> None:
    bound = BoundStatement(connection, statement)
    assert bound.has_result
    assert list(bound.result().rows) == rows
    first = bound.first(1)
    assert (list(first.rows), first.more) == (rows[:1], len(rows) - 1)


@pytest.mark.parametrize("statement", ["CREATE TEMP TABLE t AS SELECT 1", "SET VARIABLE x = 1", "BEGIN"])
def test_statements_without_a_result(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    assert not BoundStatement(connection, statement).has_result


def test_an_error_while_rows_are_fetched(connection: duckdb.DuckDBPyConnection) -> None:
    rows = BoundStatement(connection, "SELECT if(range < 50000, '1', 'x')::INTEGER FROM range(60000)").result().rows
    with pytest.raises(QueryFailed, match="Could not convert"):
        list(rows)
    with pytest.raises(QueryFailed, match="there is no query"):
        BoundStatement(connection, "-- nothing")
