"""Sweeps: which pages are asked for, in which order, and when everything has been read.

The list is a scan ordered by start: a milestone whose start moves back over the scan is missed by it, so a scan of
the whole list is complete only after catch-ups by `min_updated_ts` from its own start. The same holds of a scan in
several places at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from urllib.parse import urlencode

from pipelines.kalshi.answer import Answer
from pipelines.kalshi.errors import BadRequest, InvalidCursor, NotFound, PagingFault
from pipelines.kalshi.paging import Paging
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.shards import Disordered, LandedPage, Shard, Shards
from pipelines.kalshi.workers import Workers
from schemas.api import raw_page_decoder

OVERLAP_SECONDS = 300
"""How far `min_updated_ts` reaches back before a watermark: clocks differ, and an update may show late."""

MAX_CATCH_UPS = 10


class Api(Protocol):
    """What a sweep asks of the API; `pipelines.kalshi.client.KalshiClient` is one."""

    def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Answer:
        """One page of the list."""

    def get_milestone(self, milestone_id: str) -> Answer:
        """One milestone. Raises NotFound, BadRequest, and ValueError for an id that cannot be asked for."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One answer with what was asked: path and parameters without host, and the cursor that was sent."""

    path: str
    cursor: str | None
    answer: Answer


def scan(api: Api, query: MilestoneQuery, *, landed: Sequence[str | None] = ()) -> Iterator[Fetched]:
    """Every page of a query, to the empty cursor; begun again once when the API refuses a cursor that it gave.

    `landed` are the cursors that pages landed before gave, in order: the scan goes on after them.
    """
    paging = Paging.resumed(landed)
    has_restarted = False
    while not paging.is_done:
        cursor = paging.next_cursor
        try:
            answer = api.list_page(query, cursor)
        except InvalidCursor:
            if has_restarted or cursor is None:
                raise
            has_restarted, paging = True, Paging()
            continue
        paging.advance(answer.next_cursor, answer.ids)
        yield _fetched(answer, query, cursor)


def scan_in_shards(
    api: Api, query: MilestoneQuery, *, now: datetime, connections: int, landed: Sequence[LandedPage] = ()
) -> Iterator[Fetched]:
    """Every page of a query, with several connections in several places of the list; see `pipelines.kalshi.shards`.

    `landed` are the pages of an interrupted scan. Where the list turns out not to be ordered by start after all it is
    read once more, from its beginning to its end.
    """
    try:
        yield from _in_shards(api, Shards(query, now=now, landed=landed), connections)
    except Disordered:
        yield from scan(api, query)


def _in_shards(api: Api, shards: Shards, connections: int) -> Iterator[Fetched]:
    def ask(shard: Shard) -> Answer:
        return api.list_page(shards.query_of(shard), shard.paging.next_cursor)

    with Workers(connections, ask) as workers:
        while True:
            while workers.has_room and (shard := shards.next()) is not None:
                workers.begin(shard)
            if not workers.running:
                return
            done = workers.wait()
            shard, cursor = done.task, done.task.paging.next_cursor
            shard.is_asked = False
            if isinstance(done.fault, InvalidCursor) and cursor is not None and not shard.has_restarted:
                shard.restart()
                continue
            if done.fault is not None:
                raise done.fault
            assert done.result is not None  # noqa: S101 - one or the other
            answer = done.result
            shards.take(shard, answer.next_cursor, answer.ids, answer.starts)
            yield _fetched(answer, shards.query_of(shard), cursor)


def _fetched(answer: Answer, query: MilestoneQuery, cursor: str | None) -> Fetched:
    return Fetched(f"{answer.url_path}?{urlencode(query.params())}", cursor, answer)


def full_sweep(
    api: Api,
    query: MilestoneQuery,
    *,
    started_at: datetime,
    now: Callable[[], datetime],
    connections: int = 1,
    landed: Sequence[LandedPage] = (),
) -> Iterator[Fetched]:
    """Every page, then catch-ups until one cannot have missed anything. Raises PagingFault when none ever does."""
    newest = 0
    for fetched in scan_in_shards(api, query, now=started_at, connections=connections, landed=landed):
        newest = max(newest, _newest_update(fetched.answer.updates))
        yield fetched
    since = seconds_before(started_at, OVERLAP_SECONDS)
    seen: set[bytes] = set()
    for _ in range(MAX_CATCH_UPS):
        begun_at, newest_before = int(now().timestamp()), newest
        pages = new = 0
        for fetched in scan(api, replace(query, min_updated_ts=since)):
            pages += 1
            records = _digests(fetched.answer.body)
            new += len(records - seen)
            seen |= records
            newest = max(newest, _newest_update(fetched.answer.updates))
            yield fetched
        # Whatever moves from now on carries a later time than what had been seen before this catch-up began, by the
        # API's own clock: the next one need not look back further.
        narrower = min(newest_before, begun_at) - 1
        # One page is one moment: nothing can move while it is read. Several that bring nothing new prove nothing
        # while the window can still get narrower: a row may have moved behind the cursor meanwhile.
        if pages == 1 or (new == 0 and narrower <= since):
            return
        since = max(since, narrower)
    raise PagingFault(
        "no end of changes", page=pages, detail=f"after {MAX_CATCH_UPS} catch-ups milestones still change", cursor=""
    )


def by_id(
    api: Api, milestone_ids: Iterable[str], *, not_found: list[str], unanswered: list[str] | None = None
) -> Iterator[Fetched]:
    """One answer an id; ids that the API does not know are added to `not_found`.

    Ids that cannot be asked for, or that the API refuses as ids, are added to `unanswered`; without it they are raised.
    """
    for milestone_id in milestone_ids:
        try:
            answer = api.get_milestone(milestone_id)
        except NotFound:
            not_found.append(milestone_id)
            continue
        except (BadRequest, ValueError):
            if unanswered is None:
                raise
            unanswered.append(milestone_id)
            continue
        yield Fetched(answer.url_path, None, answer)


def seconds_before(moment: datetime, seconds: int) -> int:
    """Whole Unix seconds, as `min_updated_ts` wants them."""
    return int(moment.timestamp()) - seconds


def _newest_update(updates: Iterable[str]) -> int:
    """The newest last_updated_ts of a page, in whole Unix seconds; 0 where none can be read."""
    # Text in UTC sorts by time up to the seconds.
    newest = max((text[:19] for text in updates if text.endswith("Z")), default="")
    try:
        return max(0, int(datetime.fromisoformat(f"{newest}+00:00").timestamp()))
    except ValueError:
        return 0


def _digests(body: bytes) -> set[bytes]:
    """The records of a page, told apart by their bytes."""
    return {hashlib.blake2b(raw, digest_size=16).digest() for raw in raw_page_decoder.decode(body).milestones}
