"""Clients on a fake clock, and the recorded responses by file name."""

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


class FakeTime:
    """A fake clock that only sleep() advances. `slept` are the waits, in order."""

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
def fake_time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def make_client(fake_time: FakeTime) -> Iterator[MakeClient]:
    """Makes clients on the fake clock, by default without pacing and with the longest jitter; closes them later."""
    with ExitStack() as stack:

        def make(base_url: str, **options: Any) -> KalshiClient:
            defaults: dict[str, Any] = {
                "requests_per_second": None,
                "clock": fake_time.clock,
                "now": fake_time.now,
                "sleep": fake_time.sleep,
                "random": lambda: 0.999,
            }
            return stack.enter_context(KalshiClient(base_url, **{**defaults, **options}))

        yield make


@pytest.fixture(scope="session")
def recorded(payloads: Path) -> Callable[[str], bytes]:
    """Reads a recorded response by its file name."""
    return lambda name: (payloads / name).read_bytes()
