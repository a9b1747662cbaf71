"""A scan of the whole list that several machines read: one divides it into ranges of starts, each range is read alone.

The ranges come from `shards`, which estimates how many pages are left where. The first page of each range is read while
the list is divided. What goes wrong in one range ends the reading of that range, no more: whoever resumes the scan from
all landed pages (`scans.scan_in_shards`) requests what is missing, and judges order, bounds and ends of the whole list.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipelines.kalshi.ending import ListApi, looks_cut
from pipelines.kalshi.errors import KalshiError
from pipelines.kalshi.matching import check_filters, first_before
from pipelines.kalshi.paging import Paging
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.scans import Fetched, fetched_page
from pipelines.kalshi.shards import LandedPage, Shard, Shards

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StartRange:
    """A range of starts, and whether its first page was all of it; None is an open end."""

    begins: datetime | None
    ends: datetime | None
    is_done: bool = False


def divide(
    api: ListApi, query: MilestoneQuery, *, now: datetime, ranges: int
) -> tuple[list[StartRange], dict[datetime | None, Fetched]]:
    """Divide the list into at most this many ranges; also the first page of each, by the start of the range.

    Sends one request for each range. Where the list cannot be divided, because it is short or the API ignores bounds,
    one range is left. Raises KalshiError.
    """
    shards = Shards(query, now=now)
    first_pages: dict[datetime | None, Fetched] = {}
    # Each shard stays in flight, so that the next one comes from a split.
    while len(first_pages) < ranges and (shard := shards.next_to_divide()) is not None:
        shard_query = shards.query_of(shard)
        response = api.list_page(shard_query)
        check_filters(query, response)
        cut = looks_cut(response, query)
        if shards.add_page(shard, response.next_cursor, response.ids, response.starts, looks_cut=cut):
            first_pages[shard.begins] = fetched_page(response, shard_query, None)
    found = [StartRange(shard.begins, shard.ends, shard.is_done) for shard in shards.ordered()]
    return found, {one.begins: first_pages[one.begins] for one in found}


def read_range(
    api: ListApi,
    query: MilestoneQuery,
    part: StartRange,
    landed: Sequence[LandedPage],
    *,
    may_continue: Callable[[], bool],
) -> Iterator[Fetched]:
    """The pages of a range after its landed ones, until a start beyond its end.

    Ends early, with a warning, where a request fails, where the pages are out of order or before the range, and once
    `may_continue` is false.
    """
    shard = Shard(part.begins, part.ends, Paging.resumed(page.next_cursor for page in landed))
    is_ordered = all(shard.add_starts(page.starts) for page in landed)
    range_query = replace(query, minimum_start_date=part.begins)
    try:
        while is_ordered and not shard.is_done and may_continue():
            cursor = shard.paging.next_cursor
            response = api.list_page(range_query, cursor)
            check_filters(query, response)
            if part.begins is not None and first_before(part.begins, response.starts) is not None:
                _LOG.warning("the API ignores minimum_start_date: this range is left to the merge")
                return
            shard.paging.advance(response.next_cursor, response.ids)
            is_ordered = shard.add_starts(response.starts)
            yield fetched_page(response, range_query, cursor)
    except KalshiError as error:
        _LOG.warning("the rest of this range is left to the merge: %s", error)
