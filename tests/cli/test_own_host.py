"""A page of another host gets nothing from an application on loopback, by its Host or by its Origin."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from pipelines.cli.own_host import guard


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers 200 to requests and accepts web sockets."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"whole"})


def ask(*, kind: str = "http", method: str = "GET", **headers: str) -> Message:
    """The first thing that the guarded application answers."""
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

    async def answer() -> None:
        await guard(app)(scope, receive, send)

    asyncio.run(answer())
    return sent[0]


@pytest.mark.parametrize("host", ["127.0.0.1:3000", "localhost:3000", "localhost", "127.0.0.1", "localhost:9999"])
def test_its_own_names_are_answered(host: str) -> None:
    assert ask(host=host)["status"] == 200
    assert ask(host=host, origin=f"http://{host}", method="POST")["status"] == 200
    assert ask(host=host, origin=f"http://{host}", kind="websocket")["type"] == "websocket.accept"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:3000", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1:3000", ""],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_another_host_is_refused(host: str, kind: str) -> None:
    answer = ask(host=host, kind=kind)
    assert answer.get("status") == 400 or answer["type"] == "websocket.http.response.start"


def test_no_host_is_refused() -> None:
    assert ask()["status"] == 400


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:8501", "http://127.0.0.1", "https://localhost", ""]
)
def test_another_origin_is_refused(origin: str) -> None:
    assert ask(host="localhost:3000", origin=origin, method="POST")["status"] == 403
    closed = ask(host="localhost:3000", origin=origin, kind="websocket")
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
