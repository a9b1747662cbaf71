"""A client whose time is played, and the recorded answers by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from pipelines.kalshi.client import KalshiClient

from .authority import Authority

EPOCH = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


class PlayedTime:
    """A clock that only sleeping moves. `slept` are the waits, in order."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.seconds - 1000.0)

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept.append(seconds)
        self.seconds += seconds


class MakeClient(Protocol):
    def __call__(self, base_url: str, **options: Any) -> KalshiClient: ...


@pytest.fixture
def time_played() -> PlayedTime:
    return PlayedTime()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def make_client(time_played: PlayedTime) -> Iterator[MakeClient]:
    """Clients on played time, unpaced unless told, with the longest jitter; closed after the test."""
    with ExitStack() as stack:

        def make(base_url: str, **options: Any) -> KalshiClient:
            defaults: dict[str, Any] = {
                "requests_per_second": None,
                "clock": time_played.clock,
                "now": time_played.now,
                "sleep": time_played.sleep,
                "random": lambda: 0.999,
            }
            return stack.enter_context(KalshiClient(base_url, **{**defaults, **options}))

        yield make


@pytest.fixture(scope="session")
def recorded(payloads: Path) -> Callable[[str], bytes]:
    """Reads a recorded answer by its file name."""
    return lambda name: (payloads / name).read_bytes()
