"""Network settings: an optional proxy and the CA certificates that prove a host. No sockets here."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pipelines.kalshi.base_url import Host

_PLAIN = re.compile(r"[!-~]+")
_ENCODE = "percent-encode `/`, `?`, `#` and `%` in a password"


@dataclass(frozen=True)
class Network:
    """`proxy` is a URL and may hold a password; `ca_bundle` is a PEM file that replaces the built-in CA certificates.

    The proxy is not used for loopback hosts: it would look for them on its own machine.
    """

    proxy: str | None = field(default=None, repr=False)
    ca_bundle: Path | None = None


def fault_of_proxy(url: str) -> str:
    """Why a proxy's URL cannot be used, without quoting it; "" where it can."""
    if not _PLAIN.fullmatch(url):
        return "it holds blanks or characters outside printable ASCII"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return f"it is not a URL; {_ENCODE}"
    if parts.scheme not in {"http", "https"}:
        return "only http and https proxies are supported"
    if parts.path not in {"", "/"} or "?" in url or "#" in url:
        return f"it has a path, a query or a fragment; {_ENCODE}"
    host = Host.of(parts.netloc.rpartition("@")[2])
    if host.fault:
        return host.fault
    if host.address is not None and (host.is_link_local or host.address.is_unspecified or host.address.is_multicast):
        return "its address is link-local, unspecified or multicast"
    return ""


def fault_of_ca_bundle(path: Path) -> str:
    """Why a file cannot be used as a bundle of CA certificates; "" where it can."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        return "it holds no certificate in PEM form"
    except OSError as error:
        return error.strerror or "it cannot be read"
    return "" if context.cert_store_stats()["x509"] else "it holds no certificate in PEM form"
