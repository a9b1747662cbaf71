"""The tools for frequent questions: what starts next, when an event starts, what changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Annotated, Any

import duckdb
from pydantic import BaseModel, Field

from pipelines.errors import WrongUse
from pipelines.mcp_server.answers import Answer, Arguments, freshness
from pipelines.mcp_server.limits import Limits
from pipelines.mcp_server.tables import UnknownName
from pipelines.mcp_server.values import markdown_table, short, short_rows
from pipelines.reading.connection import run_query
from pipelines.reading.unknown_filters import unknown_filters
from pipelines.wording import counted

_UPCOMING = """
    SELECT milestone_id, title, participants, type, category, league, start_date, start_is_tentative, end_date,
           status_group, main_event_ticker, round(starts_in_minutes, 1) AS starts_in_minutes, count(*) OVER () AS total
    FROM milestones_starting_within($hours, at_time := $now)
    WHERE ($type IS NULL OR type = $type) AND ($category IS NULL OR $category IN (category, category_group))
      AND ($league IS NULL OR league = $league)
    ORDER BY start_date, milestone_id LIMIT $limit
"""
_EVENT_START = """
    SELECT event_ticker, starts_at, basis, milestone_id, milestones, is_ambiguous, earliest_start, latest_start,
           spread_minutes, has_placeholder_dates, start_is_tentative, event_title, series_ticker, series_title
    FROM event_starts(include_simulated := $with_all, include_vanished := $with_all) WHERE event_ticker = $ticker
"""
_EVENT_MILESTONES = """
    SELECT milestone_id, title, type, start_date, start_is_tentative, end_date, status_group,
           CASE WHEN is_main THEN 'main' WHEN is_primary THEN 'primary' ELSE 'related' END AS role,
           is_simulated, vanished_at IS NOT NULL AS has_vanished
    FROM milestone_events JOIN milestones USING (milestone_id)
    WHERE event_ticker = $ticker AND ($with_all OR (NOT is_simulated AND vanished_at IS NULL))
    ORDER BY milestone_id <> $best, (['main', 'primary', 'related']).list_position(role), start_date, milestone_id
    LIMIT $limit
"""
_SIMILAR_TICKERS = """
    SELECT event_ticker FROM (SELECT DISTINCT event_ticker FROM milestone_events)
    WHERE jaro_winkler_similarity(event_ticker, upper($ticker)) > 0.8
    -- A market's ticker is that of its event with one more part.
    ORDER BY starts_with(upper($ticker), event_ticker || '-') DESC,
             jaro_winkler_similarity(event_ticker, upper($ticker)) DESC, event_ticker
    LIMIT 3
"""
_CHANGES = """
    SELECT seen_at, milestone_id, title, type, field, old, new, count(*) OVER () AS total
    FROM milestone_changes JOIN milestones USING (milestone_id)
    WHERE seen_at >= $since AND NOT is_simulated AND ($type IS NULL OR type = $type)
      AND ($field IS NULL OR field = $field OR starts_with(field, $field || '.'))
    ORDER BY seen_at DESC, milestone_id, milestone_changes.version, milestone_changes.position LIMIT $limit
"""
_CHANGED_FIELDS = "SELECT DISTINCT field FROM milestone_changes ORDER BY field"
_ARRIVALS = """
    SELECT count(*) FILTER (first_seen_at >= $since AND vanished_at IS NULL) AS new,
           count(*) FILTER (vanished_at >= $since) AS vanished
    FROM milestones WHERE NOT is_simulated AND ($type IS NULL OR type = $type)
"""
MILESTONES_SHOWN = 50
"""Milestones that event_start lists: a future on a season belongs to every game of the season."""

_Hours = Annotated[float, Field(gt=0, le=24 * 366 * 10, description="Number of hours; fractions are allowed.")]
_Limit = Annotated[int, Field(ge=1, le=1_000, description="Maximum number of rows to return; long ones are fewer.")]
_Type = Annotated[str | None, Field(description="Type of milestone, exactly, such as football_game.")]


class UpcomingArguments(Arguments):
    """Arguments of the tool upcoming."""

    hours: _Hours = 24
    type: _Type = None
    category: Annotated[str | None, Field(description="Category, exactly, such as Sports.")] = None
    league: Annotated[str | None, Field(description="League, tour or competition, exactly, such as NBA.")] = None
    limit: _Limit = 50


class UpcomingMilestone(BaseModel):
    """A milestone that has not started."""

    milestone_id: str
    title: str | None
    participants: str | None
    type: str | None
    category: str | None
    league: str | None
    start_date: datetime = Field(description="UTC")
    start_is_tentative: bool = Field(description="The start may still move.")
    end_date: datetime | None = Field(description="Planned end, UTC; null if there is none after the start.")
    status_group: str | None = Field(description="scheduled, live, unknown, or null without a status")
    main_event_ticker: str | None
    starts_in_minutes: float


class UpcomingAnswer(Answer):
    """Answer of the tool upcoming."""

    total: int = Field(description="Number of all milestones that match, also of those left out.")
    milestones: list[UpcomingMilestone]

    def paragraphs(self) -> list[str]:
        """The milestones as a table."""
        shown = (
            *("start_date", "start_is_tentative", "title", "participants", "type", "league", "status_group"),
            *("main_event_ticker", "milestone_id"),
        )
        return _listing(self.total, "milestone", self.milestones, shown)


class EventStartArguments(Arguments):
    """Arguments of the tool event_start."""

    event_ticker: str = Field(description="Ticker of an event, such as KXNBAGAME-26JAN05RENTUL.")


class EventMilestone(BaseModel):
    """A milestone that lists the event."""

    milestone_id: str
    title: str | None
    type: str | None
    start_date: datetime | None = Field(description="UTC")
    start_is_tentative: bool
    end_date: datetime | None = Field(description="UTC")
    status_group: str | None
    role: str = Field(description="Role of the event in this milestone: main, primary or related.")
    is_simulated: bool
    has_vanished: bool = Field(description="The API does not list the milestone any more.")


class EventStartAnswer(Answer):
    """Answer of the tool event_start."""

    event_ticker: str
    starts_at: datetime | None = Field(
        description="The best start, UTC: main before primary before related; else null."
    )
    basis: str = Field(description="Role of the event in the milestone used: main, primary or related.")
    milestone_id: str = Field(description="The milestone used.")
    is_ambiguous: bool = Field(description="The milestones of that role have more than one start.")
    earliest_start: datetime | None = Field(description="Earliest start of all its milestones, UTC.")
    latest_start: datetime | None = Field(description="Latest start of all its milestones, UTC.")
    spread_minutes: float | None = Field(description="Minutes between them.")
    has_placeholder_dates: bool = Field(description="starts_at is a placeholder, as no real start is known.")
    start_is_tentative: bool = Field(description="The start may still move.")
    event_title: str | None
    series_ticker: str | None
    series_title: str | None
    total: int = Field(description="Number of milestones that list the event.")
    milestones: list[EventMilestone] = Field(description="The milestones, the one used first.")
    notices: list[str] = Field(description="What makes this start uncertain.")

    def paragraphs(self) -> list[str]:
        """The start, what makes it uncertain, and the milestones as a table."""
        start = f"{self.starts_at:%Y-%m-%d %H:%M:%SZ}" if self.starts_at else "at an unknown time"
        title = f" ({self.event_title})" if self.event_title else ""
        shown = ("start_date", "role", "title", "type", "status_group", "milestone_id")
        return [
            f"{self.event_ticker}{title} starts {start}, by its {self.basis} milestone {self.milestone_id}.",
            *self.notices,
            *_listing(self.total, "milestone", self.milestones, shown),
        ]


class ChangesArguments(Arguments):
    """Arguments of the tool what_changed."""

    since: Annotated[
        datetime | None, Field(description="Time in RFC 3339, UTC if it has no zone. Instead of hours.")
    ] = None
    hours: Annotated[_Hours | None, Field(description="How many hours back; 24 if since is not given either.")] = None
    field: Annotated[
        str | None,
        Field(description="Field that changed, such as start_date or details.status; details means all of its fields."),
    ] = None
    type: _Type = None
    limit: _Limit = 100


class Change(BaseModel):
    """A change of one field."""

    seen_at: datetime = Field(description="When the change was first seen, UTC.")
    milestone_id: str
    title: str | None = Field(description="Current title of the milestone.")
    type: str | None
    field: str
    old: str | None
    new: str | None


class ChangesAnswer(Answer):
    """Answer of the tool what_changed."""

    since: datetime
    total: int = Field(description="Number of all changes that match, also of those left out.")
    new_milestones: int = Field(description="Milestones first seen since then.")
    vanished_milestones: int = Field(description="Milestones found to be unlisted since then.")
    changes: list[Change] = Field(description="The newest first.")

    def paragraphs(self) -> list[str]:
        """The changes as a table, and what is new and vanished."""
        shown = ("seen_at", "title", "type", "field", "old", "new", "milestone_id")
        arrivals = f"{counted(self.new_milestones, 'new milestone')}, {self.vanished_milestones:,} vanished"
        return [
            *_listing(self.total, "change", self.changes, shown),
            f"Since {self.since:%Y-%m-%d %H:%M:%SZ}: {arrivals}.",
        ]


def upcoming(
    connection: duckdb.DuckDBPyConnection, asked: UpcomingArguments, limits: Limits, *, now: datetime | None = None
) -> UpcomingAnswer:
    """What starts within some hours of `now`, the current time. Raises UnknownName for an unknown filter value."""
    asked.limit = min(asked.limit, limits.rows)
    rows, total = _counted_rows(connection, _UPCOMING, asked.model_dump() | {"now": now})
    if not rows and (unknown := _unknown(connection, asked)):
        raise UnknownName("; ".join(unknown))
    return UpcomingAnswer(
        **freshness(connection), total=total, milestones=[UpcomingMilestone(**row) for row in short_rows(rows)]
    )


def event_start(connection: duckdb.DuckDBPyConnection, asked: EventStartArguments, _: Limits) -> EventStartAnswer:
    """The best start of an event. Raises UnknownName with similar tickers."""
    ticker = asked.event_ticker.strip()
    notices = []
    with_all = False
    found = run_query(connection, _EVENT_START, {"ticker": ticker, "with_all": with_all}).records
    if not found:
        with_all = True
        found = run_query(connection, _EVENT_START, {"ticker": ticker, "with_all": with_all}).records
        notices.append("Only simulated or vanished milestones list this event.")
    if not found:
        raise UnknownName(_unknown_ticker(connection, ticker))
    (row,) = found
    if row["is_ambiguous"]:
        notices.append(
            f"Ambiguous: its {row['basis']} milestones have more than one start. This is the earliest; see milestones."
        )
    if row["has_placeholder_dates"]:
        notices.append("No real start is known: this one is a placeholder.")
    elif row["start_is_tentative"]:
        notices.append("Tentative: this start may still move.")
    milestones = run_query(
        connection,
        _EVENT_MILESTONES,
        {"ticker": ticker, "with_all": with_all, "best": row["milestone_id"], "limit": MILESTONES_SHOWN},
    ).records
    return EventStartAnswer(
        **freshness(connection),
        **{name: short(value) for name, value in row.items() if name != "milestones"},
        total=row["milestones"],
        milestones=[EventMilestone(**one) for one in short_rows(milestones)],
        notices=notices,
    )


def what_changed(connection: duckdb.DuckDBPyConnection, asked: ChangesArguments, limits: Limits) -> ChangesAnswer:
    """What changed since a time. Raises WrongUse, and UnknownName for a field or type that nothing has."""
    state = freshness(connection)
    since = _since(asked, state["now"])
    values = {"since": since, "type": asked.type}
    limit = min(asked.limit, limits.rows)
    rows, total = _counted_rows(connection, _CHANGES, values | {"field": asked.field, "limit": limit})
    if not rows:
        _check_field(connection, asked.field)
        if unknown := unknown_filters(connection, type=asked.type):
            raise UnknownName(unknown[0])
    ((new, vanished),) = run_query(connection, _ARRIVALS, values).rows
    return ChangesAnswer(
        **state,
        since=since,
        total=total,
        new_milestones=new,
        vanished_milestones=vanished,
        changes=[Change(**row) for row in short_rows(rows)],
    )


def _since(asked: ChangesArguments, now: datetime) -> datetime:
    if asked.since is None:
        return now - timedelta(hours=24 if asked.hours is None else asked.hours)
    if asked.hours is not None:
        raise WrongUse("since and hours exclude each other: give one of them")
    try:
        return asked.since.astimezone(UTC) if asked.since.tzinfo else asked.since.replace(tzinfo=UTC)
    except OverflowError as error:
        raise WrongUse(
            f"since is {asked.since.isoformat()}: give a time whose year in UTC is from 1 to 9999"
        ) from error


def _counted_rows(
    connection: duckdb.DuckDBPyConnection, query: str, values: dict[str, Any]
) -> tuple[list[dict[str, Any]], int]:
    """The rows, and the number of all rows that match: a column total of each."""
    rows = run_query(connection, query, values).records
    totals = [row.pop("total") for row in rows]
    return rows, totals[0] if totals else 0


def _unknown(connection: duckdb.DuckDBPyConnection, asked: UpcomingArguments) -> list[str]:
    lines = unknown_filters(connection, type=asked.type, league=asked.league)
    # A category is accepted by its own name and by that of its group.
    if asked.category and unknown_filters(connection, category_group=asked.category):
        lines += unknown_filters(connection, category=asked.category)
    return lines


def _unknown_ticker(connection: duckdb.DuckDBPyConnection, ticker: str) -> str:
    near = [row[0] for row in run_query(connection, _SIMILAR_TICKERS, {"ticker": ticker}).rows]
    if near:
        return f"no milestone lists the event {ticker}; did you mean {' or '.join(near)}?"
    return f"no milestone lists the event {ticker}: find tickers in the tables milestone_events and events"


def _check_field(connection: duckdb.DuckDBPyConnection, field: str | None) -> None:
    fields = [row[0] for row in run_query(connection, _CHANGED_FIELDS).rows]
    if field is None or not fields or any(known == field or known.startswith(f"{field}.") for known in fields):
        return
    if near := get_close_matches(field, fields, n=3):
        raise UnknownName(f"no field {field} ever changed; did you mean {' or '.join(near)}?")
    raise UnknownName(f"no field {field} ever changed; these did: {', '.join(fields[:20])}")


def _listing(total: int, what: str, rows: list[Any], columns: tuple[str, ...]) -> list[str]:
    """How many there are, and the rows as a table."""
    if not rows:
        return [f"No {what}s."]
    more = f", the first {len(rows):,} of them" if len(rows) < total else ""
    table = markdown_table(columns, [[getattr(row, column) for column in columns] for row in rows])
    return [f"{counted(total, what)}{more}:", table]
