"""What an HTTP status other than 200 means: which error it is, and where a redirect would have led. No network."""

from __future__ import annotations

from urllib.parse import urlsplit

from pipelines.kalshi.errors import AccessDenied, BadRequest, InvalidCursor, KalshiError, NotFound

TOO_MANY_REQUESTS = 429
_PASSING = frozenset({408, 425})
"""Request time-out and too early: a client's fault by number only."""


_REFUSES_CURSORS = frozenset({400, 404, 409, 410, 422})
"""What a cursor that expired or became invalid may be answered with; the words may be as general as "bad request"."""


def is_worth_retrying(status: int) -> bool:
    """Whether the same request may succeed later."""
    return status >= 500 or status == TOO_MANY_REQUESTS or status in _PASSING


def refused(url: str, *, status: int, detail: str, has_cursor: bool, attempts: int) -> KalshiError:
    """The error of a 4xx that no retry can cure, with the server's words as `detail`.

    Whatever a request with a cursor is refused for counts as the cursor's fault: the same request without it shows
    whether anything else is wrong.
    """
    kinds: dict[int, type[KalshiError]] = {401: AccessDenied, 403: AccessDenied, 404: NotFound}
    kind = kinds.get(status, BadRequest)
    if has_cursor and status in _REFUSES_CURSORS:
        kind = InvalidCursor
    return kind(url, detail=detail, status=status, attempts=attempts)


def redirect_target(location: str) -> str:
    """The scheme and host that a Location header names, without credentials; its path where it stays on the host."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return "an unreadable address"
    if not parts.netloc:
        return parts.path
    return f"{parts.scheme + ':' if parts.scheme else ''}//{parts.netloc.rpartition('@')[2]}"
