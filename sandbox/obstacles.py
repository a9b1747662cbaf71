"""ASGI middleware with a rate limit, latency, and faults on demand.

It logs every request with its status, so that tests can check what a client sent and how often.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
from collections.abc import Callable
from typing import NamedTuple

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOO_MANY = b'{"error": "too many requests"}'
UNAVAILABLE = b'{"code":"service_unavailable","message":"service unavailable","details":""}'


class Exchange(NamedTuple):
    """One request and the status it got (0: the connection was cut)."""

    path: str
    query: str
    status: int


@dataclasses.dataclass(slots=True)
class Faults:
    """Faults to inject; may be changed while the server runs. A page is a 200 of the endpoint at `path`.

    After `fail_after_pages` pages (None: never) it responds with `status`, or with `cut` closes the connection in the
    middle of the body. After `failures` such faults (None: unlimited) it works again.
    """

    fail_after_pages: int | None = None
    failures: int | None = None
    status: int = 503
    cut: bool = False
    pages_served: int = 0
    path: str = "/milestones"

    def strike(self) -> bool:
        """Whether the next page fails; counts down `failures`."""
        if self.fail_after_pages is None or self.pages_served < self.fail_after_pages or self.failures == 0:
            return False
        if self.failures is not None:
            self.failures -= 1
        return True


class TokenBucket:
    """Allows `per_second` requests on average and `burst` at once. `clock` is monotonic, in seconds."""

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float]) -> None:
        if per_second <= 0 or burst < 1:
            raise ValueError(f"a bucket of {per_second}/s, burst {burst}, never lets a request through")
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._filled_at = clock()

    def take(self) -> bool:
        """Whether a request is allowed now."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Obstacles:
    """Wraps an ASGI app; `root` is the path below which its endpoints are."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        root: str,
        bucket: TokenBucket | None,
        latency_seconds: float,
        faults: Faults,
        log: collections.deque[Exchange],
    ) -> None:
        self._app = app
        self._root = root
        self._bucket = bucket
        self._latency_seconds = latency_seconds
        self._faults = faults
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle the request, or inject a fault."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._latency_seconds:
            await asyncio.sleep(self._latency_seconds)
        if self._bucket is not None and not self._bucket.take():
            await self._refuse(429, TOO_MANY)(scope, receive, self._logged(scope, send))
        elif not self._is_page(scope) or not self._faults.strike():
            await self._app(scope, receive, self._logged(scope, send))
        elif self._faults.cut:
            await self._cut(scope, send)
        else:
            await self._refuse(self._faults.status, UNAVAILABLE)(scope, receive, self._logged(scope, send))

    @staticmethod
    def _refuse(status: int, body: bytes) -> Response:
        return Response(body, status, media_type="application/json")

    async def _cut(self, scope: Scope, send: Send) -> None:
        """Announce more bytes than are sent: the server then closes the connection."""
        self._note(scope, 0)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"milestones":[', "more_body": True})

    def _logged(self, scope: Scope, send: Send) -> Send:
        async def logging_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(scope, message["status"])
                if self._is_page(scope) and message["status"] == 200:
                    self._faults.pages_served += 1
            await send(message)

        return logging_send

    def _is_page(self, scope: Scope) -> bool:
        return bool(scope["path"] == self._root + self._faults.path)

    def _note(self, scope: Scope, status: int) -> None:
        self._log.append(Exchange(scope["path"], scope["query_string"].decode("latin-1"), status))
