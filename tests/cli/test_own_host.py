"""An application on loopback rejects pages of other hosts, by their Host or Origin header."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from starlette.types import Message, Receive, Scope, Send

from pipelines.cli.own_host import guard


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Responds 200 to requests and accepts web sockets."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"body"})


def request(
    *,
    kind: str = "http",
    method: str = "GET",
    hosts: Sequence[str] = (),
    origins: Sequence[str] = (),
    **headers: str,
) -> Message:
    """The first message of the guarded application's response."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"} if kind == "websocket" else {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": kind,
        "method": method,
        "path": "/graphql",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }

    async def respond() -> None:
        await guard(app, hosts=hosts, origins=origins)(scope, receive, send)

    asyncio.run(respond())
    return sent[0]


@pytest.mark.parametrize("host", ["127.0.0.1:3000", "localhost:3000", "localhost", "127.0.0.1", "localhost:9999"])
def test_own_host_names_are_accepted(host: str) -> None:
    assert request(host=host)["status"] == 200
    assert request(host=host, origin=f"http://{host}", method="POST")["status"] == 200
    assert request(host=host, origin=f"http://{host}", kind="websocket")["type"] == "websocket.accept"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:3000", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1:3000", ""],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_another_host_is_rejected(host: str, kind: str) -> None:
    response = request(host=host, kind=kind)
    assert response.get("status") == 400 or response["type"] == "websocket.http.response.start"


def test_a_missing_host_is_rejected() -> None:
    assert request()["status"] == 400


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:8501", "http://127.0.0.1", "https://localhost", ""]
)
def test_another_origin_is_rejected(origin: str) -> None:
    assert request(host="localhost:3000", origin=origin, method="POST")["status"] == 403
    closed = request(host="localhost:3000", origin=origin, kind="websocket")
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)


def test_further_names_and_origins_are_accepted_only_if_they_are_given() -> None:
    name, page = "data.example", "https://page.example"
    assert request(hosts=[name], host=f"{name}:80", origin=f"http://{name}:80")["status"] == 200
    assert request(host=f"{name}:80")["status"] == 400
    assert request(origins=[page], host="localhost", origin="https://PAGE.example")["status"] == 200
    assert request(origins=[page], host="localhost", origin="http://page.example")["status"] == 403
