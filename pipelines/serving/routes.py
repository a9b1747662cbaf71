"""The routes, declared once: what a request may ask, how it is answered, and how OpenAPI describes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.serving import answers, calendar
from pipelines.serving.answers import ROWS, ROWS_MAX, Page, Question, encoded
from pipelines.serving.filters import FILTERS, SIMULATED
from pipelines.serving.parameters import Parameter, write_query

JSON, TEXT, ICALENDAR = "application/json", "text/plain; charset=utf-8", "text/calendar; charset=utf-8"

MAX_AGE_SECONDS = 24 * 60 * 60
HOURS_MAX = 24 * 366
OFFSET_MAX = 10_000_000

_LIMIT = Parameter("limit", "integer", "Number of rows.", default=ROWS, minimum=1, maximum=ROWS_MAX)
_OFFSET = Parameter(
    "offset", "integer", "Number of rows to skip; `next` has the next page.", default=0, minimum=0, maximum=OFFSET_MAX
)
_PAGE = (_LIMIT, _OFFSET)
_UNTIL = Parameter("until", "time", "Only starts up to this time.")


@dataclass(frozen=True)
class Route:
    """A path with its parameters. `answer` makes the body; without one, the application answers itself.

    An answer that `follows_clock` depends on the time of the request, not only on the published file. `content` is the
    OpenAPI schema of the body.
    """

    path: str
    summary: str
    content: Mapping[str, Any]
    parameters: tuple[Parameter, ...] = ()
    answer: Callable[[Question], bytes] | None = None
    follows_clock: bool = False
    media_type: str = JSON

    @property
    def has_values(self) -> bool:
        """Whether a part of the path is a value, which may be unknown."""
        return "{" in self.path


def _of(what: str, **parts: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "description": what, "properties": parts, "required": list(parts)}


_ROW: dict[str, Any] = {"type": "object", "description": "Columns as in docs/data-dictionary.md."}
_ROWS = {"type": "array", "items": _ROW}
_ROW_OR_NULL = {"oneOf": [_ROW, {"type": "null"}]}
_LIST = _of(
    "A page of rows; next is the path of the next page, null on the last one.",
    items=_ROWS,
    next={"type": ["string", "null"]},
)


def _list(
    path: str,
    summary: str,
    rows: Callable[[Question], Page],
    *parameters: Parameter,
    follows_clock: bool = False,
) -> Route:
    """A route whose answer is a page of rows, with the path of the next page."""
    declared = (*parameters, *_PAGE)

    def answer(question: Question) -> bytes:
        page = rows(question)
        values = question.values
        following = {**values, **page.chosen, "offset": values["offset"] + values["limit"]}
        link = f"{path}?{write_query(following, declared)}" if page.has_more else None
        return encoded({"items": page.rows, "next": link})

    return Route(path, summary, _LIST, declared, answer, follows_clock=follows_clock)


def _object(
    path: str,
    summary: str,
    make: Callable[[Question], dict[str, Any]],
    content: Mapping[str, Any],
    *parameters: Parameter,
) -> Route:
    return Route(path, summary, content, parameters, lambda question: encoded(make(question)))


LISTING = Route("/", "This list, as text.", {"type": "string"}, media_type=TEXT)

SUMMARY = Route(
    "/summary.json",
    "Headline figures of the newest publish.",
    {"type": "object", "description": "Figures by name."},
)

CALENDAR = Route(
    "/calendar.ics",
    "A calendar to subscribe to: starts from a day before the newest sweep on.",
    {"type": "string"},
    (
        *FILTERS,
        Parameter(
            "hours",
            "number",
            "Only starts up to this number of hours after the newest sweep.",
            default=calendar.HOURS,
            minimum=1,
            maximum=calendar.HOURS_MAX,
        ),
        _UNTIL,
        SIMULATED,
        Parameter("placeholders", "flag", "Whether to include milestones with placeholder dates.", default=False),
        Parameter(
            "limit",
            "integer",
            "Number of events; the description says if there are more.",
            default=calendar.EVENTS,
            minimum=1,
            maximum=calendar.EVENTS_MAX,
        ),
    ),
    calendar.calendar,
    media_type=ICALENDAR,
)

HEALTH = Route(
    "/health",
    "Whether the data are fresh: 200, or 503 with the reason.",
    _of(
        "The age of the data.",
        status={"enum": ["fresh", "stale"]},
        reason={"type": "string"},
        last_sweep_at={"type": ["string", "null"], "format": "date-time"},
        age_seconds={"type": ["number", "null"]},
        max_age_seconds={"type": "number"},
    ),
    (
        Parameter(
            "max_age",
            "number",
            "Age of the last sweep in seconds up to which the data are fresh.",
            default=MAX_AGE_SECONDS,
            minimum=0,
            maximum=366 * 24 * 60 * 60,
        ),
    ),
)

OPENAPI = Route("/openapi.json", "This interface in OpenAPI 3.1.", {"type": "object"})

ROUTES: tuple[Route, ...] = (
    LISTING,
    _list(
        "/upcoming.json",
        "What starts next: milestones that have not started, the next first.",
        answers.upcoming,
        *FILTERS,
        Parameter("hours", "number", "Only starts within this number of hours.", minimum=0, maximum=HOURS_MAX),
        _UNTIL,
        SIMULATED,
        follows_clock=True,
    ),
    _list(
        "/live.json",
        "What is live now, with the score; the latest start first.",
        answers.live,
        *FILTERS,
        SIMULATED,
        follows_clock=True,
    ),
    _object(
        "/events/{ticker}.json",
        "One event: its best start, and the milestones that list it.",
        answers.event,
        _of("An event.", ticker={"type": "string"}, start=_ROW_OR_NULL, event=_ROW_OR_NULL, milestones=_ROWS),
        Parameter("ticker", "text", "Ticker of the event, as Kalshi writes it."),
        SIMULATED,
        Parameter("vanished", "flag", "Whether to include vanished milestones.", default=False),
    ),
    _object(
        "/milestones/{id}.json",
        "One milestone: events, participants, live data, versions and changes, the newest first.",
        answers.milestone,
        _of(
            "A milestone.",
            milestone=_ROW,
            **dict.fromkeys(("events", "participants", "sources"), _ROWS),
            live=_ROW_OR_NULL,
            **dict.fromkeys(("versions", "changes"), _ROWS),
        ),
        Parameter("id", "text", "Id of the milestone."),
        Parameter("limit", "integer", "Number of versions, and of changes.", default=ROWS, minimum=1, maximum=ROWS_MAX),
        Parameter("records", "flag", "Whether versions have their whole record.", default=False),
    ),
    _list(
        "/changes.json",
        "Changed fields, in the order in which they were seen.",
        answers.changes,
        Parameter(
            "since",
            "time",
            f"Only changes seen after this time; by default, {answers.CHANGES_HOURS} hours before the newest sweep.",
        ),
        Parameter("field", "texts", "Changed field, such as start_date; repeat it for several."),
        *FILTERS,
        SIMULATED,
    ),
    SUMMARY,
    CALENDAR,
    HEALTH,
    OPENAPI,
)
