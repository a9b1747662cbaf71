"""All types, as options of the filters."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from board.rows import fetch


@dataclass(frozen=True)
class KnownType:
    """A type in a category group."""

    category_group: str
    type: str
    milestones: int


KNOWN_TYPES = """
    SELECT category_group, type, count(*) AS milestones FROM milestones WHERE NOT is_simulated
    GROUP BY ALL ORDER BY milestones DESC, category_group, type
"""


def known_types(connection: duckdb.DuckDBPyConnection) -> tuple[KnownType, ...]:
    """Every type by group, the most frequent first."""
    return fetch(connection, KnownType, KNOWN_TYPES)
