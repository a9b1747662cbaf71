"""One request over all its attempts, the fault that made an attempt fail, and the error that the last fault becomes.

Pure: no network and no clock. When to retry is decided in `retry`.
"""

from __future__ import annotations

import http.client
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import requests

from pipelines.kalshi import errors, transport
from pipelines.kalshi.response import Content
from pipelines.kalshi.retry import FaultKind, Reason
from pipelines.kalshi.server_text import quoted

Parameters = Mapping[str, str | list[str]]
"""Query parameters; a list is sent as a repeated parameter."""


_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: ([0-9]{3})")


@dataclass
class Call:
    """A request for one page or one milestone. `give_up_at` is on the client's clock; `attempt` counts from 1."""

    base_url: str
    path: str
    params: Parameters
    read: Callable[[bytes], Content]
    give_up_at: float
    attempt: int = 1

    @property
    def url(self) -> str:
        """The URL without its query: what errors and logs show."""
        return f"{self.base_url}{self.path}"


@dataclass(frozen=True)
class Fault:
    """Why one attempt failed, where another attempt may succeed.

    `status` is None where no response came; `excerpt` is the start of a body that is not JSON.
    """

    kind: FaultKind
    detail: str
    cause: Exception | None = None
    status: int | None = None
    retry_after_seconds: float | None = None
    excerpt: bytes = b""


def transport_fault(call: Call, error: Exception) -> Fault:
    """The fault of a connection that failed. Raises TlsFailure where TLS itself refused: retrying cannot help."""
    cause = transport.root_cause(error)
    detail = quoted(str(cause) or type(cause).__name__)
    if type(cause) is http.client.BadStatusLine:
        detail = f"the response is not HTTP: {detail}"
    if isinstance(error, requests.exceptions.ProxyError):
        if refused := _TUNNEL_REFUSED.match(detail):
            phrase = http.client.responses.get(int(refused[1]), "")
            # Without the reason and the cause, which quotes it: a proxy may repeat the password that it refuses.
            return Fault(FaultKind.TRANSPORT, f"the proxy: {refused[0]} {phrase}".rstrip())
        detail = f"the proxy: {detail}"
    if transport.is_tls_verdict(cause):
        raise errors.TlsFailure(call.url, detail=detail, attempts=call.attempt) from error
    return Fault(FaultKind.TRANSPORT, detail, cause=error)


def final_error(
    call: Call, fault: Fault, reason: Reason, *, now: datetime, deadline_seconds: float, fallback_reason: str = ""
) -> errors.KalshiError:
    """The error for a call whose last attempt failed with `fault` and that is not retried for `reason`.

    `fallback_reason` says why the fallback address was used; "" where it was not.
    """
    # The number of attempts already shows that they are used up.
    detail = fault.detail if reason is Reason.TRIES else f"{fault.detail} ({reason.value})"
    if fallback_reason:
        detail += f"; this fallback address is used because {fallback_reason}"
    if fault.kind is FaultKind.NOT_JSON:
        return errors.NotTheApi(
            call.url, detail=detail, excerpt=fault.excerpt, status=fault.status, attempts=call.attempt
        )
    if fault.kind is FaultKind.TRANSPORT and reason is Reason.DEADLINE:
        return errors.DeadlineExceeded(
            call.url, deadline_seconds=deadline_seconds, detail=fault.detail, attempts=call.attempt
        )
    if fault.kind is FaultKind.TRANSPORT:
        return errors.Unreachable(call.url, detail=detail, status=fault.status, attempts=call.attempt)
    seconds = fault.retry_after_seconds
    kind = errors.RateLimited if fault.kind is FaultKind.RATE_LIMIT else errors.ServerFault
    return kind(
        call.url,
        detail=detail,
        status=fault.status,
        attempts=call.attempt,
        retry_after_seconds=seconds,
        # Rounded up: a retry a fraction of a second early is refused again.
        retry_at=None if seconds is None else now + timedelta(seconds=math.ceil(seconds) + 1),
    )
