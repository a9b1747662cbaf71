"""A fixed clock, a small world with every surprise, and a client of a server of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from sandbox.app import build_app
from sandbox.generate import generate_bodies
from sandbox.server import running
from sandbox.world import World

NOW = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)

Row = dict[str, Any]


class Client:
    """Asks one server."""

    def __init__(self, base_url: str, session: requests.Session) -> None:
        self.base_url = base_url
        self.session = session

    def get(self, path: str = "/milestones", **parameters: Any) -> requests.Response:
        return self.session.get(self.base_url + path, params=parameters, allow_redirects=False, timeout=10)

    def crawl(self, limit: int = 500, **parameters: Any) -> list[Row]:
        rows: list[Row] = []
        page = self.get(limit=limit, **parameters).json()
        while True:
            rows += page["milestones"]
            if page["cursor"] == "":
                return rows
            page = self.get(limit=limit, cursor=page["cursor"], **parameters).json()


@pytest.fixture(scope="session")
def thousand() -> tuple[bytes, ...]:
    return tuple(generate_bodies(1_000, seed=1, now=NOW))


@pytest.fixture
def world(thousand: tuple[bytes, ...]) -> World:
    return World(thousand, now=lambda: NOW)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False  # no proxy between a test and loopback
        yield session


@pytest.fixture(scope="module")
def shared_world(thousand: tuple[bytes, ...]) -> World:
    return World(thousand, now=lambda: NOW)


@pytest.fixture(scope="module")
def base_url(shared_world: World) -> Iterator[str]:
    with running(build_app(shared_world)) as server:
        yield server.base_url


@pytest.fixture
def client(base_url: str, session: requests.Session) -> Client:
    return Client(base_url, session)
