"""The rows of touched milestones as they stand in the warehouse: looked for once, read by all that publishing makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from pipelines.warehouse.load import modes_since
from pipelines.warehouse.rows import rows_of
from pipelines.warehouse.touched import Touched, touched_since
from schemas.sql import quote
from schemas.tables import DETAILS_FIELDS, MILESTONES, PUBLISHED_TABLES, QUARANTINE, SWEEPS

WAREHOUSE = "warehouse"
"""As what the warehouse is attached, to read."""

TOUCHED = "memory.touched"
"""Where the ids of touched milestones stand: in the database in memory, which all cursors share."""

OF_NO_MILESTONE = (DETAILS_FIELDS, QUARANTINE, SWEEPS)
"""Tables that are small and not told by milestone: written anew with every publish."""


@dataclass(frozen=True)
class Newest:
    """What was touched, and for each table that holds any of it a query for those rows as they are now.

    `has_full`: a full sweep is among those that touched it.
    """

    touched: Touched
    rows: Mapping[str, str]
    has_full: bool


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
    for typed in sorted(tables_of(connection, WAREHOUSE, rows[MILESTONES.name])):
        rows[typed] = rows_of(connection, _in_warehouse(typed), TOUCHED)
    return Newest(touched, rows, "full" in modes_since(connection, sweep_id, catalog=WAREHOUSE))


def tables_of(connection: duckdb.DuckDBPyConnection, catalog: str, milestones: str) -> frozenset[str]:
    """The typed tables of a file in which the milestones that a query gives stand, told by their types."""
    rows = connection.execute(
        f"SELECT DISTINCT table_name FROM {quote(catalog)}.details_fields WHERE type IN "  # noqa: S608
        f"(SELECT type FROM ({milestones}))"
    ).fetchall()
    return frozenset(row[0] for row in rows)


def _in_warehouse(table: str) -> str:
    return f"{WAREHOUSE}.{quote(table)}"
