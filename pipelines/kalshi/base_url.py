"""Which address may be asked: https anywhere, plain http on this machine only, nothing that hides another target."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from pipelines.kalshi.errors import BadBaseUrl

DEFAULT_BASE_URL = "https://api.elections.kalshi.com/trade-api/v2"

# Everything else (blanks, controls, backslashes, non-ASCII look-alikes) is read differently by different parsers.
_PLAIN = re.compile(r"[A-Za-z0-9:/?#\[\]@!$&'()*+,;=._~%-]+")


def check_base_url(url: str) -> str:
    """The address in its one normal form: no trailing slash (the API redirects those), host in lower case.

    Raises BadBaseUrl for another scheme than https (http is for 127.0.0.0/8, ::1 and localhost), credentials,
    a query, a fragment, a path that climbs, a link-local host (cloud metadata) or anything unreadable.
    """
    shown = without_credentials(url)
    if not _PLAIN.fullmatch(url):
        raise BadBaseUrl(shown, detail="it is empty or holds characters that no plain ASCII URL has")
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        # Read for its ValueError: a port that is no number.
        _ = parts.port
    except ValueError as error:
        raise BadBaseUrl(shown, detail="it is not a URL") from error
    fault = _fault(url, parts, host)
    if fault:
        raise BadBaseUrl(shown, detail=fault)
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def without_credentials(url: str) -> str:
    """The address as far as it may be shown: whatever stands before an `@` or after a `?` may be a secret."""
    before_query = re.split(r"[?#]", url, maxsplit=1)[0]
    scheme, separator, rest = before_query.partition("://")
    if "@" not in rest:
        return before_query if "@" not in before_query else f"***@{before_query.rpartition('@')[2]}"
    return f"{scheme}{separator}***@{rest.rpartition('@')[2]}"


def _fault(url: str, parts: SplitResult, host: str) -> str:
    """What is wrong with the address, in words; "" when nothing is."""
    address = _ip_address(host)
    is_loopback = host == "localhost" or (address is not None and address.is_loopback)
    faults = {
        "it names no host": not host,
        "it holds credentials, and none are needed": "@" in parts.netloc,
        "it has a query or a fragment": "?" in url or "#" in url,
        "its path climbs with `.` or `..`": any(segment in {".", ".."} for segment in parts.path.split("/")),
        "plain http is for this machine only (127.0.0.0/8, ::1, localhost)": parts.scheme == "http" and not is_loopback,
        "only https is allowed": parts.scheme not in {"http", "https"},
        "link-local hosts serve machine metadata, not the API": address is not None and address.is_link_local,
    }
    return next((words for words, is_so in faults.items() if is_so), "")


def _ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
