"""What was believed of a start, and when: one row for each version of each milestone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from board.rows import Parameters, fetch


@dataclass(frozen=True)
class StartVersion:
    """What one version of a milestone said of its start, and from when to when that was held."""

    milestone_id: str
    title: str
    version: int
    start_date: datetime | None
    valid_from: datetime
    valid_to: datetime | None


def start_versions_where(
    connection: duckdb.DuckDBPyConnection, condition: str, parameters: Parameters
) -> tuple[StartVersion, ...]:
    """The versions of the milestones that meet a condition, which is SQL of ours; by milestone and version."""
    query = f"""
        SELECT milestone_id, milestones.title, version,
               nullif(TRY_CAST(upper(record ->> '$.start_date') AS TIMESTAMPTZ), TIMESTAMPTZ '0001-01-01 00:00:00+00')
                   AS start_date,
               valid_from, valid_to
        FROM milestone_versions JOIN milestones USING (milestone_id)
        WHERE {condition}
        ORDER BY milestone_id, version
    """  # noqa: S608 - of constants
    return fetch(connection, StartVersion, query, parameters)
