"""The errors of the API: types that carry data and format themselves as one line.

A message says what happened, to what, and what to do. URLs have no query and text from a server is escaped and
bounded, so that no secret and no control character reaches a log.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from pipelines.escaping import printable
from pipelines.kalshi.server_text import quoted

DETAIL_CHARACTERS = 400
"""A status line or a header may have 64 KiB; a line of a log must not."""


class KalshiError(Exception):
    """A request failed.

    Attributes: `url` (without query and credentials), `status` (HTTP status, None where no response came), `attempts`
    (requests sent), `detail` (one line: the server's message or the last fault).
    """

    happened = "the request failed"
    advice = "try again later"

    def __init__(self, url: str = "", *, detail: str = "", status: int | None = None, attempts: int = 1) -> None:
        self.url = printable(url)
        self.status = status
        self.attempts = attempts
        self.detail = quoted(detail, characters=DETAIL_CHARACTERS)
        super().__init__(self.url, self.detail)

    @property
    def host(self) -> str:
        """Host and port of the request."""
        return urlsplit(self.url).netloc or self.url

    def __str__(self) -> str:
        status = f"HTTP {self.status}" if self.status is not None else ""
        tries = f"{self.attempts} tries" if self.attempts > 1 else ""
        facts = ", ".join(fact for fact in (status, tries) if fact)
        return "".join(
            (
                self._happened(),
                f" ({facts})" if facts else "",
                f": {self.detail}" if self.detail else "",
                f"; {self._advice()}",
            )
        )

    def _happened(self) -> str:
        return f"{self.happened} at {self.url}"

    def _advice(self) -> str:
        return self.advice


class BadBaseUrl(KalshiError):
    """The configured base URL cannot be used; `url` is shown without credentials."""

    advice = "set KALSHI_BASE_URL to the https address of the API, or leave it unset"

    def _happened(self) -> str:
        return f"cannot use the base URL {self.url}"


class Unreachable(KalshiError):
    """No complete response after all tries: no DNS address, no connection, timeouts, cut responses."""

    advice = (
        "check the network and KALSHI_BASE_URL, then run again; if this network requires a proxy, set KALSHI_PROXY, "
        "and KALSHI_CA_BUNDLE if the proxy intercepts TLS"
    )

    def _happened(self) -> str:
        return f"no complete response from {self.host}"


class TlsFailure(KalshiError):
    """The host's certificate or TLS itself was refused. Never retried; verification cannot be switched off."""

    advice = (
        "check the host in KALSHI_BASE_URL and this machine's clock; if a proxy (KALSHI_PROXY) or a firewall "
        "intercepts TLS, set KALSHI_CA_BUNDLE to its CA certificate"
    )

    def _happened(self) -> str:
        return f"no trusted TLS connection to {self.host}"


class DeadlineExceeded(KalshiError):
    """The time for one page ran out, all tries included; `deadline_seconds` is its limit."""

    advice = "try again later, raise KALSHI_DEADLINE_SECONDS, or set KALSHI_PROXY if this network requires a proxy"

    def __init__(self, url: str, *, deadline_seconds: float, detail: str = "", attempts: int = 1) -> None:
        super().__init__(url, detail=detail, attempts=attempts)
        self.deadline_seconds = deadline_seconds

    def _happened(self) -> str:
        return f"no complete response from {self.url} within {self.deadline_seconds:g} s"


class TooLarge(KalshiError):
    """The response exceeds the cap on bytes, counted decoded and stopped there: a gzip bomb costs nothing."""

    advice = "lower KALSHI_PAGE_LIMIT so that a page holds fewer milestones"

    def __init__(self, url: str, *, max_bytes: int, status: int | None = None, attempts: int = 1) -> None:
        super().__init__(url, status=status, attempts=attempts)
        self.max_bytes = max_bytes

    def _happened(self) -> str:
        return f"the response of {self.url} is larger than {self.max_bytes:,} bytes"


class NotTheApi(KalshiError):
    """A response that is not the API's: HTML, broken JSON, or JSON of another shape.

    `excerpt` is the start of its body, escaped. A response without `milestones` is never read as "no milestones".
    """

    advice = "check KALSHI_BASE_URL; a firewall, a proxy or a maintenance page may answer in its place"

    def __init__(
        self,
        url: str,
        *,
        detail: str,
        excerpt: bytes = b"",
        status: int | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(url, detail=detail, status=status, attempts=attempts)
        self.excerpt = quoted(excerpt)
        if self.excerpt:
            self.detail = f"{self.detail}; the body starts with `{self.excerpt}`"

    def _happened(self) -> str:
        return f"{self.url} did not answer like the API"


class BadRequest(KalshiError):
    """The API refused the request (400 and the other 4xx that no retry can cure)."""

    happened = "the API refused the request"
    advice = "correct the parameter it names"


class InvalidCursor(BadRequest):
    """The API refused a request with a cursor (400, 404, 409, 410, 422); the cursor may have expired.

    A scan starts over, once.
    """

    happened = "the API no longer accepts the cursor"
    advice = "start the sweep again from its first page"


class AccessDenied(KalshiError):
    """401 or 403."""

    happened = "access denied"
    advice = (
        "milestones need no credentials and none were sent: check KALSHI_BASE_URL, and whether a firewall or "
        "a region block refuses the request"
    )


class SignatureRefused(AccessDenied):
    """401 or 403 for a signed request."""

    happened = "access denied to a signed request"
    advice = (
        "check that KALSHI_API_KEY_ID and KALSHI_PRIVATE_KEY_FILE belong together and to the API of KALSHI_BASE_URL, "
        "and that this machine's clock is right (milestones doctor compares it); without both settings, requests are "
        "not signed, and milestones need no signature"
    )


class NotFound(KalshiError):
    """404: no such milestone, or no such endpoint below the base URL."""

    happened = "nothing found"
    advice = "check the milestone id; for a list, check the path of KALSHI_BASE_URL"


class _RetryLater(KalshiError):
    """An error that may say when to retry: `retry_after_seconds`, `retry_at` (UTC), None where unknown."""

    def __init__(
        self,
        url: str,
        *,
        status: int | None,
        detail: str = "",
        attempts: int = 1,
        retry_after_seconds: float | None = None,
        retry_at: datetime | None = None,
    ) -> None:
        super().__init__(url, detail=detail, status=status, attempts=attempts)
        self.retry_after_seconds = retry_after_seconds
        self.retry_at = retry_at

    def _advice(self) -> str:
        if self.retry_at is None or self.retry_after_seconds is None:
            return self.advice
        when = self.retry_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"run again after {when} (in {self.retry_after_seconds:,.0f} s)"


class RateLimited(_RetryLater):
    """429 for longer than the page's deadline allows."""

    happened = "too many requests"
    advice = "lower KALSHI_REQUESTS_PER_SECOND, or check which other programs use this IP address"


class ServerFault(_RetryLater):
    """5xx after all tries."""

    happened = "the API is failing"
    advice = "try again later; the stored data are untouched"


class Redirected(KalshiError):
    """3xx: never followed, since the sender of a redirect chooses where requests go. `target` is its host."""

    def __init__(self, url: str, *, status: int, target: str, attempts: int = 1) -> None:
        super().__init__(url, status=status, attempts=attempts)
        self.target = quoted(target)

    def _happened(self) -> str:
        return f"{self.url} redirects to {self.target or 'nowhere'}"

    def _advice(self) -> str:
        return "redirects are not followed: if that host is right, set KALSHI_BASE_URL to it"


class FilterIgnored(KalshiError):
    """The response holds a milestone that does not match the request: the API did not apply the filter.

    Attributes: `filter` (the parameter), `wanted` (its value as sent), `found` (what the milestone has instead).
    """

    advice = "nothing of this response was stored; try again later, or sweep without this filter"

    def __init__(self, url: str, *, name: str, wanted: str, found: str, milestone_id: str) -> None:
        super().__init__(url)
        self.filter = name
        self.wanted = quoted(wanted, characters=80)
        self.found = quoted(found, characters=80)
        self.milestone_id = quoted(milestone_id, characters=80)

    def _happened(self) -> str:
        return (
            f"the API ignored the filter {self.filter}={self.wanted} at {self.url}: "
            f"it returned {self.milestone_id}, which has {self.found}"
        )


class PagingFault(KalshiError):
    """Paging broke a rule: `rule` names it, `page` counts from 1, `cursor` is escaped and bounded."""

    def __init__(self, rule: str, *, page: int, detail: str, cursor: str = "") -> None:
        super().__init__(detail=detail)
        self.rule = rule
        self.page = page
        self.cursor = quoted(cursor, characters=80)

    def _happened(self) -> str:
        shown = f" with the cursor `{self.cursor}`" if self.cursor else ""
        return f"paging stopped after page {self.page:,}{shown}"

    def _advice(self) -> str:
        return "start the sweep again from its first page; if it stops here again, the fault is the API's"
