"""Clients on several machines share one pace and one pause, by Redis's clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("throttled", reason="needs the extra cluster: run make test-cluster")

from redis import Redis

from pipelines.cluster.pace import PACE_KEY, RedisPace
from pipelines.cluster.redis_server import RedisUnusable
from pipelines.errors import WrongSetting
from pipelines.kalshi.client import KalshiClient
from tests.cluster.services import redis

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def url(server: str) -> str:
    Redis.from_url(server).flushall()
    return server


def test_clients_together_keep_the_pace_without_a_burst(url: str) -> None:
    paces = [RedisPace(url, 50) for _ in range(3)]
    taken: list[float] = []
    begun = time.monotonic()

    def take(pace: RedisPace) -> None:
        for _ in range(5):
            pace.acquire()
            taken.append(time.monotonic() - begun)

    threads = [threading.Thread(target=take, args=(pace,)) for pace in paces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # 15 requests need 14 intervals of 20 ms; the answers of Redis arrive a little later than it decided.
    assert max(taken) >= 14 / 50 - 0.005
    assert sum(moment < 0.1 for moment in taken) <= 6


@pytest.mark.parametrize("rate", [4, 2.5, 1 / 3, 0.1, 1e-7], ids=str)
def test_any_rate_spaces_requests_evenly(url: str, rate: float) -> None:
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        Redis.from_url(url).flushall()

    pace = RedisPace(url, rate, sleep=sleep)
    begun = time.monotonic()
    pace.acquire()
    pace.acquire()
    assert waits[0] == pytest.approx(1 / rate, abs=time.monotonic() - begun + 0.001)


def test_a_pause_of_one_client_holds_all_and_the_longest_wins(url: str) -> None:
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        Redis.from_url(url).flushall()

    RedisPace(url, 0).pause(30)
    RedisPace(url, 0).pause(300)
    RedisPace(url, 0).pause(3)
    RedisPace(url, 1000, sleep=sleep).acquire()
    assert 290 < waits[0] <= 300


def test_a_pause_of_no_time_holds_nothing(url: str) -> None:
    pace = RedisPace(url, 0, sleep=lambda _: pytest.fail("it waited"))
    pace.pause(0)
    pace.acquire()


def test_without_a_pace_only_pauses_hold(url: str) -> None:
    pace = RedisPace(url, 0, sleep=lambda _: pytest.fail("it waited"))
    for _ in range(20):
        pace.acquire()
    assert not list(Redis.from_url(url).scan_iter(f"*{PACE_KEY}*"))


def test_without_redis_nothing_is_sent_and_the_error_is_one_line_without_the_password() -> None:
    pace = RedisPace("redis://:secret-word@127.0.0.1:1/0", 4)
    with (
        KalshiClient("http://127.0.0.1:1/trade-api/v2", pace=pace) as api,
        pytest.raises(
            RedisUnusable,
            match=r"Redis at 127\.0\.0\.1:1, .* cannot be used \(ConnectionError\): check .* MILESTONES_REDIS_URL",
        ) as error,
    ):
        api.get_milestone("one")
    assert "secret-word" not in str(error.value)
    with pytest.raises(RedisUnusable):
        pace.pause(1)
    with pytest.raises(RedisUnusable):
        pace.check()


def test_an_unset_address_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MILESTONES_REDIS_URL", raising=False)
    with pytest.raises(WrongSetting, match="MILESTONES_REDIS_URL is not set"):
        RedisPace.from_settings(4)
