"""The tools list_tables and describe_table: what can be queried. Descriptions come from comments in the published file.

Rules, caveats and parameters of views and macros come from their declarations, see `declared_views`.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import duckdb
from pydantic import BaseModel, Field

from pipelines.errors import MilestonesError
from pipelines.mcp_server.answers import Answer, Arguments, freshness
from pipelines.mcp_server.limits import Limits
from pipelines.mcp_server.values import markdown_table, short
from pipelines.publish.views import create_views, describe_views
from pipelines.reading.connection import run_query
from pipelines.reading.query_errors import unknown_table
from schemas.endpoints import PUBLISHED_TABLES
from schemas.sql import literal, quote
from schemas.view import View

_RELATIONS = """
    SELECT name, kind, description FROM (
        SELECT table_name AS name, 'table' AS kind, comment AS description
        FROM duckdb_tables() WHERE database_name = current_database() AND table_name <> 'schema_version'
        UNION ALL SELECT view_name, 'view', comment
        FROM duckdb_views() WHERE database_name = current_database() AND NOT internal
        UNION ALL SELECT function_name, 'macro', comment
        FROM duckdb_functions() WHERE database_name = current_database() AND function_type = 'table_macro'
          AND function_name NOT IN (SELECT view_name FROM duckdb_views())
    ) ORDER BY starts_with(name, 'details_') AND name <> 'details_fields', kind = 'table', kind, name
"""
_COLUMNS = """
    SELECT column_name AS name, data_type AS type, comment AS description
    FROM duckdb_columns() WHERE database_name = current_database() AND table_name = $name ORDER BY column_index
"""
_UNITS = {"_minutes": "minutes", "_seconds": "seconds", "bytes": "bytes"}

RelationKind = Literal["table", "view", "macro"]


class UnknownName(MilestonesError):
    """A client asked for something that is not in the data."""


class Relation(BaseModel):
    """A table, view or macro in the list."""

    name: str
    kind: RelationKind = Field(description="A macro is called with parameters: from name(...).")
    rows: int | None = Field(description="Number of rows of a table; null for views and macros.")
    description: str | None = Field(description="What a row is, or the question that a view answers.")


class NoArguments(Arguments):
    """Arguments of a tool without any."""


class TablesAnswer(Answer):
    """Answer of the tool list_tables."""

    tables: list[Relation]

    def paragraphs(self) -> list[str]:
        """The list as a table."""
        rows = [[one.name, one.kind, one.rows, one.description] for one in self.tables]
        return [markdown_table(["name", "kind", "rows", "description"], rows)]


class DescribeArguments(Arguments):
    """Arguments of the tool describe_table."""

    name: str = Field(description="Name of a table, view or macro, as list_tables returns it.")


class ColumnDescription(BaseModel):
    """A column of a table, view or macro."""

    name: str
    type: str = Field(description="DuckDB type.")
    unit: str | None = Field(description="Unit of a number or a time; null if it has none.")
    description: str | None


class ParameterDescription(BaseModel):
    """A parameter of a view that is called as a macro, or of a macro."""

    name: str
    default: str | None = Field(description="SQL expression; null for a required parameter.")
    description: str


class DescribeAnswer(Answer):
    """Answer of the tool describe_table."""

    name: str
    kind: RelationKind
    description: str | None
    call: str | None = Field(description="How to call it with parameters, by name: from call; null for a table.")
    columns: list[ColumnDescription]
    parameters: list[ParameterDescription]
    notes: list[str] = Field(description="Rules and caveats.")

    def paragraphs(self) -> list[str]:
        """Description, rules, columns and parameters."""
        call = f", to be called as `from {self.call}`" if self.call else ""
        parts = [f"{self.name}: {self.kind}{call}. {self.description or ''}".strip(), *self.notes]
        rows = [[one.name, one.type, one.unit, one.description] for one in self.columns]
        parts.append(markdown_table(["column", "type", "unit", "description"], rows))
        if self.parameters:
            rows = [[one.name, one.default, one.description] for one in self.parameters]
            parts.append(markdown_table(["parameter", "default", "description"], rows))
        return parts


def list_tables(connection: duckdb.DuckDBPyConnection, _: NoArguments, __: Limits) -> TablesAnswer:
    """Every table, view and macro: what answers questions first, the typed tables last."""
    relations = run_query(connection, _RELATIONS).records
    counts = " UNION ALL ".join(
        f"SELECT {literal(one['name'])}, count(*) FROM {quote(one['name'])}"  # noqa: S608
        for one in relations
        if one["kind"] == "table"
    )
    rows = dict(run_query(connection, counts).rows)
    return TablesAnswer(
        **freshness(connection), tables=[Relation(**one, rows=rows.get(one["name"])) for one in relations]
    )


def describe_table(connection: duckdb.DuckDBPyConnection, asked: DescribeArguments, _: Limits) -> DescribeAnswer:
    """A table, view or macro with its columns. Raises UnknownName with similar names."""
    name = asked.name.strip().removesuffix("()").lower()
    relations = {one["name"]: one for one in run_query(connection, _RELATIONS).records}
    if name not in relations:
        raise UnknownName(unknown_table(connection, name or "''"))
    view = declared_views().get(name)
    columns = run_query(connection, _COLUMNS, {"name": name}).records
    if view and relations[name]["kind"] == "macro":
        # DuckDB stores no columns of a macro.
        columns = [{"name": one.name, "type": one.sql_type, "description": one.meaning} for one in view.columns]
    parameters = view.parameters if view else ()
    return DescribeAnswer(
        **freshness(connection),
        **relations[name],
        call=view.signature if view and parameters else None,
        columns=[_column(**one) for one in columns],
        parameters=[
            ParameterDescription(name=one.name, default=one.default, description=one.meaning) for one in parameters
        ],
        notes=list(view.notes) if view else [],
    )


def _column(name: str, type: str, description: str | None) -> ColumnDescription:  # noqa: A002 - the name of the field
    type_ = type.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
    unit = next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), None)
    return ColumnDescription(
        name=short(name),
        type=type_,
        unit="UTC, microseconds" if type_ == "TIMESTAMPTZ" else unit,
        description=short(description),
    )


@cache
def declared_views() -> dict[str, View]:
    """The views and macros by name, described from their declarations in an empty database."""
    with duckdb.connect() as connection:
        for table in PUBLISHED_TABLES:
            table.create(connection.execute)
        create_views(connection)
        return {view.name: view for view in describe_views(connection)}
