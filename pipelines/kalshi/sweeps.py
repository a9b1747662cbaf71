"""Sweeps: which pages are asked for, in which order, and when everything has been read.

The list is a scan ordered by start: a milestone whose start moves back over the scan is missed by it, so a scan of
the whole list is complete only after catch-ups by `min_updated_ts` from its own start. The same holds of a scan in
several places at once.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol
from urllib.parse import urlencode

from pipelines.kalshi.ending import DoubtfulEnd, check_end, is_full
from pipelines.kalshi.errors import BadRequest, FilterIgnored, InvalidCursor, NotFound, PagingFault
from pipelines.kalshi.matching import as_time, check_filters
from pipelines.kalshi.paging import Paging, SeenIds
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.request_threads import Workers
from pipelines.kalshi.response import Answer
from pipelines.kalshi.shards import LandedPage, Shard, Shards, since_restart
from schemas.api import raw_page_decoder

OVERLAP_SECONDS = 300
"""How far `min_updated_ts` reaches back before a watermark: clocks differ, and an update may show late."""

MAX_CATCH_UPS = 10

MAX_QUIET_CATCH_UPS = 3
"""In a row that bring nothing new, where our clock is behind the API's."""

_LOG = logging.getLogger(__name__)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


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


def scan(api: Api, query: MilestoneQuery, *, landed: Sequence[LandedPage] = ()) -> Iterator[Fetched]:
    """Every page of a query, to the empty cursor; started over once when the API refuses a cursor that it gave.

    `landed` are pages of the same scan that were landed before, in order: the scan resumes after them. Raises
    FilterIgnored, PagingFault.
    """
    landed = since_restart(landed)
    if landed and landed[-1].next_cursor is None:
        # Requested again, since its end may still have to be checked.
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
            answer = api.list_page(query, cursor)
        except InvalidCursor as refusal:
            if has_restarted or cursor is None:
                raise
            _log_start_over(refusal)
            has_restarted, paging = True, Paging()
            continue
        check_filters(query, answer)
        paging.advance(answer.next_cursor, answer.ids)
        seen.add(answer.ids)
        newest = max((time for time in map(as_time, answer.updates) if time is not None), default=newest)
        reached = next((time for time in map(as_time, reversed(answer.starts)) if time is not None), None)
        if paging.is_done and is_full(answer, query) and reached is not None:
            end = DoubtfulEnd(reached, is_full=True, pages=paging.pages)
        yield _fetched(answer, query, cursor)
    if end is not None:
        check_end(api, query, end, seen, changed_after=newest)


def scan_in_shards(
    api: Api, query: MilestoneQuery, *, now: datetime, connections: int, landed: Sequence[LandedPage] = ()
) -> Iterator[Fetched]:
    """Every page of a query, with several connections in several places of the list; see `pipelines.kalshi.shards`.

    `landed` are the pages of an interrupted scan, `now` is when the sweep began. Raises FilterIgnored, PagingFault.
    """
    shards = Shards(query, now=now, landed=landed)
    yield from _in_shards(api, query, shards, connections)
    # The catch-up brings what changed from then on.
    changed_after = now - timedelta(seconds=OVERLAP_SECONDS)
    for end in shards.doubtful_ends():
        check_end(api, query, end, shards.seen, changed_after=changed_after)


def _in_shards(api: Api, query: MilestoneQuery, shards: Shards, connections: int) -> Iterator[Fetched]:
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
            if not shards.holds(shard):
                continue
            if isinstance(done.fault, InvalidCursor) and cursor is not None and not shard.has_restarted:
                _log_start_over(done.fault)
                shard.restart()
                continue
            if done.fault is not None:
                raise done.fault
            assert done.result is not None  # noqa: S101 - one or the other
            answer = done.result
            check_filters(query, answer)
            asked = shards.query_of(shard)
            if shards.take(shard, answer.next_cursor, answer.ids, answer.starts, is_full=is_full(answer, query)):
                yield _fetched(answer, asked, cursor)


def _log_start_over(refusal: InvalidCursor) -> None:
    _LOG.warning(
        "the API refused a cursor (HTTP %s: %s): starting over from the first page, once",
        refusal.status,
        refusal.detail,
    )


def _fetched(answer: Answer, query: MilestoneQuery, cursor: str | None) -> Fetched:
    asked = query if answer.limit is None else replace(query, limit=answer.limit)
    return Fetched(f"{answer.url_path}?{urlencode(asked.params())}", cursor, answer)


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
    quiet = 0
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
        # Behind the API's clock ours cannot make the window narrow enough for one page: every full sweep would fail.
        # The next poll looks back to this sweep's start all the same.
        quiet = quiet + 1 if new == 0 and newest_before > begun_at else 0
        if quiet == MAX_QUIET_CATCH_UPS:
            return
        since = max(since, narrower)
    raise PagingFault(
        "no end of changes", page=pages, detail=f"after {MAX_CATCH_UPS} catch-ups milestones still change", cursor=""
    )


def by_id(
    api: Api, milestone_ids: Iterable[str], *, not_found: list[str], unanswered: list[str] | None = None
) -> Iterator[Fetched]:
    """One answer an id; ids that the API does not know are added to `not_found`.

    Ids that cannot be asked for, that the API refuses as ids, or for which it answers another milestone are added to
    `unanswered`; without it they are raised.
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
        if (other := _other_id(answer, milestone_id)) is not None:
            if unanswered is None:
                raise FilterIgnored(
                    answer.url_path, name="milestone_id", wanted=milestone_id, found="another id", milestone_id=other
                )
            unanswered.append(milestone_id)
            continue
        yield Fetched(answer.url_path, None, answer)


def _other_id(answer: Answer, milestone_id: str) -> str | None:
    """The id that was answered instead of the one asked for; None where it is that, or cannot be read."""
    (answered,) = answer.ids
    return answered if not answered.startswith("?") and answered.casefold() != milestone_id.casefold() else None


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
    return {hashlib.blake2b(raw, digest_size=16).digest() for raw in raw_page_decoder.decode(body).milestones or ()}
