"""What sweeps touched since something was published: what publishing must write anew, and what it may leave as it is.

Kept in `internal_touched`, in the load's own transaction. Every loaded sweep has a row without a milestone: only where
that of the published sweep is still there is it known what changed since; everything is published anew otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import duckdb

from pipelines.reader import CATALOG
from pipelines.staging import Staging
from schemas.sql import quote
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


def note_before(connection: duckdb.DuckDBPyConnection, staging: Staging, sweep_id: str, *, gone: Iterable[str]) -> bool:
    """Before a load changes anything: which milestones it touches and where they stood; False where too many are."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE touched AS "
        "SELECT milestone_id FROM read_parquet($latest) UNION SELECT milestone_id FROM read_parquet($touched) "
        "UNION SELECT unnest($gone::VARCHAR[])",
        {"latest": staging.files(LATEST), "touched": str(staging.touched), "gone": list(gone)},
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


def touched_since(connection: duckdb.DuckDBPyConnection, sweep_id: str | None, *, catalog: str) -> Touched | None:
    """What was touched by the sweeps after this one, as the warehouse attached as `catalog` knows; None if it does not.

    The milestone_ids stand in the connection's table `touched`.
    """
    noted = f"{quote(catalog)}.internal_touched"
    own = f"SELECT 1 FROM {noted} WHERE sweep_id = ? AND milestone_id = '' AND table_name = ''"  # noqa: S608
    if sweep_id is None or not connection.execute(own, [sweep_id]).fetchall():
        return None

    def since(columns: str, column: str) -> str:
        return f"SELECT DISTINCT {columns} FROM {noted} WHERE sweep_id > ? AND {column} <> ''"  # noqa: S608

    ids = since("milestone_id", "milestone_id")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE touched AS {ids}", [sweep_id])
    starts = connection.execute(since("start_date", "milestone_id"), [sweep_id]).fetchall()
    tables = connection.execute(since("table_name", "table_name"), [sweep_id]).fetchall()
    return Touched(_count(connection, "touched"), [row[0] for row in starts], [row[0] for row in tables])


def tables_of_touched(connection: duckdb.DuckDBPyConnection, *, catalog: str = CATALOG) -> frozenset[str]:
    """The typed tables in which the milestones of the table `touched` stand in a file, told by their types."""
    rows = connection.execute(
        f"SELECT DISTINCT table_name FROM {quote(catalog)}.details_fields WHERE type IN "  # noqa: S608
        f"(SELECT type FROM {quote(catalog)}.milestones SEMI JOIN touched USING (milestone_id))"
    ).fetchall()
    return frozenset(row[0] for row in rows)


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
