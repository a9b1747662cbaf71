"""The client of the API: one page of the list, or one milestone, per call.

The rules live in other modules: attempts and retries in `requester` and `retry`, one attempt in `sender`, pacing in
`pacing`, the meaning of a status in `status_codes`, of a body in `response`, the order of pages in `paging`.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from urllib.parse import quote

import requests

from pipelines.kalshi import errors, transport
from pipelines.kalshi.addresses import Addresses
from pipelines.kalshi.base_url import check_base_url
from pipelines.kalshi.faults import Parameters
from pipelines.kalshi.network import Network
from pipelines.kalshi.pacing import Pace, TokenBucket
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.request_stats import RequestStats
from pipelines.kalshi.requester import Requester
from pipelines.kalshi.response import Content, Response, page_reader, read_page, read_single
from pipelines.kalshi.sender import MAX_BODY_BYTES, Sender
from pipelines.kalshi.signing import RequestSigner
from schemas.api import PAGE_LIMIT
from schemas.endpoint import Endpoint
from schemas.endpoints import MILESTONES_ENDPOINT

SMALLER_PAGE_LIMIT = 100
"""The page size to try where the API refuses the first page: its maximum may have become smaller."""

MAX_CONNECTIONS = 8
LATENCY_SECONDS = 0.25
"""Assumed latency of a response. With longer ones, latency and not the pace would bound a sweep of one connection."""

_LOG = logging.getLogger(__name__)
_PAGE_LIMIT_STATUSES = (400, 422)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def connections_for(requests_per_second: float | None) -> int:
    """How many requests to keep in flight so that the pace, and not the latency of responses, bounds a sweep."""
    if not requests_per_second:
        # Only a loopback server is read without a pace.
        return 1
    return max(1, min(MAX_CONNECTIONS, math.ceil(requests_per_second * LATENCY_SECONDS)))


class KalshiClient:
    """Reads the milestones of one API. Threads may share it; close it, or use it as a context manager.

    Every request raises KalshiError. `requests_per_second` None or 0 switches pacing off. `connections` is the number
    of requests that a sweep keeps in flight; None derives it from the pace. `page_limit` is the largest page to
    request. `deadline_seconds` bounds one page with all its attempts and waits, from the moment the pace lets it
    start. `fallback_base_url` is used, with a warning in the log, where the host of `base_url` cannot be resolved or
    redirects before it ever responded. `network` configures proxy and certificates. Processes with the same `pace_file`
    share one pace; `pace` replaces it. `signer` signs the requests to its own hosts. Tests inject clock, now, sleep,
    random and session; an injected session must verify TLS and stays open.
    """

    def __init__(
        self,
        base_url: str,
        *,
        fallback_base_url: str | None = None,
        network: Network = transport.DIRECT,
        requests_per_second: float | None = 4.0,
        connections: int | None = None,
        page_limit: int = PAGE_LIMIT,
        deadline_seconds: float = 60.0,
        max_body_bytes: int = MAX_BODY_BYTES,
        session: requests.Session | None = None,
        pace_file: Path | None = None,
        pace: Pace | None = None,
        signer: RequestSigner | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _utc_now,
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] = random.random,
    ) -> None:
        if not 0 < deadline_seconds < math.inf:
            raise ValueError(f"the deadline must be more than 0 seconds, not {deadline_seconds}")
        if session is not None and session.verify is False:
            raise ValueError("the session does not verify TLS: set session.verify to a private CA's file instead")
        fallback = check_base_url(fallback_base_url) if fallback_base_url else None
        self._addresses = Addresses(check_base_url(base_url), fallback)
        self.connections = connections or connections_for(requests_per_second)
        self.page_limit = MilestoneQuery(limit=page_limit).limit
        self.stats = RequestStats()
        self._has_listed = False
        self._owns_session = session is None
        self._session = session or transport.build_session(network)
        self._now = now
        sender = Sender(self._session, self.stats, max_body_bytes=max_body_bytes, clock=clock, now=now, signer=signer)
        self._requester = Requester(
            sender,
            self._addresses,
            pace or TokenBucket(requests_per_second, clock=clock, sleep=sleep, file=pace_file),
            self.stats,
            deadline_seconds=deadline_seconds,
            clock=clock,
            now=now,
            sleep=sleep,
            random=random,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; an injected session stays open."""
        if self._owns_session:
            self._session.close()

    @property
    def base_url(self) -> str:
        """The base URL in use, in its normal form."""
        return self._addresses.current

    def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Response:
        """One page of `GET /milestones`: the first without a cursor, any other with the cursor of the page before.

        It holds at most `page_limit` milestones. Where the API refuses the first request of this client and accepts a
        smaller page, `page_limit` is lowered for all later requests.
        """
        limited = replace(query, limit=min(query.limit, self.page_limit))
        try:
            response = self._list(limited, cursor)
        except errors.BadRequest as refusal:
            may_be_the_limit = cursor is None and not self._has_listed and refusal.status in _PAGE_LIMIT_STATUSES
            if not may_be_the_limit or limited.limit <= SMALLER_PAGE_LIMIT:
                raise
            response = self._list_smaller_page(limited, refusal)
        self._has_listed = True
        return response

    def get_milestone(self, milestone_id: str) -> Response:
        """`GET /milestones/{milestone_id}`. Raises NotFound, and ValueError for an id that no path can hold."""
        # Dots survive percent-encoding and clients resolve them; no other text can leave its path segment.
        if not milestone_id.strip("."):
            raise ValueError(f"{milestone_id!r} cannot be a milestone's id")
        path = f"{MILESTONES_ENDPOINT.path}/{quote(milestone_id, safe='')}"
        return self._response(self._requester.request(path, {}, read_single), path)

    def get_records(self, endpoint: Endpoint, parameters: Parameters) -> Response:
        """One page of an endpoint beside milestones, with the parameters as given; a list is a repeated parameter."""
        content = self._requester.request(endpoint.path, parameters, page_reader(endpoint))
        return self._response(content, endpoint.path)

    def _list_smaller_page(self, query: MilestoneQuery, refusal: errors.BadRequest) -> Response:
        """The first page with fewer milestones. Raises `refusal` where the API refuses that as well."""
        try:
            response = self._list(replace(query, limit=SMALLER_PAGE_LIMIT), None)
        except errors.BadRequest:
            raise refusal from None
        self.page_limit = SMALLER_PAGE_LIMIT
        _LOG.warning(
            "the API refused pages of %d milestones (%s) and accepts pages of %d: set KALSHI_PAGE_LIMIT to that",
            query.limit,
            refusal.detail or f"HTTP {refusal.status}",
            self.page_limit,
        )
        return response

    def _list(self, query: MilestoneQuery, cursor: str | None) -> Response:
        path = MILESTONES_ENDPOINT.path
        content = self._requester.request(path, query.params(cursor), read_page)
        return self._response(content, path, limit=query.limit)

    def _response(self, content: Content, path: str, limit: int | None = None) -> Response:
        return Response(
            body=content.body,
            next_cursor=content.next_cursor,
            ids=content.ids,
            starts=content.starts,
            updates=content.updates,
            categories=content.categories,
            types=content.types,
            is_null=content.is_null,
            has_other_cursor=content.has_other_cursor,
            fetched_at=self._now(),
            url_path=path,
            limit=limit,
        )
