"""The start that each version of a milestone listed, and when it was valid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from board.rows import Parameters, fetch


@dataclass(frozen=True)
class StartVersion:
    """The start in one version of a milestone, and the period in which that version was the current one."""

    milestone_id: str
    title: str
    version: int
    start_date: datetime | None
    valid_from: datetime
    valid_to: datetime | None


def start_versions_where(
    connection: duckdb.DuckDBPyConnection, condition: str, parameters: Parameters
) -> tuple[StartVersion, ...]:
    """The versions of the milestones that meet a condition (trusted SQL), by milestone and version."""
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
