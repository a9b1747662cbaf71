"""Dagster metadata of tables: column schema, column lineage, row count, location."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from schemas.table import Column, Table


def table_schema(table: Table) -> dg.TableSchema:
    """The columns of a declared table as a TableSchema."""
    return dg.TableSchema(columns=[_column(table, column) for column in table.columns])


def _column(table: Table, column: Column) -> dg.TableColumn:
    return dg.TableColumn(
        column.name,
        column.sql_type,
        description=column.description,
        constraints=dg.TableColumnConstraints(nullable=column.nullable, unique=table.key == (column.name,)),
        tags={"source": _tag(column.source)},
    )


def _tag(text: str) -> str:
    """Free text as a valid tag value: letters, digits, `.`, `_` and `-`, at most 63 characters."""
    return "".join(character if character.isalnum() or character in "._-" else "_" for character in text)[:63]


def lineage(table: Table, upstream: Mapping[str, Sequence[tuple[dg.AssetKey, str]]]) -> dg.TableColumnLineage:
    """The upstream columns of each column. The key "" of `upstream` applies to columns that it does not name."""
    return dg.TableColumnLineage(
        {
            column.name: [dg.TableColumnDep(key, name) for key, name in upstream.get(column.name, upstream.get("", []))]
            for column in table.columns
        }
    )


def static_metadata(table: Table) -> dict[str, Any]:
    """The metadata of an asset definition, before any run."""
    return {"dagster/column_schema": table_schema(table), "dagster/table_name": table.name}


def run_metadata(*, rows: int, where: Path) -> dict[str, Any]:
    """The metadata of a materialization: row count, and the location `where`."""
    return {"dagster/row_count": rows, "dagster/uri": where.absolute().as_uri()}


def typed_tables_metadata(tables: Mapping[str, Mapping[str, str]]) -> dg.TableMetadataValue:
    """The typed tables (details_<type>), one row each, with their columns and SQL types."""
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord(
                {"table": name, "columns": ", ".join(f"{column} {kind}" for column, kind in columns.items())}
            )
            for name, columns in tables.items()
        ],
        schema=dg.TableSchema(columns=[dg.TableColumn("table", "string"), dg.TableColumn("columns", "string")]),
    )
