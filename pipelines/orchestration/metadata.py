"""Declarations as Dagster shows them: column schema, column lineage, rows, where the data lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from schemas.table import Column, Table


def table_schema(table: Table) -> dg.TableSchema:
    """The declaration as Dagster's TableSchema."""
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
    """Free text as a tag value: letters, digits and a few marks, at most 63."""
    return "".join(character if character.isalnum() or character in "._-" else "_" for character in text)[:63]


def lineage(table: Table, upstream: Mapping[str, Sequence[tuple[dg.AssetKey, str]]]) -> dg.TableColumnLineage:
    """Which upstream columns each column is made from; "" stands for the columns that are not named."""
    return dg.TableColumnLineage(
        {
            column.name: [dg.TableColumnDep(key, name) for key, name in upstream.get(column.name, upstream.get("", []))]
            for column in table.columns
        }
    )


def static_metadata(table: Table) -> dict[str, Any]:
    """What a definition says before anything ran."""
    return {"dagster/column_schema": table_schema(table), "dagster/table_name": table.name}


def run_metadata(*, rows: int, where: Path) -> dict[str, Any]:
    """What a materialization says of every table."""
    return {"dagster/row_count": rows, "dagster/uri": where.absolute().as_uri()}


def typed_tables_metadata(tables: Mapping[str, Mapping[str, str]]) -> dg.TableMetadataValue:
    """The typed tables (details_<type>) with their columns and SQL types, a row for each table."""
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord(
                {"table": name, "columns": ", ".join(f"{column} {kind}" for column, kind in columns.items())}
            )
            for name, columns in tables.items()
        ],
        schema=dg.TableSchema(columns=[dg.TableColumn("table", "string"), dg.TableColumn("columns", "string")]),
    )
