"""Whether a list that stops has really ended: a renamed cursor, or a cap on pages, would hide the rest of it.

An end is doubtful where the last page is full or the list stops before it should. One more request then asks for what
starts from the end on: milestones that were not in the list, and have not changed since, prove that it was cut.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from pipelines.kalshi.errors import PagingFault
from pipelines.kalshi.matching import as_time, check_filters, first_before
from pipelines.kalshi.paging import SeenIds
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.response import Answer
from schemas.api import ZERO_TIME_YEAR

_LOG = logging.getLogger(__name__)


class ListApi(Protocol):
    """What checking an end needs of the API."""

    def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Answer:
        """One page of the list."""


@dataclass(frozen=True, slots=True)
class DoubtfulEnd:
    """Where a list stopped: the last start that came, whether the last page was full, and how many pages there were."""

    reached: datetime
    is_full: bool
    pages: int


def is_full(answer: Answer, query: MilestoneQuery) -> bool:
    """Whether a page holds as many milestones as were asked for."""
    return answer.records >= (answer.limit or query.limit)


def check_end(api: ListApi, query: MilestoneQuery, end: DoubtfulEnd, seen: SeenIds, *, changed_after: datetime) -> None:
    """Raise PagingFault where the list goes on behind its end.

    `seen` holds the ids that the list brought. A milestone that it did not bring may have come or moved meanwhile: it
    proves nothing when its last update is later than `changed_after`. Costs one request; two where more milestones
    than fit a page start at the end itself.
    """
    for bound in _bounds(end.reached):
        answer = api.list_page(replace(query, minimum_start_date=bound))
        check_filters(query, answer)
        if first_before(bound, answer.starts) is not None:
            _cannot_tell(end)
            return
        for milestone_id, update in zip(answer.ids, answer.updates, strict=False):
            if _is_missing(milestone_id, update, seen, changed_after):
                raise PagingFault(
                    "list cut short",
                    page=end.pages,
                    detail=f"the list stopped at the start {end.reached:%Y-%m-%dT%H:%M:%SZ} without a cursor, yet the "
                    f"API has milestone {milestone_id}, which starts no earlier and was not in it",
                )
        if not is_full(answer, query) or any(as_time(start) != bound for start in answer.starts):
            return


def _is_missing(milestone_id: str, update: str, seen: SeenIds, changed_after: datetime) -> bool:
    # An id that begins with "?" stands for a record that cannot be read.
    if milestone_id in seen or milestone_id.startswith("?"):
        return False
    time = as_time(update)
    return time is None or time.year == ZERO_TIME_YEAR or time <= changed_after


def _cannot_tell(end: DoubtfulEnd) -> None:
    if end.is_full:
        raise PagingFault(
            "end not proven",
            page=end.pages,
            detail="the last page is full and has no cursor, and the API ignores minimum_start_date, so that nothing "
            "tells whether the list ended there",
        )
    _LOG.warning(
        "the list stopped at the start %s, and whether it ended there cannot be told: the API ignores "
        "minimum_start_date",
        f"{end.reached:%Y-%m-%dT%H:%M:%SZ}",
    )


def _bounds(reached: datetime) -> Iterator[datetime]:
    yield reached
    try:
        yield reached + timedelta(seconds=1)
    except OverflowError:
        return
