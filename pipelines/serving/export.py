"""`milestones export --format ics`: the calendar of `/calendar.ics`, or of the milestones that a query returns."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb

from pipelines.reading.connection import run_query
from pipelines.serving.answers import Question
from pipelines.serving.calendar import calendar, of_query
from pipelines.serving.published_file import DATA_AT
from pipelines.serving.routes import CALENDAR


def export_calendar(connection: duckdb.DuckDBPyConnection, query: str | None) -> bytes:
    """The calendar of a query; without one, that of `/calendar.ics` without parameters, however many events.

    Raises WrongUse for a query without the column milestone_id, QueryFailed, ExtraMissing.
    """
    if query is not None:
        return of_query(connection, query)
    data_at = run_query(connection, DATA_AT).rows[0][0] or datetime.now(UTC)
    values = {parameter.name: parameter.default for parameter in CALENDAR.parameters} | {"limit": None}
    return calendar(Question(connection, data_at, data_at, values))
