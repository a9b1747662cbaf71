"""The way out of a firm's network: a proxy, an authority of one's own, and nothing that gives a password away."""

from __future__ import annotations

import logging
import socket
import threading
from pathlib import Path

import pytest

from pipelines.kalshi import errors
from pipelines.kalshi.network import Network, fault_of_ca_bundle, fault_of_proxy
from pipelines.kalshi.query import MilestoneQuery

from .authority import Authority
from .conftest import MakeClient
from .fault_server import FaultServer, answer, page, silence
from .proxy import Proxy

GOOD = page("a", cursor="next")
HOST = "api.kalshi.invalid"
"""Only the proxy could resolve it, and leads it to loopback."""
URL = f"https://{HOST}/trade-api/v2"
QUERY = MilestoneQuery()


def test_a_proxy_leads_to_the_host_that_was_asked(make_client: MakeClient, authority: Authority) -> None:
    with (
        FaultServer(answer(GOOD), tls=authority.server_side(host=HOST)) as server,
        Proxy(server.port) as proxy,
    ):
        network = Network(f"http://me:s3cret%2Fword@127.0.0.1:{proxy.port}", authority.certificate)
        client = make_client(URL, network=network)
        assert client.list_page(QUERY).body == client.list_page(QUERY).body == GOOD
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT {HOST}:443 HTTP/1.")
    # me:s3cret/word
    assert "\r\nProxy-Authorization: Basic bWU6czNjcmV0L3dvcmQ=\r\n" in head
    assert [one.headers["host"] for one in server.exchanges] == [HOST, HOST]
    assert all("proxy-authorization" not in one.headers for one in server.exchanges)


def test_a_proxy_that_speaks_tls(make_client: MakeClient, authority: Authority) -> None:
    with (
        FaultServer(answer(GOOD), tls=authority.server_side(host=HOST)) as server,
        Proxy(server.port, tls=authority.server_side()) as proxy,
    ):
        client = make_client(URL, network=Network(f"https://127.0.0.1:{proxy.port}", authority.certificate))
        assert client.list_page(QUERY).body == GOOD
    assert len(proxy.heads) == 1


def test_loopback_is_never_asked_through_the_proxy(make_client: MakeClient) -> None:
    with FaultServer(answer(GOOD)) as server, Proxy(server.port) as proxy:
        client = make_client(server.url, network=Network(f"http://127.0.0.1:{proxy.port}"))
        assert client.list_page(QUERY).body == GOOD
    assert proxy.heads == []


def test_a_proxy_that_intercepts_tls_is_named_in_the_error(make_client: MakeClient, authority: Authority) -> None:
    with (
        FaultServer(answer(GOOD), tls=authority.server_side(host=HOST)) as server,
        Proxy(server.port) as proxy,
    ):
        client = make_client(URL, network=Network(f"http://127.0.0.1:{proxy.port}"))
        with pytest.raises(errors.TlsFailure) as caught:
            client.list_page(QUERY)
    assert "KALSHI_CA_BUNDLE" in str(caught.value)
    assert "KALSHI_PROXY" in str(caught.value)
    assert client.stats.requests == 1


def test_a_proxy_that_refuses_is_named_without_its_password(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with Proxy(0, refusal=refusal) as proxy:
        client = make_client(URL, network=Network(f"http://me:hunter2hunter2@127.0.0.1:{proxy.port}"))
        with pytest.raises(errors.KalshiError) as caught:
            client.list_page(QUERY)
    assert "the proxy: Tunnel connection failed: 407 Proxy Authentication Required" in str(caught.value)
    assert "KALSHI_PROXY" in str(caught.value)
    shown = str(caught.value) + repr(caught.value) + repr(caught.value.__cause__) + caplog.text
    assert "hunter2" not in shown


def test_a_proxy_that_is_not_there_is_named(make_client: MakeClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    client = make_client(URL, network=Network(f"http://127.0.0.1:{port}"))
    with pytest.raises(errors.Unreachable, match=f"no complete response from {HOST}.*the proxy: .*refused"):
        client.list_page(QUERY)


def test_an_answer_through_a_proxy_has_one_deadline(make_client: MakeClient, authority: Authority) -> None:
    with (
        FaultServer(silence, tls=authority.server_side(host=HOST)) as server,
        Proxy(server.port) as proxy,
    ):
        network = Network(f"http://127.0.0.1:{proxy.port}", authority.certificate)
        client = make_client(URL, network=network, deadline_seconds=0.3)
        done = threading.Event()

        def ask() -> None:
            with pytest.raises(errors.KalshiError):
                client.list_page(QUERY)
            done.set()

        threading.Thread(target=ask, daemon=True).start()
        assert done.wait(20)


def test_a_network_hides_its_proxy() -> None:
    assert "hunter2" not in repr(Network("http://me:hunter2@proxy.example"))


@pytest.mark.parametrize(
    "url",
    [
        "http://proxy.example:3128",
        "https://proxy.example",
        "http://10.0.0.8:8080/",
        "http://[fd00::1]:8080",
        "http://127.0.0.1:3128",
        "http://me:p%40ss%2F@192.168.1.1",
    ],
)
def test_proxies_that_can_be_used(url: str) -> None:
    assert fault_of_proxy(url) == ""


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("proxy.example:3128", "only http and https"),
        ("socks5://proxy.example", "only http and https"),
        ("http://", "names no host"),
        ("http://proxy.example:port", "not a URL"),
        ("http://proxy.example/path", "path"),
        ("http://me:hunter2?x@proxy.example", "percent-encode"),
        ("http://me:hunter2#x@proxy.example", "percent-encode"),
        ("http://me:hunter2/x@proxy.example", "percent-encode"),
        ("http://169.254.169.254", "link-local"),
        ("http://0.0.0.0:80", "unspecified"),
        ("http://2852039166", "usual spelling"),
        ("http://[::ffff:10.0.0.1]", "usual spelling"),
        ("http://proxy .example", "blanks"),
        ("http://prоxy.example", "printable ASCII"),
    ],
)
def test_proxies_that_cannot_be_used(url: str, why: str) -> None:
    fault = fault_of_proxy(url)
    assert why in fault
    assert "hunter2" not in fault


def test_bundles(tmp_path: Path, authority: Authority) -> None:
    empty, text, folder = tmp_path / "empty.pem", tmp_path / "text.pem", tmp_path / "folder"
    empty.touch()
    text.write_text("no certificate")
    folder.mkdir()
    assert fault_of_ca_bundle(authority.certificate) == ""
    assert fault_of_ca_bundle(empty) == fault_of_ca_bundle(text) == "it holds no certificate in PEM form"
    assert fault_of_ca_bundle(tmp_path / "nowhere.pem") == "No such file or directory"
    assert fault_of_ca_bundle(folder) != ""
