"""The calendar in iCalendar (RFC 5545): which milestones are in it, and one event for each. Written by icalendar.

The bytes depend on the published file and the request only, not on the clock. Subscribed calendars recognise an event
by its UID, and a change by SEQUENCE (how often its start moved) and LAST-MODIFIED.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb

from pipelines.errors import ExtraMissing, WrongUse
from pipelines.escaping import one_line
from pipelines.reading.connection import run_query
from pipelines.reading.results import BoundStatement
from pipelines.serving.answers import Question
from pipelines.serving.filters import conditions
from pipelines.wording import counted

if TYPE_CHECKING:
    import icalendar

NAME = "Kalshi milestones"
HOURS = 24 * 30
HOURS_MAX = 24 * 366
HOURS_BEFORE = 24
"""How far back the calendar begins, before the newest sweep."""
GONE_DAYS = 30
"""How long a vanished milestone stays, as cancelled: a calendar that is not opened for that long may keep it."""
EVENTS = 2_000
EVENTS_MAX = 10_000
REFRESH = timedelta(minutes=15)

_EVENTS = """
    WITH moved AS (
        SELECT milestone_id, count(*) AS moves FROM milestone_changes WHERE field = 'start_date' GROUP BY milestone_id
    )
    SELECT milestone_id, title, type, category_group, league, main_event_ticker, status, status_group, participants,
           start_date, start_is_tentative, listed.end_date, vanished_at,
           greatest(last_changed_at, vanished_at) AS modified_at, coalesce(moves, 0) AS moves
    FROM (
        -- It has the participants by name, and no end that is not after the start.
        SELECT milestone_id, end_date, participants
        FROM upcoming_milestones(
            include_simulated := true, include_vanished := true, include_ended := true, at_time := $after
        )
    ) AS listed JOIN milestones USING (milestone_id) LEFT JOIN moved USING (milestone_id)
    WHERE {where}
    ORDER BY start_date, milestone_id
"""

_FIRST_TIME = datetime(1, 1, 2, tzinfo=UTC)


def calendar(question: Question) -> bytes:
    """The calendar of a request. Raises ExtraMissing without icalendar."""
    values = question.values
    begin = question.data_at - timedelta(hours=HOURS_BEFORE)
    end = values["until"] or question.data_at + timedelta(hours=values["hours"])
    # Placeholders are in the year 2000, before any window.
    others = [
        "start_date <= $end",
        "($simulated OR NOT is_simulated)",
        "($placeholders OR NOT has_placeholder_dates)",
        "(vanished_at IS NULL OR vanished_at > $gone_since)",
    ]
    where, given = conditions(values, others)
    bound = {
        "after": _FIRST_TIME if values["placeholders"] else begin,
        "end": end,
        "simulated": values["simulated"],
        "placeholders": values["placeholders"],
        "gone_since": question.data_at - timedelta(days=GONE_DAYS),
    }
    if values["placeholders"]:
        where += " AND (has_placeholder_dates OR start_date > $begin)"
        bound["begin"] = begin
    limit = values["limit"]
    # LIMIT NULL is none: a file is complete.
    most = {"most": None if limit is None else limit + 1}
    rows = question.rows(f"{_EVENTS.format(where=where)} LIMIT $most", given | bound | most)
    about = f"Starts from {_time(begin)} to {_time(end)}."
    if limit is not None and len(rows) > limit:
        about += f" It has the first {counted(limit, 'event')} only: narrow it with filters."
    return written(rows[:limit], name=_name(values), about=about)


def of_query(connection: duckdb.DuckDBPyConnection, query: str) -> bytes:
    """The events of the milestones whose ids a query of the user returns: all that have a start.

    Raises WrongUse for a query without such a column, QueryFailed, ExtraMissing.
    """
    if "milestone_id" not in (column.name for column in BoundStatement(connection, query).columns):
        raise WrongUse("a calendar needs the column milestone_id: add it to the query, or name a table that has it")
    # Own lines, as the query may end with a comment.
    where = f"milestone_id IN (SELECT milestone_id FROM (\n{query}\n))"  # noqa: S608 - the user's own query
    found = run_query(connection, _EVENTS.format(where=where), {"after": _FIRST_TIME})
    return written(found.records, name=NAME, about="The milestones of a query.")


def written(rows: Iterable[Mapping[str, Any]], *, name: str, about: str) -> bytes:
    """The rows of _EVENTS as a calendar. Raises ExtraMissing."""
    try:
        import icalendar  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise ExtraMissing("a calendar", "serve") from error
    made = icalendar.Calendar()
    made.add("prodid", "-//kalshi-milestones//milestones//EN")
    made.add("version", "2.0")
    made.add("calscale", "GREGORIAN")
    made.add("method", "PUBLISH")
    for property_, text in {"name": name, "x-wr-calname": name, "description": about, "x-wr-caldesc": about}.items():
        made.add(property_, icalendar.vText(text))
    made.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    # Outlook's name for the same.
    made.add("x-published-ttl", icalendar.vDuration(REFRESH))
    for row in rows:
        made.add_component(_event(icalendar.Event(), row))
    encoded: bytes = made.to_ical()
    return encoded


def _event(event: icalendar.Event, row: Mapping[str, Any]) -> icalendar.Event:
    event.add("uid", f"{one_line(row['milestone_id'])}@kalshi-milestones")
    # Without a scheduling method of its own, DTSTAMP is when the event was last changed.
    modified = row["modified_at"].astimezone(UTC)
    event.add("dtstamp", modified)
    event.add("last-modified", modified)
    event.add("sequence", row["moves"])
    event.add("dtstart", row["start_date"].astimezone(UTC))
    if row["end_date"] is not None:
        event.add("dtend", row["end_date"].astimezone(UTC))
    event.add("summary", one_line(row["title"] or row["participants"] or row["type"]))
    event.add("description", "\n".join(_description(row)))
    event.add("categories", [one_line(row[name]) for name in ("category_group", "type", "league") if row[name]])
    event.add("status", _status(row))
    # Nobody is busy because a game is on.
    event.add("transp", "TRANSPARENT")
    return event


def _status(row: Mapping[str, Any]) -> str:
    if row["vanished_at"] is not None:
        return "CANCELLED"
    if row["start_is_tentative"]:
        # Also postponed ones: their status group is off too.
        return "TENTATIVE"
    return "CANCELLED" if row["status_group"] == "off" else "CONFIRMED"


def _description(row: Mapping[str, Any]) -> Iterator[str]:
    labels = {"participants": "Participants", "league": "League", "status": "Status", "main_event_ticker": "Event"}
    for column, label in labels.items():
        if row[column]:
            yield f"{label}: {one_line(row[column])}"
    if row["start_is_tentative"]:
        yield "The start may still change."
    if row["end_date"] is None:
        yield "The end is not known."
    if row["vanished_at"] is not None:
        yield "Kalshi does not list it any more."
    yield f"Milestone: {one_line(row['milestone_id'])}"


def _name(values: Mapping[str, Any]) -> str:
    filters = (text for value in values.values() if isinstance(value, tuple) for text in value)
    shown = one_line(", ".join(filters))[:100]
    return f"{NAME}: {shown}" if shown else NAME


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
