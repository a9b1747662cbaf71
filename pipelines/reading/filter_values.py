"""The values by which a sweep can be filtered, as the published milestones have them. Read-only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb

from pipelines.reading.connection import run_query
from schemas.leagues import COMPETITION_KEYS

VALUES: dict[str, str] = {
    "category": "SELECT milestone_id, category AS value FROM milestones",
    "type": "SELECT milestone_id, type AS value FROM milestones",
    "event": "SELECT milestone_id, event_ticker AS value FROM milestone_events",
    "source_id": "SELECT milestone_id, source_id AS value FROM milestones "
    "UNION SELECT milestone_id, provider_id FROM milestone_sources",
    "competition": " UNION ".join(
        f"SELECT milestone_id, json_extract_string(details, '$.{key}') AS value FROM milestones"  # noqa: S608
        for key in COMPETITION_KEYS
    ),
}
"""By option of `milestones ingest`: the milestones and the values that they have."""

_COLUMNS = {
    name: f"SELECT milestone_id, {name} AS value FROM milestones"  # noqa: S608
    for name in ("category_group", "league")
}
"""The same for columns that are no option of `milestones ingest`."""

MIN_SIMILARITY = 0.85
"""Of Jaro and Winkler: a ticker with a wrong letter has 0.99, the first part of a ticker 0.88, another UUID 0.6."""


def known_values(connection: duckdb.DuckDBPyConnection, option: str) -> list[str]:
    """Every value of an option, or of the columns category_group and league, the most frequent first."""
    values = (VALUES | _COLUMNS)[option]
    query = f"SELECT value FROM ({values}) WHERE value IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1"  # noqa: S608
    return [row[0] for row in run_query(connection, query).rows]


def similar_values(connection: duckdb.DuckDBPyConnection, option: str, value: str, *, at_most: int) -> list[str]:
    """The values most similar to one, in any case: for values of which there are hundreds of thousands."""
    query = f"""
        SELECT value, jaro_winkler_similarity(lower(value), lower($wanted)) AS similarity
        FROM (SELECT DISTINCT value FROM ({VALUES[option]}) WHERE value IS NOT NULL)
        WHERE similarity >= $least ORDER BY similarity DESC, value LIMIT $at_most
    """  # noqa: S608
    parameters = {"wanted": value, "least": MIN_SIMILARITY, "at_most": at_most}
    return [row[0] for row in run_query(connection, query, parameters).rows]


def matching_milestones(connection: duckdb.DuckDBPyConnection, filters: Mapping[str, Any]) -> int:
    """How many listed milestones match the filters: values by option, and times for `since` and `until`."""
    conditions, parameters = ["vanished_at IS NULL"], {}
    for option, wanted in filters.items():
        if option in VALUES:
            conditions.append(f"milestone_id IN (SELECT milestone_id FROM ({VALUES[option]}) WHERE value = ${option})")  # noqa: S608
        else:
            conditions.append(f"start_date {'>=' if option == 'since' else '<'} ${option}")
        parameters[option] = wanted
    query = f"SELECT count(*) FROM milestones WHERE {' AND '.join(conditions)}"  # noqa: S608
    count: int = run_query(connection, query, parameters).rows[0][0]
    return count
