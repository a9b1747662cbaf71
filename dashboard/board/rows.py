"""Query results as typed rows: frozen dataclasses whose fields are the names of the columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import duckdb

NO_CATEGORY = "No category"
NULL_TEXTS = {"category_group": NO_CATEGORY, "title": "No title"}
"""Shown for NULL in these columns, whose fields Kalshi may omit."""

Row = TypeVar("Row")
Parameters = Mapping[str, object]


def fetch(
    connection: duckdb.DuckDBPyConnection, row: type[Row], query: str, parameters: Parameters | None = None
) -> tuple[Row, ...]:
    """Run a query whose columns are the dataclass's fields, in any order; `$name` is a parameter.

    NULL in a column of NULL_TEXTS is replaced by its text.
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
    """The first row of a query, or None."""
    found = fetch(connection, row, query, parameters)
    return found[0] if found else None
