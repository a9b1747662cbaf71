"""Which base URLs are allowed: https to a public host, plain http to loopback, nothing that disguises its host."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, urlsplit

from pipelines.kalshi.errors import BadBaseUrl

DEFAULT_BASE_URL = "https://external-api.kalshi.com/trade-api/v2"
"""The base URL that Kalshi documents."""

OLDER_BASE_URL = "https://api.elections.kalshi.com/trade-api/v2"
"""The base URL before May 2026, still served: the fallback where the documented one cannot be resolved or redirects."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Parsers disagree on anything else: blanks, controls, backslashes, non-ASCII look-alikes.
_PLAIN = re.compile(r"[A-Za-z0-9:/?#\[\]@!$&'()*+,;=._~%-]+")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# Resolvers read a host whose last part is a number as an IPv4 address, in any of its spellings.
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_NETLOC = re.compile(r"(\[[^\[\]]*\]|[^\[\]:@]*)(?::([0-9]{0,5}))?")

_UNICAST = ipaddress.ip_network("2000::/3")
_TRANSLATED = [ipaddress.ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16")]
"""IPv6 networks whose addresses embed an IPv4 address: NAT64, Teredo, 6to4."""

_ODD_HOST = (
    "its host is neither a plain name nor an address in its usual spelling (four decimal numbers, or IPv6 in brackets)"
)


@dataclass(frozen=True)
class Host:
    """A host in its normal spelling: a name in lower case, or an IP address. `fault` says why it is refused."""

    text: str = ""
    address: _Address | None = None
    fault: str = ""

    @classmethod
    def of(cls, netloc: str) -> Self:
        """Parse the netloc of a URL (between `//` and the path); a port is ignored."""
        match = _NETLOC.fullmatch(netloc.lower())
        if not match:
            return cls(fault=_ODD_HOST)
        text = match[1]
        if not text:
            return cls(fault="it names no host")
        if text.startswith("["):
            return cls._of_address(text[1:-1])
        if len(text) > 253 or not _NAME.fullmatch(text):
            return cls(fault=_ODD_HOST)
        return cls._of_address(text) if _NUMERIC.fullmatch(text) else cls(text)

    @classmethod
    def _of_address(cls, text: str) -> Self:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return cls(fault=_ODD_HOST)
        if isinstance(address, ipaddress.IPv6Address):
            if address.scope_id or address.ipv4_mapped or any(address in net for net in _TRANSLATED):
                return cls(fault=f"{_ODD_HOST}: no zones, and no IPv4 address inside an IPv6 one")
            return cls(f"[{address}]", address)
        return cls(str(address), address)

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine: 127.0.0.0/8, ::1, localhost."""
        return self.text == "localhost" or (self.address is not None and self.address.is_loopback)

    @property
    def is_link_local(self) -> bool:
        """Whether it is a link-local address, as the metadata services of clouds are."""
        return self.address is not None and self.address.is_link_local

    @property
    def is_public(self) -> bool:
        """Whether it is a globally routed address, or any name: TLS proves names."""
        address = self.address
        if address is None:
            return True
        is_unicast = not address.is_multicast and (address.version == 4 or address in _UNICAST)
        return is_unicast and address.is_global


def check_base_url(url: str) -> str:
    """The URL in normal form: no trailing slash (the API redirects those), host in lower case.

    Raises BadBaseUrl for a scheme other than https (http is allowed for 127.0.0.0/8, ::1 and localhost), credentials,
    a query, a fragment, a path with `.` or `..`, an IP address that is not public (loopback is allowed) or has an
    unusual spelling, and anything that is not a URL. Host names are not resolved: TLS proves the host's identity.
    """
    shown = without_credentials(url)
    if not _PLAIN.fullmatch(url):
        raise BadBaseUrl(shown, detail="it is empty or holds characters that no plain ASCII URL has")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadBaseUrl(shown, detail="it is not a URL") from error
    host = Host.of(parts.netloc)
    fault = _fault(url, parts, host)
    if fault:
        raise BadBaseUrl(shown, detail=fault)
    return f"{parts.scheme}://{host.text}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


def without_credentials(url: str) -> str:
    """The URL as it may be shown: text before an `@` or after a `?` may be a secret."""
    before_query = re.split(r"[?#]", url, maxsplit=1)[0]
    scheme, separator, rest = before_query.partition("://")
    if "@" not in rest:
        return before_query if "@" not in before_query else f"***@{before_query.rpartition('@')[2]}"
    return f"{scheme}{separator}***@{rest.rpartition('@')[2]}"


def _fault(url: str, parts: SplitResult, host: Host) -> str:
    """Why the URL is refused; "" where it is allowed."""
    faults = {
        "it holds credentials, and none are needed": "@" in parts.netloc,
        host.fault: bool(host.fault),
        "it has a query or a fragment": "?" in url or "#" in url,
        "its path contains `.` or `..`": any(segment in {".", ".."} for segment in parts.path.split("/")),
        "plain http is for this machine only (127.0.0.0/8, ::1, localhost)": parts.scheme == "http"
        and not host.is_loopback,
        "only https is allowed": parts.scheme not in {"http", "https"},
        "link-local hosts serve machine metadata, not the API": host.is_link_local,
        "its address is private or reserved: use the name of a host inside your network": not host.is_public
        and not host.is_loopback,
    }
    return next((words for words, is_so in faults.items() if is_so), "")
