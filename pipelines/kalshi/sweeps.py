"""Sweeps: which pages are asked for, in which order, and when everything has been read.

The list is a scan ordered by start: a milestone whose start moves back over the scan is missed by it, so a scan of
the whole list is complete only after catch-ups by `min_updated_ts` from its own start.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from urllib.parse import urlencode

from pipelines.kalshi.answer import Answer
from pipelines.kalshi.errors import InvalidCursor, NotFound, PagingFault
from pipelines.kalshi.paging import Paging
from pipelines.kalshi.query import MilestoneQuery
from schemas.api import raw_page_decoder

OVERLAP_SECONDS = 300
"""How far `min_updated_ts` reaches back before a watermark: clocks differ, and an update may show late."""

MAX_CATCH_UPS = 10


class Api(Protocol):
    """What a sweep asks of the API; `pipelines.kalshi.client.KalshiClient` is one."""

    def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Answer:
        """One page of the list."""

    def get_milestone(self, milestone_id: str) -> Answer:
        """One milestone. Raises NotFound."""


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
        yield Fetched(f"{answer.url_path}?{urlencode(query.params())}", cursor, answer)


def full_sweep(
    api: Api,
    query: MilestoneQuery,
    *,
    started_at: datetime,
    now: Callable[[], datetime],
    landed: Sequence[str | None] = (),
) -> Iterator[Fetched]:
    """Every page, then catch-ups until one cannot have missed anything. Raises PagingFault when none ever does."""
    yield from scan(api, query, landed=landed)
    since = started_at
    seen: set[bytes] = set()
    for _ in range(MAX_CATCH_UPS):
        begun_at = now()
        pages = new = 0
        for fetched in scan(api, replace(query, min_updated_ts=seconds_before(since, OVERLAP_SECONDS))):
            pages += 1
            records = _digests(fetched.answer.body)
            new += len(records - seen)
            seen |= records
            yield fetched
        # One page is one moment: nothing can move while it is read. Several that bring only what earlier
        # catch-ups brought saw no move either.
        if pages == 1 or new == 0:
            return
        since = begun_at
    raise PagingFault(
        "no end of changes", page=pages, detail=f"after {MAX_CATCH_UPS} catch-ups milestones still change", cursor=""
    )


def by_id(api: Api, milestone_ids: Iterable[str], *, not_found: list[str]) -> Iterator[Fetched]:
    """One answer an id; ids that the API does not know are added to `not_found`."""
    for milestone_id in milestone_ids:
        try:
            answer = api.get_milestone(milestone_id)
        except NotFound:
            not_found.append(milestone_id)
            continue
        yield Fetched(answer.url_path, None, answer)


def seconds_before(moment: datetime, seconds: int) -> int:
    """Whole Unix seconds, as `min_updated_ts` wants them."""
    return int(moment.timestamp()) - seconds


def _digests(body: bytes) -> set[bytes]:
    """The records of a page, told apart by their bytes."""
    return {hashlib.blake2b(raw, digest_size=16).digest() for raw in raw_page_decoder.decode(body).milestones}
