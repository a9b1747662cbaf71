"""The tools list_tables and describe_table."""

from __future__ import annotations

import duckdb
import pytest

from pipelines.mcp_server.limits import Limits
from pipelines.mcp_server.tables import (
    DescribeAnswer,
    DescribeArguments,
    NoArguments,
    UnknownName,
    describe_table,
    list_tables,
)


def described(connection: duckdb.DuckDBPyConnection, name: str) -> DescribeAnswer:
    return describe_table(connection, DescribeArguments(name=name), Limits())


def test_every_table_view_and_macro_is_listed(connection: duckdb.DuckDBPyConnection) -> None:
    answer = list_tables(connection, NoArguments(), Limits())
    found = {one.name: one for one in answer.tables}
    assert (found["milestones"].kind, found["milestones"].rows) == ("table", 5)
    assert (found["event_starts"].kind, found["event_starts"].rows) == ("view", None)
    assert found["milestones_starting_within"].kind == "macro"
    assert found["details_football_game"].rows == 4
    assert "schema_version" not in found
    assert all(one.description for one in answer.tables)
    assert "| milestones | table | 5 | Every milestone as last seen" in answer.text()


@pytest.mark.slow
def test_every_listed_name_is_described(connection: duckdb.DuckDBPyConnection) -> None:
    for one in list_tables(connection, NoArguments(), Limits()).tables:
        answer = described(connection, one.name)
        assert (answer.name, answer.kind, answer.description) == (one.name, one.kind, one.description)
        assert answer.columns


def test_a_table(connection: duckdb.DuckDBPyConnection) -> None:
    answer = described(connection, " Milestones ")
    columns = {column.name: column for column in answer.columns}
    assert (columns["start_date"].type, columns["start_date"].unit) == ("TIMESTAMPTZ", "UTC, microseconds")
    assert columns["title"].unit is None
    assert all(column.description for column in answer.columns)
    assert answer.call is None
    assert "| start_date | TIMESTAMPTZ | UTC, microseconds | Start, UTC" in answer.text()


def test_a_macro(connection: duckdb.DuckDBPyConnection) -> None:
    answer = described(connection, "milestones_starting_within()")
    assert answer.call is not None
    assert answer.call.startswith("milestones_starting_within(hours, include_simulated := false")
    assert [one.name for one in answer.parameters][:2] == ["hours", "include_simulated"]
    assert answer.parameters[0].default is None
    assert answer.notes[0].startswith("Rule: ")
    units = {column.name: column.unit for column in answer.columns}
    assert units["starts_in_minutes"] == "minutes"
    assert "| parameter | default | description |" in answer.text()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("milestone", "there is no table or view milestone; did you mean milestones"),
        ("", "there is no table or view ''"),
        ("x' union all select 1 --", "there is no table or view x'"),
    ],
    ids=str,
)
def test_an_unknown_name(connection: duckdb.DuckDBPyConnection, name: str, message: str) -> None:
    with pytest.raises(UnknownName) as caught:
        described(connection, name)
    assert str(caught.value).startswith(message)
