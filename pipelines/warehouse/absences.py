"""Absences: milestones that a complete full sweep did not list, and whether they look deleted or archived.

Kalshi removes history from its lists by age. Nearly all absent milestones then start before some cutoff, and nearly
no listed milestone does. Deleted milestones, and lists cut short by an outage, show no such cutoff.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.sql import literal

MIN_ARCHIVED = 21
"""Fewer unlisted milestones show no pattern. Requesting them by id is cheap."""

MAX_EXCEPTIONS_SHARE = 0.05
"""The cutoff may misplace this share of the unlisted milestones: unlisted ones that start later, listed ones that start
earlier. Some open events stay listed among history, and some later milestones are deleted."""

FUZZY = timedelta(days=7)
"""Kalshi archives a milestone when it is settled, not when it starts. Absent milestones that start this soon after the
cutoff are not requested by id: a later cutoff will include them."""


@dataclass(frozen=True)
class Archive:
    """A cutoff `before` (UTC): nearly all unlisted milestones start before it, and nearly no listed one does.

    `ids` are the absent milestones that start before the cutoff, ordered by start; `absent` counts all absent ones.
    `twice` are those of `ids` that were also absent from the previous full sweep.
    """

    before: datetime
    absent: int
    ids: list[str]
    twice: list[str]

    def __str__(self) -> str:
        day = f"{self.before:%Y-%m-%d}" if self.before.time() == time() else f"{self.before:%Y-%m-%dT%H:%M:%SZ}"
        which = "all" if len(self.ids) == self.absent else f"{len(self.ids):,} of the"
        return f"{which} {self.absent:,} absent milestones start before {day}: history may have been archived"


@dataclass(frozen=True)
class Absences:
    """What a complete full sweep did not list.

    The sweep should have listed `expected` milestones and missed `absent` of them. Milestones that were absent from the
    previous full sweep do not count as expected, nor do vanished and archived ones.
    `twice` are the milestones absent from both sweeps that neither look archived nor start soon after, in random order.
    """

    expected: int
    absent: int
    archive: Archive | None = None
    twice: list[str] = field(default_factory=list)


def find_absences(connection: duckdb.DuckDBPyConnection, seen: list[pa.Array], absent_file: Path) -> Absences:
    """Compare the listed milestone_ids with the stored ones. Writes all absent milestone_ids to `absent_file`."""
    _write_absent(connection, seen, absent_file)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE absent AS SELECT milestone_id, start_date, was_absent.sweep_id IS NOT NULL AS "
        "is_twice FROM read_parquet(?) JOIN milestones USING (milestone_id) "
        "LEFT JOIN internal_absences AS was_absent USING (milestone_id)",
        [str(absent_file)],
    )
    new, twice = connection.execute(
        "SELECT count(*) FILTER (NOT is_twice), count(*) FILTER (is_twice) FROM absent"
    ).fetchall()[0]
    stored = connection.execute(
        "SELECT count(*) FROM milestones ANTI JOIN archived_milestones USING (milestone_id) WHERE vanished_at IS NULL"
    ).fetchall()[0][0]
    archive = _find_archive(connection)
    # Random order: an id that the API still answers stays absent, and must not use up the quota of every sweep.
    unexplained = connection.execute(
        "SELECT milestone_id FROM absent WHERE is_twice AND NOT coalesce(start_date < $1, false) ORDER BY random()",
        [archive.before + FUZZY if archive else None],
    ).fetchall()
    return Absences(stored - twice, new, archive, [row[0] for row in unexplained])


def _write_absent(connection: duckdb.DuckDBPyConnection, seen: list[pa.Array], absent_file: Path) -> None:
    seen_file = absent_file.with_name("seen.parquet")
    pq.write_table(pa.table({"milestone_id": pa.chunked_array(seen, pa.string())}), seen_file)
    connection.execute(
        "COPY (SELECT milestone_id FROM milestones "  # noqa: S608
        f"ANTI JOIN read_parquet({literal(str(seen_file))}) AS seen USING (milestone_id) "
        "ANTI JOIN archived_milestones USING (milestone_id) "
        f"WHERE vanished_at IS NULL ORDER BY milestone_id) TO {literal(str(absent_file))} (FORMAT parquet)"
    )
    seen_file.unlink()


_BEST_CUTOFF = f"""
WITH unlisted AS (
    SELECT milestone_id FROM absent UNION ALL SELECT milestone_id FROM archived_milestones
), starts AS (
    SELECT start_date,
           count(*) FILTER (unlisted.milestone_id IS NOT NULL) AS unlisted,
           count(*) FILTER (unlisted.milestone_id IS NULL) AS listed
    FROM milestones LEFT JOIN unlisted USING (milestone_id)
    WHERE vanished_at IS NULL AND start_date IS NOT NULL
    GROUP BY start_date
), splits AS (
    SELECT start_date, lead(start_date) OVER earlier AS following,
           sum(unlisted) OVER () AS unlisted, sum(listed) OVER () AS listed,
           sum(unlisted) OVER earlier AS unlisted_before, sum(listed) OVER earlier AS listed_before
    FROM starts WINDOW earlier AS (ORDER BY start_date)
)
SELECT CASE WHEN date_trunc('day', following) > start_date THEN date_trunc('day', following)
            ELSE following END AS before
FROM splits
WHERE unlisted >= {MIN_ARCHIVED} AND listed > listed_before
  AND listed_before + (unlisted - unlisted_before) <= {MAX_EXCEPTIONS_SHARE} * unlisted
ORDER BY listed_before + (unlisted - unlisted_before), before
LIMIT 1
"""  # noqa: S608
"""The cutoff that separates unlisted from listed milestones with the fewest exceptions, if there are few enough. It is
midnight if no milestone starts in between."""


def _find_archive(connection: duckdb.DuckDBPyConnection) -> Archive | None:
    cutoffs = connection.execute(_BEST_CUTOFF).fetchall()
    if not cutoffs:
        return None
    ((before,),) = cutoffs
    rows = connection.execute(
        "SELECT milestone_id, is_twice FROM absent WHERE start_date < $1 ORDER BY start_date, milestone_id", [before]
    ).fetchall()
    absent = connection.execute("SELECT count(*) FROM absent").fetchall()[0][0]
    return Archive(before, absent, [row[0] for row in rows], [row[0] for row in rows if row[1]])
