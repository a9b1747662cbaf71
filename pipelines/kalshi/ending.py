"""Checks that a list which stopped has really ended: a renamed cursor field, or a cap on pages, would hide the rest.

An end is doubtful where the last page is full or has a cursor under another name, or where the list stops early. One
more request then asks for milestones that start at the end or later. If one of them was not in the list, and has not
changed since, the list was cut.
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
from pipelines.kalshi.response import Response
from schemas.api import ZERO_TIME_YEAR

_LOG = logging.getLogger(__name__)


class ListApi(Protocol):
    """The part of the API that this check needs."""

    def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Response:
        """One page of the list."""


@dataclass(frozen=True, slots=True)
class DoubtfulEnd:
    """Where a list stopped: the last start received, whether the last page looked cut, and the number of pages."""

    reached: datetime
    looks_cut: bool
    pages: int


def is_full(response: Response, query: MilestoneQuery) -> bool:
    """Whether a page holds as many milestones as were requested."""
    return response.records >= (response.limit or query.limit)


def looks_cut(response: Response, query: MilestoneQuery) -> bool:
    """Whether milestones may follow a page without a cursor: it is full, or may have its cursor under another name."""
    return response.has_other_cursor or is_full(response, query)


def check_end(api: ListApi, query: MilestoneQuery, end: DoubtfulEnd, seen: SeenIds, *, changed_after: datetime) -> None:
    """Raise PagingFault where the list continues after its end.

    `seen` holds the ids of the list. A milestone outside it may have been added or moved meanwhile: it proves nothing
    where its last update is later than `changed_after`. Costs one request; two where more milestones start exactly at
    the end than fit one page.
    """
    for bound in _bounds(end.reached):
        response = api.list_page(replace(query, minimum_start_date=bound))
        check_filters(query, response)
        if first_before(bound, response.starts) is not None:
            _report_uncheckable(end)
            return
        for milestone_id, update in zip(response.ids, response.updates, strict=False):
            if _is_missing(milestone_id, update, seen, changed_after):
                raise PagingFault(
                    "list cut short",
                    page=end.pages,
                    detail=f"the list stopped at the start {end.reached:%Y-%m-%dT%H:%M:%SZ} without a cursor, but the "
                    f"API has milestone {milestone_id}, which starts no earlier and was not in the list",
                )
        if not is_full(response, query) or any(as_time(start) != bound for start in response.starts):
            return


def _is_missing(milestone_id: str, update: str, seen: SeenIds, changed_after: datetime) -> bool:
    # An id that starts with "?" is the digest of a record that cannot be read.
    if milestone_id in seen or milestone_id.startswith("?"):
        return False
    time = as_time(update)
    return time is None or time.year == ZERO_TIME_YEAR or time <= changed_after


def _report_uncheckable(end: DoubtfulEnd) -> None:
    """The API ignores minimum_start_date: an error after a page that looked cut, else a warning."""
    if end.looks_cut:
        raise PagingFault(
            "end not proven",
            page=end.pages,
            detail="the last page has no cursor, but looks as if more followed, and the end cannot be checked because "
            "the API ignores minimum_start_date",
        )
    _LOG.warning(
        "the list stopped at the start %s, and its end cannot be checked: the API ignores minimum_start_date",
        f"{end.reached:%Y-%m-%dT%H:%M:%SZ}",
    )


def _bounds(reached: datetime) -> Iterator[datetime]:
    yield reached
    try:
        yield reached + timedelta(seconds=1)
    except OverflowError:
        return
