"""The rows of touched milestones as they are in the warehouse: looked up once, read by all that publishing writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from pipelines.warehouse.change_log import Touched, touched_since
from pipelines.warehouse.row_ranges import rows_of
from schemas.sql import quote
from schemas.tables import DETAILS_FIELDS, MILESTONES, PUBLISHED_TABLES, QUARANTINE, SWEEPS

WAREHOUSE = "warehouse"
"""The name under which the warehouse is attached, to read."""

TOUCHED = "memory.touched"
"""A table of touched milestones and the starts that they had or have: in the database in memory, for all cursors."""

OF_NO_MILESTONE = (DETAILS_FIELDS, QUARANTINE, SWEEPS)
"""Tables that are small and not told by milestone: written anew with every publish."""


@dataclass(frozen=True)
class Newest:
    """What was touched, and for each table that holds any of it a query for those rows as they are now."""

    touched: Touched
    rows: Mapping[str, str]


def find_newest(connection: duckdb.DuckDBPyConnection, sweep_id: str) -> Newest:
    """Look through the attached warehouse for what was touched since a sweep that it knows; then TOUCHED lists it.

    Holds as long as the warehouse is not written to.
    """
    touched = touched_since(connection, sweep_id, catalog=WAREHOUSE, into=TOUCHED)
    rows = {
        table.name: rows_of(connection, _in_warehouse(table.name), TOUCHED)
        for table in PUBLISHED_TABLES
        if table not in OF_NO_MILESTONE
    }
    for typed in _typed_tables_of(connection, rows[MILESTONES.name]):
        rows[typed] = rows_of(connection, _in_warehouse(typed), TOUCHED)
    return Newest(touched, rows)


def _typed_tables_of(connection: duckdb.DuckDBPyConnection, milestones: str) -> list[str]:
    """The typed tables that hold the milestones that a query gives, told by their types."""
    rows = connection.execute(
        f"SELECT DISTINCT table_name FROM {_in_warehouse(DETAILS_FIELDS.name)} WHERE type IN "  # noqa: S608
        f"(SELECT type FROM ({milestones})) ORDER BY table_name"
    ).fetchall()
    return [row[0] for row in rows]


def _in_warehouse(table: str) -> str:
    return f"{WAREHOUSE}.{quote(table)}"
