"""Dagster metadata of tables: columns, lineage, row counts, locations."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from pipelines.orchestration.keys import PAGES_KEY, RECORDS_KEY
from pipelines.orchestration.metadata import (
    lineage,
    run_metadata,
    static_metadata,
    table_schema,
    typed_tables_metadata,
)
from schemas.endpoints import PUBLISHED_TABLES
from schemas.tables import MILESTONE_SOURCES, RECORDS


def test_a_table_schema_has_the_declared_columns() -> None:
    for table in PUBLISHED_TABLES:
        columns = table_schema(table).columns
        assert [(c.name, c.type, c.description, c.constraints.nullable) for c in columns] == [
            (c.name, c.sql_type, c.description, c.nullable) for c in table.columns
        ]
        for column in columns:
            assert 0 < len(column.tags["source"]) <= 63
            assert column.constraints.unique == (table.key == (column.name,))


def test_lineage_names_upstream_columns_and_defaults_to_the_empty_key() -> None:
    found = lineage(
        RECORDS, {"": [(PAGES_KEY, "body")], "page": [(PAGES_KEY, "number")], "position": []}
    ).deps_by_column
    assert found["page"] == [dg.TableColumnDep(PAGES_KEY, "number")]
    assert found["position"] == []
    assert found["record"] == [dg.TableColumnDep(PAGES_KEY, "body")]
    assert list(found) == [column.name for column in RECORDS.columns]


def test_a_column_without_upstream_columns_has_an_empty_lineage() -> None:
    found = lineage(MILESTONE_SOURCES, {"milestone_id": [(RECORDS_KEY, "milestone_id")]}).deps_by_column
    assert found["provider"] == []


def test_metadata_of_definitions_and_runs(tmp_path: Path) -> None:
    assert static_metadata(RECORDS)["dagster/table_name"] == "records"
    metadata = run_metadata(rows=3, where=tmp_path / "a b")
    assert metadata == {"dagster/row_count": 3, "dagster/uri": f"{tmp_path.as_uri()}/a%20b"}


def test_typed_tables_are_one_row_each() -> None:
    value = typed_tables_metadata({"details_x": {"a": "BIGINT", "b": "VARCHAR"}, "details_y": {}})
    assert [dict(record.data) for record in value.records] == [
        {"table": "details_x", "columns": "a BIGINT, b VARCHAR"},
        {"table": "details_y", "columns": ""},
    ]
