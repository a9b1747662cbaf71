"""Checks whether every derived table has the rows that the version logs give, by deriving all of them again.

This writes: run it on a copy.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from pipelines.reading.connection import CATALOG
from pipelines.staging.files import Staging
from pipelines.warehouse.rebuild import rebuild
from schemas.sql import quote
from schemas.tables import TOUCHED


@dataclass(frozen=True)
class Content:
    """The rows of a table: their number, and a sum of their hashes, which does not depend on their order."""

    rows: int
    hashes: int


def contents(connection: duckdb.DuckDBPyConnection) -> dict[str, Content]:
    """The content of every table. Reads every row, so it fails if a block that holds rows is damaged."""
    query = "SELECT table_name FROM duckdb_tables() WHERE database_name = $catalog ORDER BY ALL"
    names = connection.execute(query, {"catalog": CATALOG}).fetchall()
    return {name: _content(connection, name) for (name,) in names}


def _content(connection: duckdb.DuckDBPyConnection, table: str) -> Content:
    query = f"SELECT count(*), coalesce(sum(CAST(hash(one) AS HUGEINT)), 0) FROM {quote(table)} AS one"  # noqa: S608
    return Content(*connection.execute(query).fetchall()[0])


def rebuild_differences(
    connection: duckdb.DuckDBPyConnection, staging: Staging, before: dict[str, Content]
) -> list[str]:
    """Derive every table again; the tables whose rows then differ from `before`, with the number of rows."""
    rebuild(connection, staging)
    after = contents(connection)
    nothing = Content(0, 0)
    return [
        f"{name}: its rows are not those that the version log gives "
        f"({before.get(name, nothing).rows:,} instead of {after.get(name, nothing).rows:,}, or other values)"
        for name in sorted(before.keys() | after.keys())
        # What was touched since the last publish is no part of the log.
        if name != TOUCHED.name and before.get(name) != after.get(name)
    ]
