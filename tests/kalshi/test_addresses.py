"""When a client switches from the documented base URL to the older one, and that it logs the switch."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter

from pipelines.kalshi import errors
from pipelines.kalshi.addresses import Addresses
from pipelines.kalshi.base_url import DEFAULT_BASE_URL, OLDER_BASE_URL
from pipelines.kalshi.query import MilestoneQuery

from .conftest import MakeClient
from .fault_server import FaultServer, Play, answer, page, raw

FIRST, SECOND = "external-api.kalshi.com", "api.elections.kalshi.com"
GOOD = page("a", cursor="next")
QUERY = MilestoneQuery()


class Resolver(HTTPAdapter):
    """Maps host names to loopback servers; every other name does not exist. `requested` are the hosts, in order."""

    def __init__(self, servers: dict[str, FaultServer]) -> None:
        super().__init__(max_retries=0)
        self.servers = servers
        self.requested: list[str] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        parts = urllib3.util.parse_url(request.url or "")
        self.requested.append(str(parts.host))
        server = self.servers.get(str(parts.host))
        if server is None:
            fault = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            raise requests.ConnectionError(urllib3.exceptions.MaxRetryError(None, "/", fault), request=request)  # type: ignore[arg-type]
        request.url = f"http://127.0.0.1:{server.port}{parts.request_uri}"
        return super().send(request, *args, **kwargs)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        yield made


def served(session: requests.Session, **servers: FaultServer) -> Resolver:
    hosts = {"first": FIRST, "second": SECOND}
    resolver = Resolver({hosts[name]: server for name, server in servers.items()})
    session.mount("https://", resolver)
    return resolver


DEFAULTS: dict[str, Any] = {"base_url": DEFAULT_BASE_URL, "fallback_base_url": OLDER_BASE_URL}


def test_an_unresolvable_host_switches_to_the_fallback(
    make_client: MakeClient, session: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    with FaultServer(answer(GOOD)) as server:
        resolver = served(session, second=server)
        client = make_client(**DEFAULTS, session=session)
        assert client.base_url == DEFAULT_BASE_URL
        for _ in range(2):
            assert client.list_page(QUERY).body == GOOD
    assert client.base_url == OLDER_BASE_URL
    assert resolver.requested == [FIRST, SECOND, SECOND]
    (record,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert record.getMessage() == (
        f"{FIRST} cannot be resolved: using {OLDER_BASE_URL} instead, as KALSHI_BASE_URL is not set"
    )


def test_a_redirect_switches_to_the_fallback(
    make_client: MakeClient, session: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    moved = answer(b"", 301, Location="https://elsewhere.example/x")
    with FaultServer(moved) as first, FaultServer(answer(GOOD)) as second:
        resolver = served(session, first=first, second=second)
        client = make_client(**DEFAULTS, session=session)
        assert client.list_page(QUERY).body == GOOD
    assert resolver.requested == [FIRST, SECOND]
    assert f"{FIRST} redirects to https://elsewhere.example: using" in caplog.text


def test_a_host_that_responded_is_kept(make_client: MakeClient, session: requests.Session) -> None:
    moved = answer(b"", 302, Location="https://elsewhere.example/x")
    with FaultServer(answer(GOOD), moved) as first, FaultServer(answer(GOOD)) as second:
        resolver = served(session, first=first, second=second)
        client = make_client(**DEFAULTS, session=session)
        client.list_page(QUERY)
        with pytest.raises(errors.Redirected):
            client.list_page(QUERY)
        del resolver.servers[FIRST]
        with pytest.raises(errors.Unreachable, match=FIRST):
            client.list_page(QUERY)
    assert SECOND not in resolver.requested


OTHER_FAULTS: dict[str, Play] = {
    "server-fault": answer(b"", 503),
    "not-found": answer(b'{"error":{"message":"not found"}}', 404),
    "denied": answer(b"", 403),
    "cut": raw(b""),
    "not-the-api": answer(b"<html>"),
}


@pytest.mark.parametrize("play", OTHER_FAULTS.values(), ids=OTHER_FAULTS)
def test_no_other_fault_switches_to_the_fallback(
    make_client: MakeClient, session: requests.Session, play: Play
) -> None:
    with FaultServer(play) as first, FaultServer(answer(GOOD)) as second:
        resolver = served(session, first=first, second=second)
        with pytest.raises(errors.KalshiError, match=FIRST):
            make_client(**DEFAULTS, session=session).list_page(QUERY)
    assert SECOND not in resolver.requested


def test_a_configured_base_url_has_no_fallback(make_client: MakeClient, session: requests.Session) -> None:
    with FaultServer(answer(GOOD)) as second:
        resolver = served(session, second=second)
        with pytest.raises(errors.Unreachable, match="Name or service not known"):
            make_client(DEFAULT_BASE_URL, session=session).list_page(QUERY)
    assert set(resolver.requested) == {FIRST}


def test_the_error_names_both_hosts_where_neither_can_be_resolved(
    make_client: MakeClient, session: requests.Session
) -> None:
    served(session)
    with pytest.raises(errors.Unreachable) as caught:
        make_client(**DEFAULTS, session=session).list_page(QUERY)
    assert f"no complete response from {SECOND}" in str(caught.value)
    assert f"Name or service not known; this fallback address is used because {FIRST} cannot be resolved" in str(
        caught.value
    )


def test_an_unresolvable_proxy_does_not_switch_to_the_fallback(
    make_client: MakeClient, session: requests.Session
) -> None:
    class NoProxy(HTTPAdapter):
        requested: list[str] = []  # noqa: RUF012 - one test's

        def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
            self.requested.append(str(request.url))
            raise requests.exceptions.ProxyError(socket.gaierror(socket.EAI_NONAME, "Name or service not known"))

    session.mount("https://", NoProxy())
    with pytest.raises(errors.Unreachable, match=f"{FIRST}.*the proxy: .*Name or service not known"):
        make_client(**DEFAULTS, session=session).list_page(QUERY)
    assert all(FIRST in url for url in NoProxy.requested)


def test_threads_that_fail_together_switch_once(caplog: pytest.LogCaptureFixture) -> None:
    addresses = Addresses("https://a/v2", "https://b/v2")
    assert addresses.fall_back("https://a/v2", "is away")
    assert addresses.fall_back("https://a/v2", "is away")
    assert addresses.current == "https://b/v2"
    assert not addresses.fall_back("https://b/v2", "is away, too")
    assert addresses.fallback_reason == "a is away"
    assert len(caplog.records) == 1


def test_a_late_response_of_the_first_address_does_not_switch_back() -> None:
    addresses = Addresses("https://a/v2", "https://b/v2")
    addresses.fall_back("https://a/v2", "is away")
    addresses.confirm("https://a/v2")
    assert addresses.current == "https://b/v2"
