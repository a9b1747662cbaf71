"""The session and its sockets, without a server."""

from __future__ import annotations

import http.client
import io
import ssl
from typing import cast

import pytest
import requests
import urllib3

from pipelines.kalshi import transport
from pipelines.kalshi.status_codes import redirect_target


def test_the_session_ignores_the_environment_and_never_retries() -> None:
    with transport.build_session() as session:
        assert session.verify is True
        assert session.trust_env is False
        for address in ("https://a.example", "http://127.0.0.1"):
            adapter = cast("requests.adapters.HTTPAdapter", session.get_adapter(address))
            assert adapter.max_retries.total == 0


def test_the_root_cause_is_the_error_of_the_socket() -> None:
    refused = ConnectionRefusedError(111, "Connection refused")
    new = urllib3.exceptions.NewConnectionError(cast("urllib3.connection.HTTPConnection", None), "failed")
    new.__cause__ = refused
    most = urllib3.exceptions.MaxRetryError(cast("urllib3.HTTPConnectionPool", None), "/", new)
    assert transport.root_cause(requests.ConnectionError(most)) is refused
    cut = http.client.RemoteDisconnected("closed")
    assert transport.root_cause(requests.ConnectionError(urllib3.exceptions.ProtocolError("aborted", cut))) is cut
    alone = OSError("alone")
    alone.__context__ = ssl.SSLError("of the caller")
    assert transport.root_cause(alone) is alone


@pytest.mark.parametrize(
    ("error", "is_verdict"),
    [
        (ssl.SSLCertVerificationError("expired"), True),
        (ssl.SSLError("wrong version number"), True),
        (ssl.SSLEOFError("cut"), False),
        (ssl.SSLZeroReturnError("closed"), False),
        (ConnectionResetError("reset"), False),
        (TimeoutError("timed out"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_tls_verdicts(error: Exception, is_verdict: bool) -> None:
    assert transport.is_tls_verdict(error) is is_verdict


class FakeSocket:
    """A socket that http.client can read; records the timeout before each read."""

    def __init__(self, timeout: float, received: bytes) -> None:
        self.timeout = timeout
        self.timeouts: list[float] = []
        self._received = received

    def gettimeout(self) -> float:
        return self.timeout

    def settimeout(self, seconds: float) -> None:
        self.timeouts.append(seconds)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self._received))


@pytest.mark.parametrize(("left", "most"), [(60.0, transport.SILENCE_SECONDS), (3.0, 3.0)])
def test_the_timeout_of_every_read_is_the_time_left_up_to_the_silence_limit(left: float, most: float) -> None:
    played = FakeSocket(left, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    response = transport._DeadlineResponse(played)  # type: ignore[arg-type]
    response.begin()
    assert response.read() == b"{}"
    response.close()
    assert played.timeouts
    assert all(most - 1 < seconds <= most for seconds in played.timeouts)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://evil.example/a?b", "https://evil.example"),
        ("//evil.example:81/a", "//evil.example:81"),
        ("https://user:hunter2@evil.example/", "https://evil.example"),
        ("/trade-api/v2/milestones/?a", "/trade-api/v2/milestones/"),
        ("", ""),
        ("https://[half", "an unreadable address"),
    ],
)
def test_redirect_target(location: str, target: str) -> None:
    assert redirect_target(location) == target
