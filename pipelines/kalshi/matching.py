"""Whether an answer's milestones match what was asked for: the API ignores parameters that it does not know. Pure.

A value that is absent or cannot be read is not judged: its record is for the decoder. Of the filters of a query, those
that sweeps use are judged: category, type, minimum_start_date and min_updated_ts.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from pipelines.kalshi.errors import FilterIgnored
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.response import Answer
from schemas.api import ZERO_TIME_YEAR
from schemas.categories import is_same_category

TOLERANCE = timedelta(seconds=1)
"""Of a bound on time: the API may cut its fraction off."""


def check_filters(query: MilestoneQuery, answer: Answer) -> None:
    """Raise FilterIgnored for the first milestone that a filter of the query should have left out."""
    _check_texts(query, answer)
    if (begins := query.minimum_start_date) is not None:
        _check(query, answer, "minimum_start_date", "the start", first_before(begins, answer.starts), answer.starts)
    if (since := query.min_updated_ts) is not None:
        place = first_before(_from_unix(since), answer.updates)
        _check(query, answer, "min_updated_ts", "the last update", place, answer.updates)


def first_before(bound: datetime, times: Iterable[str]) -> int | None:
    """The place of the first time before a bound, with a second of tolerance; the zero time means "never"."""
    earliest = _earliest(bound)
    for place, text in enumerate(times):
        time = as_time(text)
        if time is not None and time < earliest and time.year != ZERO_TIME_YEAR:
            return place
    return None


def as_time(text: str) -> datetime | None:
    """An aware UTC time; None for what cannot be read as one."""
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _check_texts(query: MilestoneQuery, answer: Answer) -> None:
    if (category := query.category) is not None:
        place = _first(not is_same_category(category, one) if one else False for one in answer.categories)
        _check(query, answer, "category", "the category", place, answer.categories)
    if (kind := query.type) is not None:
        place = _first(one.casefold() != kind.casefold() if one else False for one in answer.types)
        _check(query, answer, "type", "the type", place, answer.types)


def _check(
    query: MilestoneQuery, answer: Answer, name: str, what: str, place: int | None, values: tuple[str | None, ...]
) -> None:
    if place is not None:
        raise FilterIgnored(
            answer.url_path,
            name=name,
            wanted=query.params()[name],
            found=f"{what} {values[place]}",
            milestone_id=answer.ids[place],
        )


def _first(are_wrong: Iterable[bool]) -> int | None:
    return next((place for place, is_wrong in enumerate(are_wrong) if is_wrong), None)


def _from_unix(seconds: int) -> datetime:
    """A time of whole Unix seconds, the earliest or the latest there is where it lies beyond them."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC) if seconds > 0 else datetime.min.replace(tzinfo=UTC)


def _earliest(bound: datetime) -> datetime:
    try:
        return bound - TOLERANCE
    except OverflowError:
        return bound
