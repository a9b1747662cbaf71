"""Calls the application in this process, on one event loop, as a server would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from starlette.types import ASGIApp


@dataclass
class Client:
    """Sends requests to an application."""

    runner: asyncio.Runner
    http: httpx.AsyncClient

    def __call__(self, path: str, method: str = "GET", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        # httpx would ask for compressed answers by itself.
        named.setdefault("accept-encoding", "identity")
        return self.runner.run(self.http.request(method, path, headers=named))

    def at_once(self, *paths: str) -> list[httpx.Response]:
        async def all_of_them() -> list[httpx.Response]:
            return await asyncio.gather(*map(self.http.get, paths))

        return self.runner.run(all_of_them())

    def json(self, path: str, status: int = 200) -> Any:
        response = self(path)
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/json"
        return json.loads(response.text)

    def error(self, path: str, status: int) -> str:
        """The error of a request that must fail: one printable line."""
        found = self.json(path, status)
        (message,) = found.values()
        assert list(found) == ["error"]
        assert message.isprintable()
        return str(message)


@contextmanager
def client_of(app: ASGIApp) -> Iterator[Client]:
    """A client whose event loop ends with the block."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    with asyncio.Runner() as runner:
        http = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")
        yield Client(runner, http)
        runner.run(http.aclose())
