"""What to say of a sweep that a filter left without milestones: is its value known, and what is spelled alike."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from pipelines.reading.published import query_home
from pipelines.storage.home import Home
from schemas.sql import quote

NEAR, LISTED = 3, 8
"""How many spellings are named: of those alike, or else of those that most milestones have."""


def unknown_filters(home: Home, **filters: str | None) -> list[str]:
    """A line for each filter whose value no published milestone has. The names are columns of `milestones`."""
    lines = []
    for column, value in filters.items():
        if value is None:
            continue
        known = query_home(
            home,
            f"SELECT {quote(column)} FROM milestones WHERE {quote(column)} IS NOT NULL "  # noqa: S608
            "GROUP BY 1 ORDER BY count(*) DESC, 1",
        )
        spellings = [row[0] for row in known.rows]
        if value not in spellings:
            lines.append(f"there is no {column} {value} among the published milestones{_instead(value, spellings)}")
    return lines


def _instead(value: str, spellings: list[str]) -> str:
    if near := _near(value, spellings):
        return f"; did you mean {' or '.join(near)}?"
    if not spellings:
        return ", of which there are none yet: run milestones ingest first, without a filter"
    more = f" and {len(spellings) - LISTED:,} more" if len(spellings) > LISTED else ""
    return f"; there are: {', '.join(spellings[:LISTED])}{more}"


def _near(value: str, spellings: Iterable[str]) -> list[str]:
    """Spellings alike; case does not matter, and one whose case alone differs comes first."""
    by_folded: dict[str, list[str]] = {}
    for one in spellings:
        by_folded.setdefault(one.casefold(), []).append(one)
    near = get_close_matches(value.casefold(), by_folded, n=NEAR)
    return [one for folded in near for one in by_folded[folded]][:NEAR]
