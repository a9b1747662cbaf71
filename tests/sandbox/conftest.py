"""A fixed clock, and a small world with every surprise."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests

from sandbox.generate import generate_bodies
from sandbox.world import World

NOW = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)


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
