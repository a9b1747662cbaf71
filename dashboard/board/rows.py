"""Query results as typed rows: a frozen dataclass a row, its fields the names of the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import duckdb

NO_CATEGORY = "No category"
NULL_TEXTS = {"category_group": NO_CATEGORY, "title": "No title"}
"""What stands on the pages for NULL in these columns: Kalshi may leave the fields out."""

Row = TypeVar("Row")
Parameters = Mapping[str, object]


def fetch(
    connection: duckdb.DuckDBPyConnection, row: type[Row], query: str, parameters: Parameters | None = None
) -> tuple[Row, ...]:
    """Run a query whose columns are the dataclass's fields, in any order; `$name` stands for a parameter.

    NULL in a column of NULL_TEXTS becomes its text.
    """
    cursor = connection.execute(query, dict(parameters or {}))
    names = [column[0] for column in cursor.description or ()]
    missing = [NULL_TEXTS.get(name) for name in names]
    return tuple(
        row(
            **{
                name: other if value is None else value
                for name, value, other in zip(names, values, missing, strict=True)
            }
        )
        for values in cursor.fetchall()
    )


def fetch_one(
    connection: duckdb.DuckDBPyConnection, row: type[Row], query: str, parameters: Parameters | None = None
) -> Row | None:
    """The only row of a query, or None."""
    found = fetch(connection, row, query, parameters)
    return found[0] if found else None


def columns_of(rows: Sequence[Any], *names: str) -> dict[str, list[Any]]:
    """Rows turned into columns, for a table on the page."""
    return {name: [getattr(row, name) for row in rows] for name in names or [field.name for field in fields(rows[0])]}
