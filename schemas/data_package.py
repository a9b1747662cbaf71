"""Describes tables as resources of a Frictionless Data Package (https://datapackage.org), version 2.

Only what the declarations say is here; `pipelines.publish.data_package` adds the files of a snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from schemas.table import Column, Table
from schemas.tables import MILESTONE_ID

PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"

SOURCE = {"title": "Kalshi API", "path": "https://docs.kalshi.com"}

LICENSE = {
    "name": "other-closed",
    "title": "The terms of Kalshi's API; the licence of this project covers its code only",
}
"""`other-closed` is the Open Definition's identifier for data that are not open."""

_TYPES = {
    "VARCHAR": "string",
    "BOOLEAN": "boolean",
    "INTEGER": "integer",
    "BIGINT": "integer",
    "DOUBLE": "number",
    "TIMESTAMPTZ": "datetime",
}
"""Field types by DuckDB type."""


def field(name: str, sql_type: str, description: str, **properties: object) -> dict[str, Any]:
    """A field; a LIST is an `array`."""
    kind = "array" if sql_type.endswith("[]") else _TYPES[sql_type]
    return {"name": name, "type": kind, "description": description, **properties}


def table_schema(
    fields: Iterable[dict[str, Any]], key: Iterable[str], references: Iterable[tuple[str, str, str]] = ()
) -> dict[str, Any]:
    """A Table Schema. A reference is a column, the table to which it refers, and the column there."""
    schema: dict[str, Any] = {
        "fields": list(fields),
        "primaryKey": list(key),
        # An empty text is a value; only NULL is missing.
        "missingValues": [],
    }
    foreign = [
        {"fields": [column], "reference": {"resource": table, "fields": [to]}} for column, table, to in references
    ]
    return schema | ({"foreignKeys": foreign} if foreign else {})


def declared(table: Table) -> dict[str, Any]:
    """The resource of a declared table, without its files."""
    constraints: dict[str, dict[str, Any]] = {
        column.name: {} if column.nullable else {"required": True} for column in table.columns
    }
    for rule in table.rules:
        if rule.constraint:
            keyword, value = rule.constraint
            constraints[rule.column][keyword] = value
    fields = [_field(column, constraints[column.name]) for column in table.columns]
    references = [(one.column, one.table, one.to) for one in table.references]
    return _resource(table.name, table.grain, table.description, table_schema(fields, table.key, references))


def typed(name: str, type_: str, fields: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The resource of the typed table of a milestone type, without its files."""
    key = MILESTONE_ID.name
    return _resource(
        name,
        f"milestone of the type {type_}",
        f"The fields of details of the type {type_}, a column each.",
        table_schema(fields, (key,), [(key, "milestones", key)]),
    )


def _field(column: Column, constraints: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {"source": f"computed: {column.generated}" if column.generated else column.source}
    if constraints:
        properties["constraints"] = constraints
    return field(column.name, column.sql_type, column.description, **properties)


def _resource(name: str, grain: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "type": "table",
        "title": f"One row per {grain}",
        "description": description,
        "format": "parquet",
        "mediatype": "application/vnd.apache.parquet",
        "schema": schema,
    }
