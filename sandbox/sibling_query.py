"""The query parameters of the sibling endpoints. Pure.

Parameters are (name, value) pairs in the order of the URL: some are repeated. Of the others the first value counts.
Unknown and empty ones are ignored. Messages follow the pattern of the recorded ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

from sandbox.query import BadParameterError, integer, keyset_cursor, updated_after
from sandbox.siblings.event_store import EventQuery
from sandbox.siblings.events import Status
from sandbox.siblings.series_store import SeriesQuery
from sandbox.siblings.target_store import TargetQuery

Pairs = Sequence[tuple[str, str]]

TARGET_IDS_MAX = 2_000
TARGETS_MAX, TARGETS_DEFAULT = 2_000, 100
EVENTS_MAX, EVENTS_DEFAULT = 200, 100
LIVE_DATAS_MAX = 100


def first_values(pairs: Pairs) -> dict[str, str]:
    """The first value of each parameter."""
    return dict(reversed(pairs))


def parse_targets(pairs: Pairs) -> TargetQuery:
    """Parse `GET /structured_targets`. Raises BadParameterError."""
    first, ids = first_values(pairs), _all_values(pairs, "ids")
    if len(ids) > TARGET_IDS_MAX:
        raise BadParameterError(f"Invalid ids: at most {TARGET_IDS_MAX} are allowed, not {len(ids)}")
    return TargetQuery(
        page_size=_size(first, "page_size", TARGETS_MAX, TARGETS_DEFAULT),
        after=first.get("cursor", ""),
        ids=ids or None,
        type=first.get("type") or None,
        competition=first.get("competition") or None,
    )


def parse_events(pairs: Pairs) -> EventQuery:
    """Parse `GET /events`. Raises BadParameterError."""
    first = first_values(pairs)
    close, status = first.get("min_close_ts"), first.get("status") or None
    return EventQuery(
        limit=_size(first, "limit", EVENTS_MAX, EVENTS_DEFAULT),
        after=keyset_cursor(first),
        tickers=_separated(first, "tickers"),
        series_ticker=first.get("series_ticker") or None,
        status=None if status is None else _status(status),
        min_close=integer("min_close_ts", close) if close else None,
        updated_after_micros=updated_after(first),
    )


def parse_series(pairs: Pairs) -> SeriesQuery:
    """Parse `GET /series`. Raises BadParameterError."""
    first = first_values(pairs)
    return SeriesQuery(
        category=first.get("category") or None,
        tags=_separated(first, "tags"),
        updated_after_micros=updated_after(first),
    )


def parse_live_datas(pairs: Pairs) -> tuple[str, ...]:
    """The ids that `GET /live_data/batch` asks for. Raises BadParameterError."""
    ids = _all_values(pairs, "milestone_ids")
    if not ids:
        raise BadParameterError("Query argument milestone_ids is required, but not found")
    if len(ids) > LIVE_DATAS_MAX:
        raise BadParameterError(f"Invalid milestone_ids: at most {LIVE_DATAS_MAX} are allowed, not {len(ids)}")
    return ids


def is_true(pairs: Pairs, name: str) -> bool:
    """Whether a flag is set."""
    return first_values(pairs).get(name) == "true"


def _all_values(pairs: Pairs, name: str) -> tuple[str, ...]:
    return tuple(value for key, value in pairs if key == name and value)


def _separated(first: Mapping[str, str], name: str) -> tuple[str, ...] | None:
    return tuple(filter(None, first.get(name, "").split(","))) or None


def _size(first: Mapping[str, str], name: str, most: int, default: int) -> int:
    size = integer(name, first[name]) if first.get(name) else default
    if not 1 <= size <= most:
        raise BadParameterError(f"Invalid {name} {size}: must be between 1 and {most}")
    return size


def _status(text: str) -> Status:
    for status in get_args(Status):
        if text == status:
            found: Status = status
            return found
    raise BadParameterError(f"Invalid status {text}: must be one of {', '.join(get_args(Status))}")
