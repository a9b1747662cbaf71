"""The answers in JSON: one function for each route, from a connection and validated values to bytes.

Values are always bound, never written into the SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import duckdb

from pipelines.escaping import escape_json
from pipelines.reading.connection import run_query
from pipelines.reading.json_text import dumps, single_line_json
from pipelines.serving.errors import not_found, quoted
from pipelines.serving.filters import conditions
from schemas.json_columns import JSON_TEXT_COLUMNS

ROWS_MAX = 1_000
ROWS = 100
CHANGES_HOURS = 24
"""How far back `/changes.json` goes by default, before the newest sweep."""


@dataclass(frozen=True)
class Question:
    """What to answer: an open published file, its data's time, the time to use as now, and the request's values."""

    connection: duckdb.DuckDBPyConnection
    data_at: datetime
    now: datetime
    values: Mapping[str, Any]

    def rows(self, query: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows of a query for `encoded`: JSON columns are nested. Raises QueryFailed."""
        found = run_query(self.connection, query, parameters)
        json = [name for name in found.columns if name in JSON_TEXT_COLUMNS]
        rows = found.records
        for name in json:
            for row in rows:
                if row[name] is not None:
                    row[name] = single_line_json(row[name])
        return rows


@dataclass(frozen=True)
class Page:
    """Rows of a list, and whether there are more. The next page has the values of the request and those of `chosen`."""

    rows: list[dict[str, Any]]
    has_more: bool
    chosen: Mapping[str, Any] = field(default_factory=dict)


def encoded(value: Any) -> bytes:
    """JSON with a line end; non-printable characters of the data are escaped."""
    return f"{escape_json(dumps(value))}\n".encode()


def _page(question: Question, query: str, parameters: Mapping[str, Any]) -> Page:
    limit, offset = question.values["limit"], question.values["offset"]
    page = {"row_limit": limit + 1, "row_offset": offset}
    rows = question.rows(f"{query} LIMIT $row_limit OFFSET $row_offset", {**parameters, **page})
    return Page(rows[:limit], len(rows) > limit)


def upcoming(question: Question) -> Page:
    """Milestones that have not started, the next first."""
    until = question.values["until"]
    hours = question.values["hours"]
    if hours is not None:
        ahead = question.now + timedelta(hours=hours)
        until = min(until, ahead) if until else ahead
    others, bound = ([], {}) if until is None else (["start_date <= $before"], {"before": until})
    where, given = conditions(question.values, others)
    query = f"""
        SELECT * EXCLUDE (starts_in, starts_in_minutes, vanished_at)
        FROM upcoming_milestones(include_simulated := $simulated, at_time := $now)
        WHERE {where} ORDER BY start_date, milestone_id
    """  # noqa: S608 - fixed conditions
    return _page(question, query, given | bound | _common(question))


def live(question: Question) -> Page:
    """Milestones that have started and not ended, the latest start first."""
    where, given = conditions(question.values)
    query = f"""
        SELECT * EXCLUDE (vanished_at) FROM live_milestones(include_simulated := $simulated, at_time := $now)
        WHERE {where} ORDER BY start_date DESC, milestone_id
    """  # noqa: S608 - fixed conditions
    return _page(question, query, given | _common(question))


def _common(question: Question) -> dict[str, Any]:
    return {"simulated": question.values["simulated"], "now": question.now}


def changes(question: Question) -> Page:
    """Changed fields, in the order in which they were seen."""
    since = question.values["since"] or question.data_at - timedelta(hours=CHANGES_HOURS)
    fields = list(question.values["field"] or ())
    others = ["seen_at > $since", "($simulated OR NOT is_simulated)"]
    if fields:
        others.append("list_contains($fields, lower(field))")
    where, given = conditions(question.values, others)
    query = f"""
        SELECT seen_at, milestone_id, version, position, field, old, new, type, title, main_event_ticker
        FROM milestone_changes JOIN milestones USING (milestone_id)
        WHERE {where} ORDER BY seen_at, milestone_id, version, position
    """  # noqa: S608 - fixed conditions
    bound = {"since": since, "simulated": question.values["simulated"]} | ({"fields": fields} if fields else {})
    # The default moves with each sweep, and rows would be missing between two pages.
    return replace(_page(question, query, given | bound), chosen={"since": since})


def event(question: Question) -> dict[str, Any]:
    """One event: its best start, and every milestone that lists it."""
    ticker = {"ticker": question.values["ticker"]}
    milestones = question.rows(
        """
        SELECT is_main, is_primary, is_related, milestones.* EXCLUDE (details, extra, content_hash)
        FROM milestone_events JOIN milestones USING (milestone_id)
        WHERE event_ticker = $ticker ORDER BY start_date, milestone_id LIMIT $most
        """,
        ticker | {"most": ROWS_MAX},
    )
    known = question.rows("SELECT * FROM events WHERE event_ticker = $ticker", ticker)
    if not milestones and not known:
        raise not_found(
            f"no published milestone lists the event {quoted(ticker['ticker'])}: tickers are case-sensitive; "
            "/upcoming.json and /changes.json show those in use"
        )
    kept = {"simulated": question.values["simulated"], "vanished": question.values["vanished"]}
    starts = question.rows(
        """
        SELECT * EXCLUDE (spread) FROM event_starts(include_simulated := $simulated, include_vanished := $vanished)
        WHERE event_ticker = $ticker
        """,
        ticker | kept,
    )
    shown = [
        row
        for row in milestones
        if (kept["simulated"] or not row["is_simulated"]) and (kept["vanished"] or row["vanished_at"] is None)
    ]
    return {
        **ticker,
        "start": starts[0] if starts else None,
        "event": known[0] if known else None,
        "milestones": shown,
    }


_HISTORY = {
    "versions": """
        SELECT version, valid_from, valid_to, is_current, last_updated_ts, sweep_id, content_hash, record
        FROM milestone_versions WHERE milestone_id = $id ORDER BY version DESC LIMIT $most
    """,
    "changes": """
        SELECT version, position, field, old, new, seen_at
        FROM milestone_changes WHERE milestone_id = $id ORDER BY version DESC, position LIMIT $most
    """,
}
_PARTS = {
    "events": """
        SELECT event_ticker, is_main, is_primary, is_related, title, series_ticker, competition
        FROM milestone_events LEFT JOIN events USING (event_ticker)
        WHERE milestone_id = $id ORDER BY event_ticker LIMIT $most
    """,
    "participants": """
        SELECT role, position, entity_id, name, short_name, abbreviation, type
        FROM milestone_participants() WHERE milestone_id = $id ORDER BY role, position LIMIT $most
    """,
    "sources": """
        SELECT provider, provider_id FROM milestone_sources WHERE milestone_id = $id ORDER BY provider LIMIT $most
    """,
}


def milestone(question: Question) -> dict[str, Any]:
    """One milestone: the row, what belongs to it, its live data and its history, the newest first."""
    of_it = {"id": question.values["id"]}
    found = question.rows("SELECT * FROM milestones WHERE milestone_id = $id", of_it)
    if not found:
        raise not_found(
            f"no published milestone has the id {quoted(of_it['id'])}: /upcoming.json and /changes.json show ids"
        )
    live_data = question.rows("SELECT * EXCLUDE (milestone_id) FROM live_status() WHERE milestone_id = $id", of_it)
    parts = {name: question.rows(query, of_it | {"most": ROWS_MAX}) for name, query in _PARTS.items()}
    limit = {"most": question.values["limit"]}
    history = {name: question.rows(query, of_it | limit) for name, query in _HISTORY.items()}
    if not question.values["records"]:
        for version in history["versions"]:
            del version["record"]
    return {"milestone": found[0], **parts, "live": live_data[0] if live_data else None, **history}
