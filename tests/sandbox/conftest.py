"""A fixed clock, a small world with every surprise, and the folder of recorded responses of the live API."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from sandbox.generate import generate_bodies
from sandbox.world import World

NOW = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)
PROJECT = Path(__file__).parents[2]


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


@pytest.fixture(scope="session")
def payloads() -> Path:
    folder = Path(os.environ.get("RECORDED_PAYLOADS", PROJECT.parent / "shared" / "payloads"))
    if not folder.is_dir():
        pytest.skip(f"no recorded responses in {folder}: set RECORDED_PAYLOADS")
    return folder
