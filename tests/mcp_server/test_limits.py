"""Queries that exceed their time or memory end."""

from __future__ import annotations

import time
from typing import NoReturn

import duckdb
import pytest

from pipelines.mcp_server.limits import DUCKDB_LIMITS, MEMORY, Limits, MemoryExceeded, QueryStopped, limited
from pipelines.reading.connection import run_query
from pipelines.reading.published import open_published
from pipelines.reading.query_errors import QueryFailed
from pipelines.storage.home import Home

ENDLESS = "with recursive t as (select 1 as n union all select n from t) select count(*) from t"


@pytest.mark.parametrize(
    "sql",
    [ENDLESS, "select count(*) from range(1000000000000) a, range(1000000000000) b where a.range % 7 = b.range"],
    ids=["recursion", "product"],
)
def test_an_endless_query_is_stopped(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    began = time.monotonic()
    with (
        pytest.raises(QueryStopped, match=r"stopped after 0\.1 seconds"),
        limited(connection, Limits(seconds=0.1)),
    ):
        run_query(connection, sql)
    assert time.monotonic() - began < 5


def test_time_is_that_of_all_queries(connection: duckdb.DuckDBPyConnection) -> None:
    def run_many() -> None:
        while True:
            run_query(connection, "select count(*) from range(1000000)")

    with pytest.raises(QueryStopped), limited(connection, Limits(seconds=0.1)):
        run_many()


def test_a_query_may_not_use_all_memory(home: Home) -> None:
    assert DUCKDB_LIMITS["memory_limit"] == MEMORY
    with (
        open_published(home, limits={"memory_limit": "50MB"}) as connection,
        pytest.raises(MemoryExceeded, match=f"more memory than {MEMORY}"),
        limited(connection, Limits(seconds=60)),
    ):
        run_query(connection, "select list(n) from range(1000000000) as numbers (n)")


def test_memory_that_python_lacks(connection: duckdb.DuckDBPyConnection) -> None:
    def fail() -> NoReturn:
        raise MemoryError

    with pytest.raises(MemoryExceeded, match="more memory"), limited(connection, Limits()):
        fail()


@pytest.mark.parametrize("query", ["selec", "from nothing"])
def test_other_errors_stay(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    with pytest.raises(QueryFailed), limited(connection, Limits()):
        run_query(connection, query)
