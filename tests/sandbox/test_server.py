from __future__ import annotations

import socket
import threading

import pytest
import requests

import sandbox
from sandbox.server import Running


@pytest.fixture(scope="module")
def app() -> object:
    return sandbox.build(rows=10)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_the_server_runs_while_the_block_does(host: str, session: requests.Session) -> None:
    with sandbox.running(sandbox.build(rows=10), host) as server:
        url = f"{server.base_url}/milestones?limit=5"
        assert server.base_url == f"http://{host}:{server.port}/trade-api/v2"
        assert len(session.get(url).json()["milestones"]) == 5
    with pytest.raises(requests.ConnectionError):
        session.get(url)
    assert "sandbox" not in {thread.name for thread in threading.enumerate()}


def test_the_server_stops_if_the_block_raises() -> None:
    with pytest.raises(KeyError), sandbox.running(sandbox.build(rows=1)):
        raise KeyError
    assert "sandbox" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "example.com", "", "::"])  # noqa: S104 - refused is the point
def test_only_loopback(host: str) -> None:
    app = sandbox.build(rows=1)
    with pytest.raises(sandbox.NotLoopbackError, match="loopback only"), sandbox.running(app, host):
        pass
    with pytest.raises(sandbox.NotLoopbackError, match="loopback only"):
        sandbox.serve(app, 0, host)


def test_a_port_in_use_gives_a_one_line_error() -> None:
    app = sandbox.build(rows=1)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(sandbox.PortUnavailableError) as caught:
            sandbox.serve(app, port)
    assert str(caught.value) == f"port {port} on 127.0.0.1 is taken by another program; choose another with --port"


def test_a_port_out_of_range_gives_a_one_line_error() -> None:
    with pytest.raises(sandbox.PortUnavailableError, match="port 70000 is not between 0 and 65535"):
        sandbox.serve(sandbox.build(rows=1), 70_000)


def test_an_ipv6_address_is_bracketed() -> None:
    assert Running("::1", 80).base_url == "http://[::1]:80/trade-api/v2"


def test_the_foreground_server_announces_its_address() -> None:
    class StopError(Exception):
        pass

    heard: list[Running] = []

    def announce(server: Running) -> None:
        heard.append(server)
        raise StopError

    with pytest.raises(StopError):
        sandbox.serve(sandbox.build(rows=1), 0, announce=announce)
    assert heard[0].port > 0
