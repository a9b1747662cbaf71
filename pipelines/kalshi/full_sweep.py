"""A full sweep: a scan of the whole list, then catch-ups until nothing can have been missed.

The list is ordered by start, and a milestone whose start moves back over a running scan is missed by it. It is updated
when it moves, so a scan by `min_updated_ts` from the start of the sweep, a catch-up, brings it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from pipelines.kalshi.errors import PagingFault
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.scans import OVERLAP_SECONDS, Api, Fetched, scan, scan_in_shards, seconds_before
from pipelines.kalshi.shards import LandedPage
from pipelines.kalshi.upper_bound import starting_before
from schemas.endpoints import MILESTONES_ENDPOINT

MAX_CATCH_UPS = 10

MAX_QUIET_CATCH_UPS = 3
"""The most catch-ups in a row that bring nothing new, where our clock is behind the API's."""


def full_sweep(
    api: Api,
    query: MilestoneQuery,
    *,
    started_at: datetime,
    now: Callable[[], datetime],
    connections: int = 1,
    landed: Sequence[LandedPage] = (),
) -> Iterator[Fetched]:
    """Every page, then catch-ups until one cannot have missed anything. Raises PagingFault where none ever does.

    `landed` are the pages of an interrupted scan. Raises FilterIgnored and KalshiError as well.
    """
    fetched = _scan_and_catch_up(api, query, started_at=started_at, now=now, connections=connections, landed=landed)
    if (bound := query.maximum_start_date) is None:
        yield from fetched
        return
    for one in fetched:
        yield replace(one, response=starting_before(bound, one.response))


def _scan_and_catch_up(
    api: Api,
    query: MilestoneQuery,
    *,
    started_at: datetime,
    now: Callable[[], datetime],
    connections: int,
    landed: Sequence[LandedPage],
) -> Iterator[Fetched]:
    newest = 0
    for fetched in scan_in_shards(api, query, now=started_at, connections=connections, landed=landed):
        newest = max(newest, _newest_update(fetched.response.updates))
        yield fetched
    since = seconds_before(started_at, OVERLAP_SECONDS)
    seen: set[bytes] = set()
    quiet = 0
    for _ in range(MAX_CATCH_UPS):
        begun_at, newest_before = int(now().timestamp()), newest
        pages = new = 0
        for fetched in scan(api, replace(query, min_updated_ts=since)):
            pages += 1
            records = _digests(fetched.response.body)
            new += len(records - seen)
            seen |= records
            newest = max(newest, _newest_update(fetched.response.updates))
            yield fetched
        # A milestone that moves from now on gets a later update time, by the API's clock, than any seen before this
        # catch-up began: the next catch-up need not look back further.
        narrower = min(newest_before, begun_at) - 1
        # One page is one moment: nothing can move while it is read. Several pages that bring nothing new prove nothing
        # while the window can still get narrower: a row may have moved behind the cursor meanwhile.
        if pages == 1 or (new == 0 and narrower <= since):
            return
        # With our clock behind the API's, the window never gets narrow enough for one page, and every full sweep would
        # fail. Ending here is safe: the next poll looks back to this sweep's start.
        quiet = quiet + 1 if new == 0 and newest_before > begun_at else 0
        if quiet == MAX_QUIET_CATCH_UPS:
            return
        since = max(since, narrower)
    raise PagingFault(
        "no end of changes", page=pages, detail=f"after {MAX_CATCH_UPS} catch-ups milestones still change", cursor=""
    )


def _newest_update(updates: Iterable[str]) -> int:
    """The newest last_updated_ts of a page, in whole Unix seconds; 0 where none can be read."""
    # UTC texts sort by time up to the seconds.
    newest = max((text[:19] for text in updates if text.endswith("Z")), default="")
    try:
        return max(0, int(datetime.fromisoformat(f"{newest}+00:00").timestamp()))
    except ValueError:
        return 0


def _digests(body: bytes) -> set[bytes]:
    """A digest of the bytes of each record on a page."""
    records = MILESTONES_ENDPOINT.raw_page_decoder.decode(body).records or ()
    return {hashlib.blake2b(raw, digest_size=16).digest() for raw in records}
