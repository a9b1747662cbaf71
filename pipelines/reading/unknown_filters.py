"""Messages for filters that matched no milestone: name unknown values and suggest similar ones."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

import duckdb

from pipelines.reading.filter_values import known_values, similar_values

SUGGESTED, LISTED = 3, 8
"""How many values a message names: similar ones, or else the most frequent ones."""

_NAMES = {"event": "event ticker", "source_id": "source id"}
_COUNTLESS = tuple(_NAMES)
"""Filters with hundreds of thousands of values: DuckDB compares them, and the most frequent ones tell nothing."""

_CODES = " (the API filters by codes such as NFL and EPL, which details may spell otherwise)"


def unknown_filters(connection: duckdb.DuckDBPyConnection, **filters: str | None) -> list[str]:
    """A message for each filter whose value no published milestone has; the keywords are those of `known_values`."""
    lines = []
    for option, value in filters.items():
        if value is None:
            continue
        if option in _COUNTLESS:
            found = similar_values(connection, option, value, at_most=SUGGESTED)
            suggestion = _did_you_mean(found)
        else:
            found = known_values(connection, option)
            suggestion = _suggestion(value, found)
        if value not in found:
            name = _NAMES.get(option, option)
            hint = _CODES if option == "competition" else ""
            lines.append(f"there is no {name} {value} among the published milestones{suggestion}{hint}")
    return lines


def _suggestion(value: str, values: list[str]) -> str:
    if similar := _similar(value, values):
        return _did_you_mean(similar)
    if not values:
        return ", as there are none yet: run milestones ingest without filters first"
    more = f" and {len(values) - LISTED:,} more" if len(values) > LISTED else ""
    return f"; there are: {', '.join(values[:LISTED])}{more}"


def _did_you_mean(similar: list[str]) -> str:
    return f"; did you mean {' or '.join(similar)}?" if similar else ""


def _similar(value: str, values: Iterable[str]) -> list[str]:
    """Similar values, most similar first. Case does not matter."""
    by_folded: dict[str, list[str]] = {}
    for known in values:
        by_folded.setdefault(known.casefold(), []).append(known)
    similar = get_close_matches(value.casefold(), by_folded, n=SUGGESTED)
    return [known for folded in similar for known in by_folded[folded]][:SUGGESTED]
