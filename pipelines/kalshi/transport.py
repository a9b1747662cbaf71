"""The HTTP transport: a `requests` session with one timeout for the whole response, and without redirects.

Defaults of `requests` that this session turns off: it restarts the read timeout with every byte (one byte each half
second reads for ever), reads the full body of a redirect even with allow_redirects=False, takes proxies and passwords
from the environment, and keeps cookies.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from pipelines.kalshi.base_url import Host
from pipelines.kalshi.network import Network

DIRECT = Network()
"""No proxy, with the CA certificates of `requests`."""

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 15.0
"""A server that sends nothing for this long is taken for dead: the attempt ends while the deadline leaves time for
another."""


def build_session(network: Network = DIRECT) -> requests.Session:
    """A session that never retries, verifies TLS and ignores the environment. The caller closes it.

    `network` gives proxy and certificates; loopback hosts are always reached without the proxy.
    """
    session = _PlainSession()
    session.trust_env = False
    if network.proxy:
        session.proxies = {"http": network.proxy, "https": network.proxy}
    if network.ca_bundle:
        session.verify = str(network.ca_bundle)
    # Requests are independent and threads may share the session: no cookie is ever kept.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("https://", "http://"):
        session.mount(scheme, _DeadlineAdapter(max_retries=0))
    return session


def root_cause(error: BaseException) -> BaseException:
    """The innermost error, the socket's: `requests` and urllib3 wrap it up to four times.

    `__context__` is not followed: it may be an unrelated error that the caller is handling.
    """
    while (inner := _wrapped(error)) is not None:
        error = inner
    return error


def _wrapped(error: BaseException) -> BaseException | None:
    if error.__cause__ is not None:
        return error.__cause__
    # urllib3's MaxRetryError has a `reason`; the others take what they wrap as an argument.
    candidates = (getattr(error, "reason", None), *error.args)
    return next((inner for inner in candidates if isinstance(inner, BaseException)), None)


def is_unresolved(error: BaseException) -> bool:
    """Whether the requested host has no DNS address; the host of a proxy does not count."""
    is_of_proxy = isinstance(error, requests.exceptions.ProxyError)
    return isinstance(root_cause(error), socket.gaierror) and not is_of_proxy


def is_tls_verdict(error: BaseException) -> bool:
    """Whether TLS itself refused (certificate, host name, protocol), not a connection cut during the handshake."""
    cut = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError, ssl.SSLWantReadError)
    return isinstance(error, ssl.SSLError) and not isinstance(error, cut)


class _PlainSession(requests.Session):
    """Ignores the target of a redirect: resolving it would read the redirect's body without a cap."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - the library's signature
        return None


class _DeadlineReader(io.RawIOBase):
    """A socket's reader whose deadline covers all reads, so that a slow drip of bytes does not extend it."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        super().__init__()
        self._socket = sock
        self._raw = raw
        # urllib3 set the socket's timeout to the time left for the attempt: from here on it bounds the whole response.
        self._give_up_at = time.monotonic() + (sock.gettimeout() or SILENCE_SECONDS)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        remaining = self._give_up_at - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(min(SILENCE_SECONDS, remaining))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    """Reads status, headers and body through one deadline."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_DeadlineReader(sock, self.fp.detach()))

    def begin(self) -> None:
        super().begin()
        lengths = {one.strip() for header in self.headers.get_all("Content-Length", []) for one in header.split(",")}
        if len(lengths) > 1:
            # urllib3 refuses this too, but leaves the socket open.
            raise http.client.HTTPException(f"contradictory Content-Length headers: {' and '.join(sorted(lengths))}")


class _Connection(HTTPConnection):
    response_class = _DeadlineResponse


class _TlsConnection(HTTPSConnection):
    response_class = _DeadlineResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS = {"http": _Pool, "https": _TlsPool}


class _DeadlineAdapter(HTTPAdapter):
    """Applies a timeout in seconds to connecting, headers and body together."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 - the library's signature
        timeout: Any = None,
        verify: bool | str = True,  # noqa: FBT001, FBT002
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        if isinstance(timeout, int | float):
            timeout = urllib3.Timeout(total=timeout, connect=min(CONNECT_SECONDS, timeout))
        if Host.of(urlsplit(request.url or "").netloc).is_loopback:
            proxies = {}
        return super().send(request, stream, timeout, verify, cert, proxies)
