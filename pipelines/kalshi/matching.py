"""Checks that the milestones of a response match the request's filters: the API ignores parameters it does not know.

Pure. Checked are the filters that sweeps use: category, type, minimum_start_date and min_updated_ts. A value that is
absent or unreadable is not checked here: its record is decoded, or quarantined, in `pipelines.records`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from pipelines.kalshi.errors import FilterIgnored
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.response import Response
from schemas.api import ZERO_TIME_YEAR
from schemas.categories import is_same_category

TOLERANCE = timedelta(seconds=1)
"""Of a time bound: the API may cut off its fraction."""


def check_filters(query: MilestoneQuery, response: Response) -> None:
    """Raise FilterIgnored for the first milestone that a filter of the query should have excluded."""
    _check_texts(query, response)
    if (begins := query.minimum_start_date) is not None:
        index = first_before(begins, response.starts)
        _check(query, response, "minimum_start_date", "the start", index, response.starts)
    if (since := query.min_updated_ts) is not None:
        index = first_before(_from_unix(since), response.updates)
        _check(query, response, "min_updated_ts", "the last update", index, response.updates)


def first_before(bound: datetime, times: Iterable[str]) -> int | None:
    """The index of the first time before a bound, with a second of tolerance; the zero time means "never"."""
    earliest = _earliest(bound)
    for index, text in enumerate(times):
        time = as_time(text)
        if time is not None and time < earliest and time.year != ZERO_TIME_YEAR:
            return index
    return None


def as_time(text: str) -> datetime | None:
    """The text as an aware UTC time; None where it cannot be read as one."""
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _check_texts(query: MilestoneQuery, response: Response) -> None:
    if (category := query.category) is not None:
        index = _first(not is_same_category(category, one) if one else False for one in response.categories)
        _check(query, response, "category", "the category", index, response.categories)
    if (kind := query.type) is not None:
        index = _first(one.casefold() != kind.casefold() if one else False for one in response.types)
        _check(query, response, "type", "the type", index, response.types)


def _check(
    query: MilestoneQuery, response: Response, name: str, what: str, index: int | None, values: tuple[str | None, ...]
) -> None:
    if index is not None:
        raise FilterIgnored(
            response.url_path,
            name=name,
            wanted=query.params()[name],
            found=f"{what} {values[index]}",
            milestone_id=response.ids[index],
        )


def _first(are_wrong: Iterable[bool]) -> int | None:
    return next((index for index, is_wrong in enumerate(are_wrong) if is_wrong), None)


def _from_unix(seconds: int) -> datetime:
    """The UTC time of whole Unix seconds, clamped to what datetime can hold."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC) if seconds > 0 else datetime.min.replace(tzinfo=UTC)


def _earliest(bound: datetime) -> datetime:
    try:
        return bound - TOLERANCE
    except OverflowError:
        return bound
