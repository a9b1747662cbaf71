"""The start that each version of a milestone listed, and when it was valid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from board.queries.participants import listed_for
from board.rows import Parameters, fetch


@dataclass(frozen=True)
class StartVersion:
    """The start in one version of a milestone, and the period in which that version was the current one."""

    milestone_id: str
    title: str
    participants: str | None
    version: int
    start_date: datetime | None
    valid_from: datetime
    valid_to: datetime | None


def start_versions_where(
    connection: duckdb.DuckDBPyConnection, condition: str, parameters: Parameters
) -> tuple[StartVersion, ...]:
    """The versions of the milestones that meet a condition (trusted SQL), by milestone and version."""
    query = f"""
        WITH wanted AS (FROM milestones WHERE {condition})
        SELECT milestone_id, wanted.title, participants, version,
               nullif(TRY_CAST(upper(record ->> '$.start_date') AS TIMESTAMPTZ), TIMESTAMPTZ '0001-01-01 00:00:00+00')
                   AS start_date,
               valid_from, valid_to
        FROM milestone_versions JOIN wanted USING (milestone_id)
             LEFT JOIN ({listed_for("wanted")}) AS participants USING (milestone_id)
        ORDER BY milestone_id, version
    """  # noqa: S608 - of constants
    return fetch(connection, StartVersion, query, parameters)
