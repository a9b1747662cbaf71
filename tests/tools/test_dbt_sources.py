"""The dbt sources have the tests that the declarations imply; that they hold for the demo, `make readers` finds out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from schemas.endpoints import PUBLISHED_TABLES
from schemas.statuses import STATUS_GROUPS
from schemas.view import View, ViewColumn
from tools.dbt_sources import HEADER, sources
from tools.generate import DBT_PROJECT

VIEW = View("now", "What is on?", ("A note.",), (), (ViewColumn("title", "VARCHAR", "Its title."),))


@pytest.fixture(scope="module")
def tables() -> dict[str, dict[str, Any]]:
    text = sources([VIEW])
    assert text.startswith(HEADER)
    (source,) = msgspec.yaml.decode(text)["sources"]
    return {table["name"]: table for table in source["tables"]}


def data_tests(tables: dict[str, dict[str, Any]], table: str, column: str) -> Any:
    return next(one for one in tables[table]["columns"] if one["name"] == column).get("data_tests", [])


def test_every_table_and_view_is_a_source(tables: dict[str, dict[str, Any]]) -> None:
    assert list(tables) == [*(table.name for table in PUBLISHED_TABLES), "now"]
    assert tables["now"]["description"] == "What is on? A note."
    assert tables["now"]["columns"] == [{"name": "title", "description": "Its title.", "data_type": "VARCHAR"}]


def test_columns_have_the_tests_of_their_declaration(tables: dict[str, dict[str, Any]]) -> None:
    assert data_tests(tables, "milestones", "milestone_id") == ["not_null", "unique"]
    assert data_tests(tables, "milestones", "title") == []
    assert data_tests(tables, "milestones", "status_group") == [
        {"accepted_values": {"arguments": {"values": list(STATUS_GROUPS)}}}
    ]
    assert data_tests(tables, "milestone_events", "milestone_id") == [
        "not_null",
        {"relationships": {"arguments": {"to": "source('milestones', 'milestones')", "field": "milestone_id"}}},
    ]


def test_a_key_of_several_columns_is_tested_as_a_whole(tables: dict[str, dict[str, Any]]) -> None:
    assert tables["milestone_events"]["data_tests"] == [
        {"unique_together": {"arguments": {"columns": ["milestone_id", "event_ticker"]}}}
    ]
    assert (DBT_PROJECT / "tests" / "generic" / "unique_together.sql").exists()


def test_only_ledgers_have_a_freshness(tables: dict[str, dict[str, Any]]) -> None:
    assert [name for name, table in tables.items() if "config" in table] == ["sweeps", "endpoint_sweeps"]


def test_dbt_sends_no_usage_statistics() -> None:
    project = msgspec.yaml.decode((DBT_PROJECT / "dbt_project.yml").read_bytes())
    assert project["flags"]["send_anonymous_usage_stats"] is False
