"""One event: its titles, its milestones, its best start, and the starts of all their versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from board.queries.participants import SEARCHED_NAMES, listed_for
from board.queries.start_versions import StartVersion, start_versions_where
from board.rows import fetch, fetch_one
from board.search_text import folded

ONE_GAME_SPREAD = timedelta(days=1)
"""Several listed starts of one game differ by no more than this."""


@dataclass(frozen=True)
class Event:
    """An event as Kalshi describes it."""

    event_ticker: str
    event_title: str | None
    sub_title: str | None
    series_ticker: str | None
    series_title: str | None
    competition: str | None
    competition_scope: str | None


@dataclass(frozen=True)
class EventStart:
    """The start of an event, and how certain it is."""

    event_ticker: str
    starts_at: datetime | None
    basis: str
    title: str
    type: str
    milestones: int
    is_ambiguous: bool
    earliest_start: datetime | None
    latest_start: datetime | None
    spread: timedelta | None
    has_placeholder_dates: bool
    start_is_tentative: bool

    @property
    def is_shared(self) -> bool:
        """Whether the event belongs to several games and has no start of its own.

        It is only related to them, like a season's future, or their starts differ too much for one game.
        """
        return self.is_ambiguous and (self.basis == "related" or (self.spread or timedelta(0)) > ONE_GAME_SPREAD)


@dataclass(frozen=True)
class EventMilestone:
    """A milestone of an event, and the event's role in it."""

    milestone_id: str
    role: str
    category_group: str
    type: str
    title: str
    participants: str | None
    start_date: datetime | None
    start_is_tentative: bool
    end_date: datetime | None
    league: str | None
    status: str | None
    status_group: str | None
    is_simulated: bool
    vanished_at: datetime | None


@dataclass(frozen=True)
class Suggestion:
    """An event that matches a search, with its first milestone and the participants of that."""

    event_ticker: str
    event_title: str | None
    title: str
    participants: str | None
    starts_at: datetime | None
    milestones: int


@dataclass(frozen=True)
class Moved:
    """An event whose start moved."""

    event_ticker: str
    event_title: str | None
    title: str
    old_start: datetime
    new_start: datetime
    shift: timedelta
    seen_at: datetime


EVENT = """
    SELECT event_ticker, events.title AS event_title, sub_title, series_ticker, series.title AS series_title,
           competition, competition_scope
    FROM events LEFT JOIN series USING (series_ticker)
    WHERE event_ticker = $ticker
"""

EVENT_START = """
    SELECT event_ticker, starts_at, basis, title, type, milestones, is_ambiguous, earliest_start, latest_start, spread,
           has_placeholder_dates, start_is_tentative
    FROM event_starts WHERE event_ticker = $ticker
"""

EVENT_MILESTONES = f"""
    WITH named AS (FROM milestone_events WHERE event_ticker = $ticker)
    SELECT milestone_id, CASE WHEN is_main THEN 'main' WHEN is_primary THEN 'primary' ELSE 'related' END AS role,
           category_group, type, title, participants, start_date, start_is_tentative, end_date, league, status,
           status_group, is_simulated, vanished_at
    FROM named JOIN milestones USING (milestone_id)
         LEFT JOIN ({listed_for("named")}) AS participants USING (milestone_id)
    ORDER BY is_main DESC, is_primary DESC, start_date, milestone_id
"""  # noqa: S608 - of constants

# Every word of the text is in the title of a milestone or in a name of a participant, or every word is in the event's
# titles, whatever its case and accents; or the text is in the ticker.
SUGGESTIONS = f"""
    WITH words AS (
        SELECT DISTINCT {folded("unnest($words)")} AS word
    ), targets AS (
        SELECT target_id, word
        FROM structured_targets JOIN words ON contains({folded(SEARCHED_NAMES)}, word)
    ), titled AS (
        SELECT milestone_id
        FROM (
            SELECT milestone_id, word
            FROM milestones JOIN words ON contains({folded("coalesce(title, '')")}, word)
            UNION
            SELECT milestone_id, word FROM targets JOIN milestone_entities ON entity_id = target_id
        )
        GROUP BY milestone_id HAVING count(*) = (SELECT count(*) FROM words)
    ), called AS (
        SELECT event_ticker
        FROM events JOIN words ON contains({folded("concat_ws(' ', title, sub_title)")}, word)
        GROUP BY event_ticker HAVING count(*) = (SELECT count(*) FROM words)
    ), found AS (
        SELECT event_ticker FROM milestone_events WHERE contains(upper(event_ticker), upper($text))
        UNION
        SELECT event_ticker FROM milestone_events SEMI JOIN titled USING (milestone_id)
        UNION
        SELECT event_ticker FROM called
    ), offered AS (
        SELECT event_ticker, count(*) AS milestones, min(start_date) AS starts_at,
               arg_min(milestone_id, (titled.milestone_id IS NULL, start_date, milestone_id)) AS milestone_id,
               contains(upper(event_ticker), upper($text)) AS is_spelled,
               row_number() OVER (
                   ORDER BY NOT starts_with(upper(event_ticker), upper($text)), NOT is_spelled, count(*) > 1,
                            CASE WHEN is_spelled THEN length(event_ticker) END,
                            abs(epoch(min(start_date)) - epoch(now())), event_ticker
               ) AS place
        FROM milestone_events SEMI JOIN found USING (event_ticker)
             JOIN milestones USING (milestone_id) LEFT JOIN titled USING (milestone_id)
        GROUP BY event_ticker
        QUALIFY place <= $limit
    )
    SELECT event_ticker, events.title AS event_title, milestones.title, participants, starts_at, offered.milestones
    FROM offered JOIN milestones USING (milestone_id) LEFT JOIN events USING (event_ticker)
         LEFT JOIN ({listed_for("offered")}) AS participants USING (milestone_id)
    ORDER BY place
"""  # noqa: S608 - of constants

# One event per shift: a season's future moves with every game and would fill the list.
MOVED = """
    WITH moved AS (
        SELECT event_ticker, title, old_start, new_start, shift, seen_at
        FROM reschedules JOIN milestone_events USING (milestone_id)
        WHERE is_main OR is_primary
        QUALIFY row_number() OVER (PARTITION BY milestone_id ORDER BY seen_at DESC, NOT is_main, primary_position,
                                   event_ticker) = 1
        ORDER BY seen_at DESC, abs(epoch(shift)) DESC, event_ticker
        LIMIT $limit
    )
    SELECT moved.*, events.title AS event_title
    FROM moved LEFT JOIN events USING (event_ticker)
    ORDER BY seen_at DESC, abs(epoch(shift)) DESC, event_ticker
"""

NEXT = f"""
    WITH coming AS (
        SELECT event_ticker, milestone_id, title, start_date AS starts_at
        FROM upcoming_milestones JOIN milestone_events USING (milestone_id)
        WHERE is_main OR is_primary
        ORDER BY start_date, event_ticker
        LIMIT $limit
    )
    SELECT event_ticker, events.title AS event_title, coming.title, participants, starts_at, 1 AS milestones
    FROM coming LEFT JOIN events USING (event_ticker)
         LEFT JOIN ({listed_for("coming")}) AS participants USING (milestone_id)
    ORDER BY starts_at, event_ticker
"""  # noqa: S608 - of constants


def event(connection: duckdb.DuckDBPyConnection, ticker: str) -> Event | None:
    """The event's titles, series and competition; None if they are not known."""
    return fetch_one(connection, Event, EVENT, {"ticker": ticker})


def event_start(connection: duckdb.DuckDBPyConnection, ticker: str) -> EventStart | None:
    """The event's best start; None if only simulated and vanished milestones name it, or none."""
    return fetch_one(connection, EventStart, EVENT_START, {"ticker": ticker})


def event_milestones(connection: duckdb.DuckDBPyConnection, ticker: str) -> tuple[EventMilestone, ...]:
    """Every milestone that names the event, simulated and vanished ones included."""
    return fetch(connection, EventMilestone, EVENT_MILESTONES, {"ticker": ticker})


def start_versions(connection: duckdb.DuckDBPyConnection, ticker: str) -> tuple[StartVersion, ...]:
    """Every start that was ever listed for the event's milestones."""
    return start_versions_where(
        connection,
        "milestone_id IN (SELECT milestone_id FROM milestone_events WHERE event_ticker = $ticker)",
        {"ticker": ticker},
    )


def suggestions(connection: duckdb.DuckDBPyConnection, text: str, limit: int) -> tuple[Suggestion, ...]:
    """Events whose ticker contains the text, those that begin with it first; then events with its words in a title
    or in the names of participants, the nearest start first.
    """
    return fetch(connection, Suggestion, SUGGESTIONS, {"text": text, "words": text.split(), "limit": limit})


def moved(connection: duckdb.DuckDBPyConnection, limit: int) -> tuple[Moved, ...]:
    """Events whose start moved, the latest shift first."""
    return fetch(connection, Moved, MOVED, {"limit": limit})


def starting_next(connection: duckdb.DuckDBPyConnection, limit: int) -> tuple[Suggestion, ...]:
    """Events that start next."""
    return fetch(connection, Suggestion, NEXT, {"limit": limit})
