"""Sends one HTTP request and reads its response, in full or not at all. No retries, no pacing.

A response counts once its body has been streamed under the byte cap, decompressed to its end and parsed. Until then
every failure is a Fault (worth a retry) or a KalshiError (not worth one).
"""

from __future__ import annotations

import contextlib
import http.client
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib import metadata

import requests
import urllib3

from pipelines.kalshi import errors, retry
from pipelines.kalshi.body import ACCEPT_ENCODING, BodyDecoder, OversizedBody, TruncatedBody, UnknownEncoding
from pipelines.kalshi.faults import Call, Fault
from pipelines.kalshi.request_stats import RequestStats
from pipelines.kalshi.response import Content, NotJson, UnexpectedShape
from pipelines.kalshi.retry import FaultKind
from pipelines.kalshi.server_text import error_message
from pipelines.kalshi.signing import RequestSigner, is_signed, without_signature
from pipelines.kalshi.status_codes import TOO_MANY_REQUESTS, error_of_status, is_worth_retrying, redirect_target

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Twenty times the largest page to expect (500 golf tournaments of 5.6 KB: 2.8 MB)."""

ERROR_BODY_BYTES = 64 * 1024
ERROR_BODY_SECONDS = 2.0
CHUNK_BYTES = 64 * 1024
_MIN_TIMEOUT_SECONDS = 0.001

NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)
"""What a request can raise: `requests` wraps most of urllib3's errors, but none that streaming the body raises."""


class Sender:
    """Sends requests through one session. Threads may share it. `clock` is monotonic, in seconds; `now` is UTC.

    Without a `signer`, requests are not signed.
    """

    def __init__(
        self,
        session: requests.Session,
        stats: RequestStats,
        *,
        max_body_bytes: int,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        signer: RequestSigner | None = None,
    ) -> None:
        self._session = session
        self._stats = stats
        self._max_body_bytes = max_body_bytes
        self._clock = clock
        self._now = now
        # A retry is signed again: the API refuses an old timestamp.
        self._auth = signer.at(now) if signer else None
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": ACCEPT_ENCODING,
            "User-Agent": f"kalshi-milestones/{_version()}",
        }

    def send(self, call: Call, *, on_response: Callable[[], None] = lambda: None) -> Content | Fault:
        """One attempt. `on_response` is called once the host sent a status that is not a redirect.

        Raises KalshiError for what a retry cannot cure, and one of NETWORK_ERRORS where the connection failed.
        """
        self._stats.count(requests=1)
        try:
            with self._open(call) as response:
                if response.status_code // 100 != 3:
                    on_response()
                if response.status_code != 200:
                    return self._status_fault(call, response)
                body = self._read_body(call, response)
            return call.read(body)
        except NotJson as error:
            return Fault(
                FaultKind.NOT_JSON,
                str(error),
                cause=error,
                status=200,
                excerpt=without_signature(body, response.request),
            )
        except TruncatedBody as error:
            return Fault(FaultKind.TRANSPORT, str(error), cause=error, status=200)
        except UnexpectedShape as error:
            excerpt = without_signature(body, response.request)
            raise errors.NotTheApi(
                call.url, detail=str(error), excerpt=excerpt, status=200, attempts=call.attempt
            ) from error
        except UnknownEncoding as error:
            raise errors.NotTheApi(call.url, detail=str(error), status=200, attempts=call.attempt) from error
        except OversizedBody as error:
            raise errors.TooLarge(call.url, max_bytes=self._max_body_bytes, attempts=call.attempt) from error

    @contextlib.contextmanager
    def _open(self, call: Call) -> Iterator[requests.Response]:
        response = self._session.get(
            call.url,
            params=call.params,
            headers=self._headers,
            auth=self._auth,
            stream=True,
            allow_redirects=False,
            timeout=max(call.give_up_at - self._clock(), _MIN_TIMEOUT_SECONDS),
        )
        # Closing drops the connection unless its body was read to the end: a half-read one is never reused.
        with response:
            yield response

    def _read_body(self, call: Call, response: requests.Response) -> bytes:
        announced = response.headers.get("Content-Length", "")
        if re.fullmatch(r"[0-9]{1,18}", announced) and int(announced) > self._max_body_bytes:
            raise OversizedBody
        decoder = BodyDecoder(response.headers.get("Content-Encoding", ""), max_bytes=self._max_body_bytes)
        for chunk in self._chunks(response):
            decoder.feed(chunk)
            if self._clock() >= call.give_up_at:
                raise TruncatedBody("the body did not end in time")
        body = decoder.finish()
        if not body:
            raise TruncatedBody("an empty body")
        return body

    def _chunks(self, response: requests.Response) -> Iterator[bytes]:
        """The body as received, still encoded; urllib3 raises where Content-Length or chunking is cut short."""
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
            self._stats.count(received=len(chunk))
            yield chunk

    def _status_fault(self, call: Call, response: requests.Response) -> Fault:
        """The fault of a status other than 200. Raises KalshiError for a status that a retry cannot cure."""
        status = response.status_code
        if status < 300:
            raise errors.NotTheApi(
                call.url, detail="a success status without a body to read", status=status, attempts=call.attempt
            )
        if status < 400:
            target = redirect_target(response.headers.get("Location", ""))
            raise errors.Redirected(call.url, status=status, target=target, attempts=call.attempt)
        detail = error_message(without_signature(self._read_error_body(response), response.request))
        if not is_worth_retrying(status):
            raise error_of_status(
                call.url,
                status=status,
                detail=detail,
                has_cursor="cursor" in call.params,
                is_signed=is_signed(response.request),
                attempts=call.attempt,
            )
        is_rate_limit = status == TOO_MANY_REQUESTS
        self._stats.count(rate_limited=int(is_rate_limit))
        return Fault(
            FaultKind.RATE_LIMIT if is_rate_limit else FaultKind.SERVER,
            detail or f"HTTP {status}",
            status=status,
            retry_after_seconds=retry.parse_retry_after(
                response.headers.get("Retry-After"), now=self._now(), answered_at=response.headers.get("Date")
            ),
        )

    def _read_error_body(self, response: requests.Response) -> bytes:
        """As much of an error's body as comes within ERROR_BODY_SECONDS: the status alone decides what happens."""
        decoder = BodyDecoder("", max_bytes=ERROR_BODY_BYTES)
        give_up_at = self._clock() + ERROR_BODY_SECONDS
        with contextlib.suppress(TruncatedBody, OversizedBody, UnknownEncoding, *NETWORK_ERRORS):
            decoder = BodyDecoder(response.headers.get("Content-Encoding", ""), max_bytes=ERROR_BODY_BYTES)
            for chunk in self._chunks(response):
                decoder.feed(chunk)
                if self._clock() >= give_up_at:
                    break
        return decoder.so_far()


def _version() -> str:
    try:
        return metadata.version("kalshi-milestones")
    except metadata.PackageNotFoundError:
        return "0"
