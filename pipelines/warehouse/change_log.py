"""What sweeps touched since something was published: what publishing must write anew, and what it may leave as it is.

Kept in `internal_touched`, in the load's own transaction. Every loaded sweep has a row without a milestone: only where
that of the published sweep is still there is it known what changed since; everything is published anew otherwise.
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

WORTH_KNOWING_SHARE = 0.2
"""Of the milestones. Where a sweep touches more, publishing everything anew is as fast."""

SWEEPS_KNOWN = 10
"""The newest so many. Publishing follows each load, and asks for what came after the last or the one before."""


@dataclass(frozen=True)
class Touched:
    """What changed since a sweep: how many milestones, the starts they had or have, typed tables made or dropped."""

    milestones: int
    starts: list[datetime | None]
    tables: list[str]


def note_before(
    connection: duckdb.DuckDBPyConnection, staging: Staging, sweep_id: str, *, others: Iterable[str]
) -> bool:
    """Before a load changes anything: which milestones it touches and where they stood; False where too many are.

    `others` are milestones that it touches without a staged record.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE touched AS "
        "SELECT milestone_id FROM read_parquet($latest) UNION SELECT milestone_id FROM read_parquet($updated_only) "
        "UNION SELECT unnest($others::VARCHAR[])",
        {"latest": staging.files(LATEST), "updated_only": str(staging.updated_only), "others": list(others)},
    )
    if _count(connection, "touched") > WORTH_KNOWING_SHARE * _count(connection, "milestones"):
        forget(connection)
        return False
    _note_milestones(connection, sweep_id, is_after=False)
    return True


def note_after(connection: duckdb.DuckDBPyConnection, sweep_id: str, *, is_known: bool, remade: Iterable[str]) -> None:
    """After a load changed everything, in the same transaction: where they stand now. `is_known`: see `note_before`."""
    connection.execute(f"{_NOTE} SELECT $1, '', '', true, NULL", [sweep_id])
    connection.execute(
        "DELETE FROM internal_touched WHERE sweep_id < (SELECT min(sweep_id) FROM "
        "(SELECT DISTINCT sweep_id FROM internal_touched ORDER BY sweep_id DESC LIMIT ?))",
        [SWEEPS_KNOWN],
    )
    if not is_known:
        return
    _note_milestones(connection, sweep_id, is_after=True)
    for name in remade:
        connection.execute(f"{_NOTE} SELECT $1, '', $2, true, NULL", [sweep_id, name])


def forget(connection: duckdb.DuckDBPyConnection) -> None:
    """From here on nothing is known of what changed before."""
    connection.execute("DELETE FROM internal_touched")


def is_known(connection: duckdb.DuckDBPyConnection, sweep_id: str, *, catalog: str = CATALOG) -> bool:
    """Whether the warehouse attached as `catalog` knows what was touched since a sweep."""
    query = f"SELECT 1 FROM {_noted(catalog)} WHERE sweep_id = ? AND milestone_id = '' AND table_name = ''"  # noqa: S608
    return bool(connection.execute(query, [sweep_id]).fetchall())


def rows_since(sweep_id: str, *, catalog: str = CATALOG) -> str:
    """A query for what was touched by the sweeps after one that `is_known`.

    A row for each milestone_id and each start_date that it had or has.
    """
    return _since(sweep_id, catalog, "milestone_id, start_date", noted="milestone_id")


def touched_since(connection: duckdb.DuckDBPyConnection, sweep_id: str, *, catalog: str, into: str) -> Touched:
    """What was touched by the sweeps after one that `is_known`; the table `into` has the rows of `rows_since` then."""
    connection.execute(f"CREATE OR REPLACE TABLE {into} AS {rows_since(sweep_id, catalog=catalog)}")
    starts = connection.execute(f"SELECT DISTINCT start_date FROM {into}").fetchall()  # noqa: S608
    tables = connection.execute(_since(sweep_id, catalog, "table_name", noted="table_name")).fetchall()
    return Touched(
        milestones=_count(connection, f"(SELECT DISTINCT milestone_id FROM {into})"),  # noqa: S608
        starts=[row[0] for row in starts],
        tables=[row[0] for row in tables],
    )


def _since(sweep_id: str, catalog: str, columns: str, *, noted: str) -> str:
    after = f"sweep_id > {literal(sweep_id)} AND {quote(noted)} <> ''"
    return f"SELECT DISTINCT {columns} FROM {_noted(catalog)} WHERE {after}"  # noqa: S608


def _noted(catalog: str) -> str:
    return f"{quote(catalog)}.internal_touched"


_NOTE = "INSERT INTO internal_touched (sweep_id, milestone_id, table_name, is_after, start_date)"


def _note_milestones(connection: duckdb.DuckDBPyConnection, sweep_id: str, *, is_after: bool) -> None:
    connection.execute(
        f"{_NOTE} SELECT $1, milestone_id, '', $2, start_date "  # noqa: S608
        "FROM milestones SEMI JOIN touched USING (milestone_id)",
        [sweep_id, is_after],
    )


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]  # noqa: S608 - names of ours
    return count
