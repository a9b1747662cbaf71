"""What an HTTP status other than 200 means: worth a retry, which error, where a redirect leads. No network."""

from __future__ import annotations

from urllib.parse import urlsplit

from pipelines.kalshi.errors import (
    AccessDenied,
    BadRequest,
    InvalidCursor,
    KalshiError,
    NotFound,
    SignatureRefused,
)

TOO_MANY_REQUESTS = 429
_RETRYABLE_4XX = frozenset({408, 425})
"""Request Timeout and Too Early: transient, though their numbers blame the client."""

_CURSOR_REFUSALS = frozenset({400, 404, 409, 410, 422})
"""Statuses that an expired or invalid cursor may get; the message may be as general as "bad request"."""


def is_worth_retrying(status: int) -> bool:
    """Whether the same request may succeed later."""
    return status >= 500 or status == TOO_MANY_REQUESTS or status in _RETRYABLE_4XX


def error_of_status(
    url: str, *, status: int, detail: str, has_cursor: bool, attempts: int, is_signed: bool = False
) -> KalshiError:
    """The error of a 4xx that no retry can cure; `detail` is the server's message.

    A refused request with a cursor is blamed on the cursor: repeating it without the cursor shows whether anything
    else is wrong.
    """
    denied = SignatureRefused if is_signed else AccessDenied
    kinds: dict[int, type[KalshiError]] = {401: denied, 403: denied, 404: NotFound}
    kind = kinds.get(status, BadRequest)
    if has_cursor and status in _CURSOR_REFUSALS:
        kind = InvalidCursor
    return kind(url, detail=detail, status=status, attempts=attempts)


def redirect_target(location: str) -> str:
    """Scheme and host of a Location header, without credentials; the path where it names no host."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return "an unreadable address"
    if not parts.netloc:
        return parts.path
    return f"{parts.scheme + ':' if parts.scheme else ''}//{parts.netloc.rpartition('@')[2]}"
