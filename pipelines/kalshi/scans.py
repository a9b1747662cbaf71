"""Scans: every page of one query, in order of start, by one connection or by several.

A scan misses a milestone whose start moves back over the part that has been read. What has to follow for a complete
sweep is in `full_sweep`; how the list is divided among connections in `shards`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol
from urllib.parse import urlencode

from pipelines.kalshi.ending import DoubtfulEnd, check_end, looks_cut
from pipelines.kalshi.errors import InvalidCursor
from pipelines.kalshi.matching import as_time, check_filters
from pipelines.kalshi.paging import Paging, SeenIds
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.request_threads import RequestThreads
from pipelines.kalshi.response import Response
from pipelines.kalshi.shards import LandedPage, Shard, Shards, since_restart

OVERLAP_SECONDS = 300
"""How far `min_updated_ts` reaches back before a watermark: clocks differ, and an update may become visible late."""

_LOG = logging.getLogger(__name__)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Api(Protocol):
    """The requests that a sweep sends; `pipelines.kalshi.client.KalshiClient` implements it."""

    def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Response:
        """One page of the list."""

    def get_milestone(self, milestone_id: str) -> Response:
        """One milestone. Raises NotFound, BadRequest, and ValueError for an id that no path can hold."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A response and its request: path with parameters, without host and cursor, and the cursor that was sent."""

    path: str
    cursor: str | None
    response: Response


def scan(api: Api, query: MilestoneQuery, *, landed: Sequence[LandedPage] = ()) -> Iterator[Fetched]:
    """Every page of a query, up to the empty cursor. Starts over, once, where the API refuses its own cursor.

    `landed` are the pages of the same scan that an interrupted sweep landed, in order: the scan resumes after them.
    Raises FilterIgnored, PagingFault.
    """
    landed = since_restart(landed)
    if landed and landed[-1].next_cursor is None:
        # The last page is requested again, since its end may still have to be checked.
        landed = landed[:-1]
    paging = Paging.resumed(page.next_cursor for page in landed)
    has_restarted = False
    seen = SeenIds()
    for page in landed:
        seen.add(page.ids)
    end, newest = None, _LONG_AGO
    while not paging.is_done:
        cursor = paging.next_cursor
        try:
            response = api.list_page(query, cursor)
        except InvalidCursor as refusal:
            if has_restarted or cursor is None:
                raise
            _log_restart(refusal)
            has_restarted, paging = True, Paging()
            continue
        check_filters(query, response)
        paging.advance(response.next_cursor, response.ids)
        seen.add(response.ids)
        newest = max((time for time in map(as_time, response.updates) if time is not None), default=newest)
        reached = next((time for time in map(as_time, reversed(response.starts)) if time is not None), None)
        if paging.is_done and looks_cut(response, query) and reached is not None:
            end = DoubtfulEnd(reached, looks_cut=True, pages=paging.pages)
        yield fetched_page(response, query, cursor)
    if end is not None:
        check_end(api, query, end, seen, changed_after=newest)


def scan_in_shards(
    api: Api, query: MilestoneQuery, *, now: datetime, connections: int, landed: Sequence[LandedPage] = ()
) -> Iterator[Fetched]:
    """Every page of a query, read by several connections in several places of the list; see `shards`.

    `landed` are the pages of an interrupted scan, `now` is the start of the sweep. Raises FilterIgnored, PagingFault.
    """
    shards = Shards(query, now=now, landed=landed)
    yield from _pages_of_shards(api, query, shards, connections)
    # The catch-up brings what changed from then on.
    changed_after = now - timedelta(seconds=OVERLAP_SECONDS)
    for end in shards.doubtful_ends():
        check_end(api, query, end, shards.seen, changed_after=changed_after)


def _pages_of_shards(api: Api, query: MilestoneQuery, shards: Shards, connections: int) -> Iterator[Fetched]:
    def request(shard: Shard) -> Response:
        return api.list_page(shards.query_of(shard), shard.paging.next_cursor)

    with RequestThreads(connections, request) as threads:
        while True:
            while threads.has_capacity and (shard := shards.next_to_request()) is not None:
                threads.submit(shard)
            if not threads.running:
                return
            finished = threads.wait()
            shard, cursor = finished.task, finished.task.paging.next_cursor
            shard.is_in_flight = False
            if not shards.contains(shard):
                continue
            if isinstance(finished.error, InvalidCursor) and cursor is not None and not shard.has_restarted:
                _log_restart(finished.error)
                shard.restart()
                continue
            if finished.error is not None:
                raise finished.error
            assert finished.result is not None  # noqa: S101 - either a result or an error
            response = finished.result
            check_filters(query, response)
            shard_query = shards.query_of(shard)
            is_valid = shards.add_page(
                shard, response.next_cursor, response.ids, response.starts, looks_cut=looks_cut(response, query)
            )
            if is_valid:
                yield fetched_page(response, shard_query, cursor)


def _log_restart(refusal: InvalidCursor) -> None:
    _LOG.warning(
        "the API refused a cursor (HTTP %s: %s): starting over from the first page, once",
        refusal.status,
        refusal.detail,
    )


def fetched_page(response: Response, query: MilestoneQuery, cursor: str | None) -> Fetched:
    """A response with the request that it came from, in which the page size is the one that was sent."""
    sent = query if response.limit is None else replace(query, limit=response.limit)
    return Fetched(f"{response.url_path}?{urlencode(sent.params())}", cursor, response)


def seconds_before(moment: datetime, seconds: int) -> int:
    """A time minus some seconds, in whole Unix seconds as `min_updated_ts` requires."""
    return int(moment.timestamp()) - seconds
