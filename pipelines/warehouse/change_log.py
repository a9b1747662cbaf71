"""Change log: the milestones touched by recent sweeps, so that publishing rewrites only what changed.

It is stored in `internal_touched` by the transaction of the load. Every loaded sweep has a marker row without a
milestone. If the marker of the published sweep is missing, the changes since are unknown and everything is rewritten.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import duckdb

from pipelines.reading.connection import CATALOG
from pipelines.staging.files import Staging
from schemas.sql import literal, quote
from schemas.tables import LATEST

MAX_TOUCHED_SHARE = 0.2
"""If a sweep touches a larger share of the milestones, it is not logged: rewriting everything is as fast."""

SWEEPS_KEPT = 10
"""How many sweeps stay in the log. Publishing follows each load, and needs the changes of the last one or two."""


@dataclass(frozen=True)
class Touched:
    """Changes since a sweep: the number of milestones, their old and new starts, typed tables created or dropped."""

    milestones: int
    starts: list[datetime | None]
    tables: list[str]


def log_before_load(
    connection: duckdb.DuckDBPyConnection, staging: Staging, sweep_id: str, *, others: Iterable[str]
) -> bool:
    """Log which milestones a load will touch, with their starts before it; False if they are too many to log.

    Run at the beginning of the transaction of the load. `others` are touched milestones without a staged record.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE touched AS "
        "SELECT milestone_id FROM read_parquet($latest) UNION SELECT milestone_id FROM read_parquet($updated_only) "
        "UNION SELECT unnest($others::VARCHAR[])",
        {"latest": staging.files(LATEST), "updated_only": str(staging.updated_only), "others": list(others)},
    )
    if _count(connection, "touched") > MAX_TOUCHED_SHARE * _count(connection, "milestones"):
        clear(connection)
        return False
    _log_milestones(connection, sweep_id, is_after=False)
    return True


def log_after_load(
    connection: duckdb.DuckDBPyConnection, sweep_id: str, *, is_logged: bool, recreated: Iterable[str]
) -> None:
    """Log the starts of the touched milestones after the load, in the same transaction.

    `is_logged` is the result of `log_before_load`; `recreated` names typed tables that were created or dropped.
    """
    connection.execute(f"{_INSERT} SELECT $1, '', '', true, NULL", [sweep_id])
    connection.execute(
        "DELETE FROM internal_touched WHERE sweep_id < (SELECT min(sweep_id) FROM "
        "(SELECT DISTINCT sweep_id FROM internal_touched ORDER BY sweep_id DESC LIMIT ?))",
        [SWEEPS_KEPT],
    )
    if not is_logged:
        return
    _log_milestones(connection, sweep_id, is_after=True)
    for name in recreated:
        connection.execute(f"{_INSERT} SELECT $1, '', $2, true, NULL", [sweep_id, name])


def clear(connection: duckdb.DuckDBPyConnection) -> None:
    """Delete the log: everything will be published again."""
    connection.execute("DELETE FROM internal_touched")


def is_logged(connection: duckdb.DuckDBPyConnection, sweep_id: str, *, catalog: str = CATALOG) -> bool:
    """Whether the log of the warehouse attached as `catalog` covers everything after a sweep."""
    query = f"SELECT 1 FROM {_table(catalog)} WHERE sweep_id = ? AND milestone_id = '' AND table_name = ''"  # noqa: S608
    return bool(connection.execute(query, [sweep_id]).fetchall())


def rows_since(sweep_id: str, *, catalog: str = CATALOG) -> str:
    """A query for the milestones touched after a sweep that `is_logged`.

    It returns a row for each milestone_id and each start_date, old or new.
    """
    return _since(sweep_id, catalog, "milestone_id, start_date", required="milestone_id")


def touched_since(connection: duckdb.DuckDBPyConnection, sweep_id: str, *, catalog: str, into: str) -> Touched:
    """Changes after a sweep that `is_logged`; stores the rows of `rows_since` in the table `into`."""
    connection.execute(f"CREATE OR REPLACE TABLE {into} AS {rows_since(sweep_id, catalog=catalog)}")
    starts = connection.execute(f"SELECT DISTINCT start_date FROM {into}").fetchall()  # noqa: S608
    tables = connection.execute(_since(sweep_id, catalog, "table_name", required="table_name")).fetchall()
    return Touched(
        milestones=_count(connection, f"(SELECT DISTINCT milestone_id FROM {into})"),  # noqa: S608
        starts=[row[0] for row in starts],
        tables=[row[0] for row in tables],
    )


def _since(sweep_id: str, catalog: str, columns: str, *, required: str) -> str:
    after = f"sweep_id > {literal(sweep_id)} AND {quote(required)} <> ''"
    return f"SELECT DISTINCT {columns} FROM {_table(catalog)} WHERE {after}"  # noqa: S608


def _table(catalog: str) -> str:
    return f"{quote(catalog)}.internal_touched"


_INSERT = "INSERT INTO internal_touched (sweep_id, milestone_id, table_name, is_after, start_date)"


def _log_milestones(connection: duckdb.DuckDBPyConnection, sweep_id: str, *, is_after: bool) -> None:
    connection.execute(
        f"{_INSERT} SELECT $1, milestone_id, '', $2, start_date "  # noqa: S608
        "FROM milestones SEMI JOIN touched USING (milestone_id)",
        [sweep_id, is_after],
    )


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]  # noqa: S608 - names of ours
    return count
