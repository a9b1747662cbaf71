"""Asks the API for one page or one milestone, whole or not at all. The only module that sends requests.

One page is the unit of success: it is connected, streamed under a byte cap, decompressed to its end and decoded
before it counts, and every fault before that is retried or raised as what it is. The rules live elsewhere,
without a network: `retry` (when again), `pacing` (how often), `body` (how much), `answer` (what counts),
`refusal` (what a status means), `paging` (how far).
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import math
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib import metadata
from typing import Self
from urllib.parse import quote

import requests
import urllib3

from pipelines.kalshi import errors, retry, transport
from pipelines.kalshi.addresses import Addresses
from pipelines.kalshi.base_url import check_base_url
from pipelines.kalshi.body import ACCEPT_ENCODING, BodyDecoder, CutBody, OversizedBody, UnknownEncoding
from pipelines.kalshi.network import Network
from pipelines.kalshi.pacing import TokenBucket
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.response import Answer, BrokenContract, Content, NotJson, read_page, read_single
from pipelines.kalshi.retry import FaultKind, GiveUp, Reason, Wait
from pipelines.kalshi.server_text import error_message, quoted
from pipelines.kalshi.status_codes import TOO_MANY_REQUESTS, is_worth_retrying, redirect_target, refused
from schemas.api import PAGE_LIMIT

__all__ = ["Answer", "KalshiClient", "Stats"]

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Twenty times the largest page to expect (500 golf tournaments of 5.6 KB: 2.8 MB)."""
SMALLER_PAGE_LIMIT = 100
"""What is requested instead where the API refuses the first page: its limit may have become smaller."""

ERROR_BODY_BYTES = 64 * 1024
ERROR_BODY_SECONDS = 2.0
PIECE_BYTES = 64 * 1024

MAX_CONNECTIONS = 8
ANSWER_SECONDS = 0.25
"""What an answer may take before its latency, and not the pace, bounds a sweep that has one request in flight."""

_LOG = logging.getLogger(__name__)
# What a request in flight can raise: requests wraps most of urllib3, but nothing that streaming raises.
_IN_FLIGHT = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)


_REFUSES_A_LIMIT = (400, 422)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Stats:
    """What a client has put on the wire: tries, retries among them, 429s, and body bytes received. Thread-safe."""

    requests: int = 0
    retries: int = 0
    rate_limited: int = 0
    bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def count(self, *, requests: int = 0, retries: int = 0, rate_limited: int = 0, received: int = 0) -> None:
        """Add to the counters."""
        with self._lock:
            self.requests += requests
            self.retries += retries
            self.rate_limited += rate_limited
            self.bytes += received


@dataclass
class _Call:
    """One page being asked for, over all its tries."""

    base_url: str
    path: str
    params: dict[str, str]
    read: Callable[[bytes], Content]
    give_up_at: float
    attempt: int = 1

    @property
    def url(self) -> str:
        return f"{self.base_url}{self.path}"


@dataclass(frozen=True)
class _Fault:
    """One failed try that another may cure."""

    kind: FaultKind
    detail: str
    cause: Exception | None = None
    status: int | None = None
    retry_after_seconds: float | None = None
    excerpt: bytes = b""


def connections_for(requests_per_second: float | None) -> int:
    """How many requests to have in flight so that the pace, and not the answers' latency, bounds a sweep."""
    if not requests_per_second:
        # Only a server on loopback is asked without a pace.
        return 1
    return max(1, min(MAX_CONNECTIONS, math.ceil(requests_per_second * ANSWER_SECONDS)))


class KalshiClient:
    """The milestones of one API, read politely. Threads may share it; close it, or use it as a context manager.

    Every call raises KalshiError. `requests_per_second` None or 0 switches pacing off. `connections` says how many
    requests a sweep should have in flight; None takes what the pace needs. `page_limit` is the most milestones that a
    page is asked for. `deadline_seconds` is the
    wall-clock time of one page with all its tries and waits, from its first turn on. Clock, now, sleep, random and
    session are for tests to inject; an injected session must verify TLS and stays the caller's to close. Without one
    requests go out as `network` says. `fallback_base_url` is used, with a warning in the log, where the host of
    `base_url` cannot be resolved or redirects before it ever answered.
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
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _utc_now,
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] = random.random,
    ) -> None:
        if not 0 < deadline_seconds < math.inf:
            raise ValueError(f"the deadline must be more than 0 seconds, not {deadline_seconds}")
        if session is not None and session.verify is False:
            raise ValueError("the session does not verify TLS: name a private authority in session.verify instead")
        fallback = check_base_url(fallback_base_url) if fallback_base_url else None
        self._addresses = Addresses(check_base_url(base_url), fallback)
        self.connections = connections or connections_for(requests_per_second)
        self.page_limit = MilestoneQuery(limit=page_limit).limit
        self.stats = Stats()
        self._has_listed = False
        self._owns_session = session is None
        self._session = session or transport.build_session(network)
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": ACCEPT_ENCODING,
            "User-Agent": f"kalshi-milestones/{_version()}",
        }
        self._deadline_seconds = deadline_seconds
        self._max_body_bytes = max_body_bytes
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._random = random
        self._bucket = TokenBucket(requests_per_second, clock=clock, sleep=sleep)
        self._budget = retry.RetryBudget()

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
        """The address that is asked, in its normal form."""
        return self._addresses.current

    def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Answer:
        """One page of `GET /milestones`: the first without a cursor, any other with what the one before gave.

        It holds at most `page_limit` milestones. Where the very first request is refused and a smaller page is
        answered, `page_limit` is smaller from then on.
        """
        limited = replace(query, limit=min(query.limit, self.page_limit))
        try:
            answer = self._list(limited, cursor)
        except errors.BadRequest as refusal:
            may_be_the_limit = cursor is None and not self._has_listed and refusal.status in _REFUSES_A_LIMIT
            if not may_be_the_limit or limited.limit <= SMALLER_PAGE_LIMIT:
                raise
            answer = self._list_less(limited, refusal)
        self._has_listed = True
        return answer

    def _list_less(self, query: MilestoneQuery, refusal: errors.BadRequest) -> Answer:
        """The first page with fewer milestones. Raises the refusal where that is refused as well."""
        try:
            answer = self._list(replace(query, limit=SMALLER_PAGE_LIMIT), None)
        except errors.BadRequest:
            raise refusal from None
        self.page_limit = SMALLER_PAGE_LIMIT
        _LOG.warning(
            "the API refused pages of %d milestones (%s) and answers pages of %d: set KALSHI_PAGE_LIMIT to that",
            query.limit,
            refusal.detail or f"HTTP {refusal.status}",
            self.page_limit,
        )
        return answer

    def _list(self, query: MilestoneQuery, cursor: str | None) -> Answer:
        return replace(self._ask("/milestones", query.params(cursor), read_page), limit=query.limit)

    def get_milestone(self, milestone_id: str) -> Answer:
        """`GET /milestones/{milestone_id}`. Raises NotFound, and ValueError for an id that is no path segment."""
        # Dots survive percent-encoding and clients resolve them; no other text can leave its segment.
        if not milestone_id.strip("."):
            raise ValueError(f"{milestone_id!r} cannot be a milestone's id")
        return self._ask(f"/milestones/{quote(milestone_id, safe='')}", {}, read_single)

    def _ask(self, path: str, params: dict[str, str], read: Callable[[bytes], Content]) -> Answer:
        self._bucket.acquire()
        call = _Call(self.base_url, path, params, read, give_up_at=self._clock() + self._deadline_seconds)
        while not isinstance(outcome := self._try_once(call), Content):
            if outcome is None:
                self._bucket.acquire()
                call.base_url = self.base_url
            else:
                self._wait_or_raise(call, outcome)
            call.attempt += 1
            self.stats.count(retries=1)
        self._budget.earn()
        return Answer(
            body=outcome.body,
            next_cursor=outcome.next_cursor,
            ids=outcome.ids,
            starts=outcome.starts,
            updates=outcome.updates,
            categories=outcome.categories,
            types=outcome.types,
            is_null=outcome.is_null,
            fetched_at=self._now(),
            url_path=path,
        )

    def _wait_or_raise(self, call: _Call, fault: _Fault) -> None:
        verdict = retry.decide(
            fault.kind,
            attempt=call.attempt,
            remaining_seconds=self._remaining(call),
            retry_after_seconds=fault.retry_after_seconds,
            jitter=self._random(),
        )
        # A 429 costs no budget: nothing is broken, and the deadline bounds its waits.
        if isinstance(verdict, Wait) and fault.kind is not FaultKind.RATE_LIMIT and not self._budget.spend():
            verdict = GiveUp(Reason.BUDGET)
        if isinstance(verdict, GiveUp):
            raise self._error(call, fault, verdict.reason) from fault.cause
        _LOG.warning("try %d of %s failed (%s); next in %.1f s", call.attempt, call.url, fault.detail, verdict.seconds)
        if fault.kind is FaultKind.RATE_LIMIT or fault.retry_after_seconds is not None:
            # Said to one, meant for all: every thread of this client waits.
            self._bucket.pause(verdict.seconds)
        else:
            self._sleep(verdict.seconds)
        self._bucket.acquire()
        if self._remaining(call) <= 0:
            raise self._error(call, fault, Reason.DEADLINE) from fault.cause

    def _try_once(self, call: _Call) -> Content | _Fault | None:
        """One request. A fault that may pass is returned, one that cannot is raised.

        None: the address of the call was left for the fallback.
        """
        try:
            return self._answer(call)
        except errors.Redirected as error:
            if self._addresses.leave(call.base_url, f"redirects to {error.target or 'nowhere'}"):
                return None
            raise
        except _IN_FLIGHT as error:
            if transport.is_unresolved(error) and self._addresses.leave(call.base_url, "cannot be resolved"):
                return None
            return _transport_fault(call, error)

    def _answer(self, call: _Call) -> Content | _Fault:
        """Send one request and read its answer. What the network raises is the caller's."""
        self.stats.count(requests=1)
        try:
            with self._open(call) as response:
                if response.status_code // 100 != 3:
                    self._addresses.keep(call.base_url)
                if response.status_code != 200:
                    return self._refusal(call, response)
                body = self._whole_body(call, response)
            return call.read(body)
        except NotJson as error:
            return _Fault(FaultKind.NOT_JSON, str(error), cause=error, status=200, excerpt=body)
        except CutBody as error:
            return _Fault(FaultKind.TRANSPORT, str(error), cause=error, status=200)
        except BrokenContract as error:
            raise errors.NotTheApi(
                call.url, detail=str(error), excerpt=body, status=200, attempts=call.attempt
            ) from error
        except UnknownEncoding as error:
            raise errors.NotTheApi(call.url, detail=str(error), status=200, attempts=call.attempt) from error
        except OversizedBody as error:
            raise errors.TooLarge(call.url, max_bytes=self._max_body_bytes, attempts=call.attempt) from error

    @contextlib.contextmanager
    def _open(self, call: _Call) -> Iterator[requests.Response]:
        response = self._session.get(
            call.url,
            params=call.params,
            headers=self._headers,
            stream=True,
            allow_redirects=False,
            timeout=max(self._remaining(call), 0.001),
        )
        # Closing drops the connection unless its body was read to the end: a half-read one is never used again.
        with response:
            yield response

    def _whole_body(self, call: _Call, response: requests.Response) -> bytes:
        announced = response.headers.get("Content-Length", "")
        if re.fullmatch(r"[0-9]{1,18}", announced) and int(announced) > self._max_body_bytes:
            raise OversizedBody
        decoder = BodyDecoder(response.headers.get("Content-Encoding", ""), max_bytes=self._max_body_bytes)
        for piece in self._pieces(response):
            decoder.feed(piece)
            if self._remaining(call) <= 0:
                raise CutBody("the body did not end in time")
        body = decoder.finish()
        if not body:
            raise CutBody("an empty body")
        return body

    def _pieces(self, response: requests.Response) -> Iterator[bytes]:
        """The body as it comes, still encoded; the library raises where Content-Length or chunks are cut short."""
        while piece := response.raw.read1(PIECE_BYTES, decode_content=False):
            self.stats.count(received=len(piece))
            yield piece

    def _refusal(self, call: _Call, response: requests.Response) -> _Fault:
        """What an answer other than 200 means."""
        status = response.status_code
        if status < 300:
            raise errors.NotTheApi(
                call.url, detail="an answer without the content asked for", status=status, attempts=call.attempt
            )
        if status < 400:
            target = redirect_target(response.headers.get("Location", ""))
            raise errors.Redirected(call.url, status=status, target=target, attempts=call.attempt)
        detail = error_message(self._error_body(response))
        if not is_worth_retrying(status):
            raise refused(
                call.url, status=status, detail=detail, has_cursor="cursor" in call.params, attempts=call.attempt
            )
        is_rate_limit = status == TOO_MANY_REQUESTS
        self.stats.count(rate_limited=int(is_rate_limit))
        return _Fault(
            FaultKind.RATE_LIMIT if is_rate_limit else FaultKind.SERVER,
            detail or f"HTTP {status}",
            status=status,
            retry_after_seconds=retry.parse_retry_after(
                response.headers.get("Retry-After"), now=self._now(), answered_at=response.headers.get("Date")
            ),
        )

    def _error_body(self, response: requests.Response) -> bytes:
        """An error's words as far as they come easily: the status alone decides and does not wait for them."""
        decoder = BodyDecoder("", max_bytes=ERROR_BODY_BYTES)
        give_up_at = self._clock() + ERROR_BODY_SECONDS
        with contextlib.suppress(CutBody, OversizedBody, UnknownEncoding, *_IN_FLIGHT):
            decoder = BodyDecoder(response.headers.get("Content-Encoding", ""), max_bytes=ERROR_BODY_BYTES)
            for piece in self._pieces(response):
                decoder.feed(piece)
                if self._clock() >= give_up_at:
                    break
        return decoder.so_far()

    def _remaining(self, call: _Call) -> float:
        return call.give_up_at - self._clock()

    def _error(self, call: _Call, fault: _Fault, reason: Reason) -> errors.KalshiError:
        """The last fault of a call, as the error that its caller sees."""
        # That the tries are used, their number says already.
        detail = fault.detail if reason is Reason.TRIES else f"{fault.detail} ({reason.value})"
        if self._addresses.left:
            detail += f"; asked because {self._addresses.left}"
        if fault.kind is FaultKind.NOT_JSON:
            return errors.NotTheApi(
                call.url, detail=detail, excerpt=fault.excerpt, status=fault.status, attempts=call.attempt
            )
        if fault.kind is FaultKind.TRANSPORT and reason is Reason.DEADLINE:
            return errors.DeadlineExceeded(
                call.url, deadline_seconds=self._deadline_seconds, detail=fault.detail, attempts=call.attempt
            )
        if fault.kind is FaultKind.TRANSPORT:
            return errors.Unreachable(call.url, detail=detail, status=fault.status, attempts=call.attempt)
        asked = fault.retry_after_seconds
        kind = errors.RateLimited if fault.kind is FaultKind.RATE_LIMIT else errors.ServerFault
        return kind(
            call.url,
            detail=detail,
            status=fault.status,
            attempts=call.attempt,
            retry_after_seconds=asked,
            # Rounded up: to come back a part of a second early is to be refused again.
            come_back_at=None if asked is None else self._now() + timedelta(seconds=math.ceil(asked) + 1),
        )


def _transport_fault(call: _Call, error: Exception) -> _Fault:
    cause = transport.root_cause(error)
    detail = quoted(str(cause) or type(cause).__name__)
    if type(cause) is http.client.BadStatusLine:
        detail = f"this is no HTTP: {detail}"
    if isinstance(error, requests.exceptions.ProxyError):
        detail = f"the proxy: {detail}"
    if transport.is_tls_verdict(cause):
        raise errors.TlsFailure(call.url, detail=detail, attempts=call.attempt) from error
    return _Fault(FaultKind.TRANSPORT, detail, cause=error)


def _version() -> str:
    try:
        return metadata.version("kalshi-milestones")
    except metadata.PackageNotFoundError:
        return "0"
