"""What is live, and what starts within the next hours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import duckdb

from board.queries.live_data import NEWEST
from board.queries.participants import listed_for
from board.rows import fetch
from board.search_text import fold


@dataclass(frozen=True)
class CurrentMilestone:
    """A milestone that is live or starts soon; a missing end is guessed and marked."""

    milestone_id: str
    category_group: str
    type: str
    title: str
    league: str | None
    status: str | None
    status_group: str | None
    main_event_ticker: str | None
    main_event_title: str | None
    tickers: str
    """The tickers of all its events, separated by spaces."""
    participants: str | None
    """Their names in one line."""
    participant_names: str
    """All spellings of all their names, for searching."""
    starts_at: datetime
    start_is_tentative: bool
    ends_at: datetime
    end_is_guessed: bool
    is_live: bool
    score: str | None
    live_status: str | None
    observed_at: datetime | None
    """When the score and the live status were first seen."""


CURRENT_MILESTONES = f"""
    WITH listed AS (
        SELECT milestone_id, category_group, type, title, league, status, status_group, main_event_ticker,
               start_date AS starts_at, start_is_tentative, ends_at, end_is_guessed, true AS is_live
        FROM live_milestones
        UNION ALL BY NAME
        SELECT milestone_id, category_group, type, title, league, status, status_group, main_event_ticker,
               start_date AS starts_at, start_is_tentative,
               CASE WHEN end_date > start_date THEN end_date
                    ELSE start_date + coalesce(usual_duration, INTERVAL 3 HOUR) END AS ends_at,
               NOT coalesce(end_date > start_date, false) AS end_is_guessed, false AS is_live
        FROM milestones_starting_within($hours) LEFT JOIN usual_durations USING (type)
    ), tickers AS (
        SELECT milestone_id, string_agg(event_ticker, ' ' ORDER BY event_ticker) AS tickers
        FROM milestone_events SEMI JOIN listed USING (milestone_id) GROUP BY milestone_id
    )
    SELECT listed.*, events.title AS main_event_title, coalesce(tickers, '') AS tickers, participants,
           coalesce(participant_names, '') AS participant_names, score, live_status, observed_at
    FROM listed LEFT JOIN tickers USING (milestone_id)
         LEFT JOIN ({listed_for("listed")}) AS participants USING (milestone_id)
         LEFT JOIN ({NEWEST}) AS newest USING (milestone_id)
         LEFT JOIN events ON events.event_ticker = main_event_ticker
    ORDER BY starts_at, listed.title, milestone_id
"""  # noqa: S608 - of constants


def current_milestones(connection: duckdb.DuckDBPyConnection, hours: int) -> tuple[CurrentMilestone, ...]:
    """Live milestones and those that start within `hours`, by start."""
    return fetch(connection, CurrentMilestone, CURRENT_MILESTONES, {"hours": hours})


@dataclass(frozen=True)
class Filters:
    """The filters that the viewer chose; an empty filter matches all."""

    groups: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    leagues: frozenset[str] = frozenset()
    search: str = ""

    def matches(self, milestone: CurrentMilestone) -> bool:
        """Whether the milestone passes."""
        return (
            (not self.groups or milestone.category_group in self.groups)
            and (not self.types or milestone.type in self.types)
            and (not self.leagues or milestone.league in self.leagues)
            and (not self.search or self._is_found(milestone))
        )

    def _is_found(self, milestone: CurrentMilestone) -> bool:
        """Whether every word of the search is in the milestone's titles, tickers, league or participants' names.

        Accents are ignored: most keyboards lack them.
        """
        titles = (milestone.title, milestone.main_event_title)
        others = (milestone.tickers, milestone.league, milestone.participant_names)
        text = fold(" ".join(text or "" for text in (*titles, *others)))
        return all(word in text for word in fold(self.search).split())

    def apply(self, milestones: Iterable[CurrentMilestone]) -> tuple[CurrentMilestone, ...]:
        """The milestones that pass, in the same order."""
        return tuple(milestone for milestone in milestones if self.matches(milestone))
