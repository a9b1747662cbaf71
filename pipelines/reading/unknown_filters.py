"""Messages for filters that matched no milestone: name unknown values and suggest similar ones."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

import duckdb

from pipelines.reading.connection import run_query
from schemas.sql import quote

SUGGESTED, LISTED = 3, 8
"""How many values a message names: similar ones, or else the most frequent ones."""


def unknown_filters(connection: duckdb.DuckDBPyConnection, **filters: str | None) -> list[str]:
    """A message for each filter whose value no published milestone has. The keywords are columns of `milestones`."""
    lines = []
    for column, value in filters.items():
        if value is None:
            continue
        known = run_query(
            connection,
            f"SELECT {quote(column)} FROM milestones WHERE {quote(column)} IS NOT NULL "  # noqa: S608
            "GROUP BY 1 ORDER BY count(*) DESC, 1",
        )
        values = [row[0] for row in known.rows]
        if value not in values:
            lines.append(f"there is no {column} {value} among the published milestones{_suggestion(value, values)}")
    return lines


def _suggestion(value: str, values: list[str]) -> str:
    if similar := _similar(value, values):
        return f"; did you mean {' or '.join(similar)}?"
    if not values:
        return ", as there are none yet: run milestones ingest without filters first"
    more = f" and {len(values) - LISTED:,} more" if len(values) > LISTED else ""
    return f"; there are: {', '.join(values[:LISTED])}{more}"


def _similar(value: str, values: Iterable[str]) -> list[str]:
    """Similar values, most similar first. Case does not matter."""
    by_folded: dict[str, list[str]] = {}
    for known in values:
        by_folded.setdefault(known.casefold(), []).append(known)
    similar = get_close_matches(value.casefold(), by_folded, n=SUGGESTED)
    return [known for folded in similar for known in by_folded[folded]][:SUGGESTED]
