"""The token bucket: never above the rate, no request during a pause."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.kalshi.pacing import MAX_AHEAD_SECONDS, TokenBucket

from .conftest import FakeTime


def bucket_on(played: FakeTime, rate: float | None, burst: int = 1) -> TokenBucket:
    return TokenBucket(rate, burst, clock=played.clock, sleep=played.sleep)


def grants(played: FakeTime, bucket: TokenBucket, count: int) -> list[float]:
    times = []
    for _ in range(count):
        bucket.acquire()
        times.append(round(played.seconds - 1000, 6))
    return times


def test_without_a_burst_requests_are_evenly_spaced(fake_time: FakeTime) -> None:
    assert grants(fake_time, bucket_on(fake_time, 4), 5) == [0, 0.25, 0.5, 0.75, 1.0]


def test_a_burst_at_the_start_and_again_after_idle_time(fake_time: FakeTime) -> None:
    bucket = bucket_on(fake_time, 2, burst=3)
    assert grants(fake_time, bucket, 5) == [0, 0, 0, 0.5, 1.0]
    fake_time.seconds += 100
    assert grants(fake_time, bucket, 4) == [101, 101, 101, 101.5]


@pytest.mark.parametrize("rate", [None, 0, 0.0])
def test_pacing_off(fake_time: FakeTime, rate: float | None) -> None:
    bucket = bucket_on(fake_time, rate)
    assert grants(fake_time, bucket, 1000) == [0] * 1000
    bucket.pause(7)
    assert grants(fake_time, bucket, 2) == [7, 7]


def test_after_a_pause_there_is_no_burst(fake_time: FakeTime) -> None:
    bucket = bucket_on(fake_time, 1, burst=5)
    bucket.pause(10)
    assert grants(fake_time, bucket, 3) == [10, 11, 12]


def test_a_shorter_pause_does_not_end_a_longer_one(fake_time: FakeTime) -> None:
    bucket = bucket_on(fake_time, None)
    bucket.pause(10)
    bucket.pause(1)
    assert grants(fake_time, bucket, 1) == [10]


@pytest.mark.parametrize("options", [{"rate_per_second": -1}, {"rate_per_second": float("nan")}, {"burst": 0}])
def test_invalid_options_are_refused(fake_time: FakeTime, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"requests per second|burst"):
        TokenBucket(**{"rate_per_second": 1.0, "clock": fake_time.clock, "sleep": fake_time.sleep, **options})


STEPS = st.lists(
    st.one_of(
        st.just(("take", 0.0)),
        st.tuples(st.just("pass"), st.floats(0, 5)),
        st.tuples(st.just("back"), st.floats(0, 5)),
        st.tuples(st.just("pause"), st.floats(0, 3)),
    ),
    max_size=60,
)


@given(st.floats(0.1, 50), st.integers(1, 5), STEPS, st.floats(0.3, 2))
def test_never_more_than_rate_times_time_plus_burst(
    rate: float, burst: int, steps: list[tuple[str, float]], oversleep: float
) -> None:
    """Also where the clock jumps back or sleep returns early; time is the latest reading of the clock."""
    now = 0.0
    pauses: list[float] = []
    taken: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds * oversleep

    bucket = TokenBucket(rate, burst, clock=lambda: now, sleep=sleep)
    for what, amount in steps:
        if what == "take":
            bucket.acquire()
            taken.append(max([now, *taken[-1:]]))
            assert all(now >= end for end in pauses)
        elif what == "pause":
            bucket.pause(amount)
            pauses.append(now + amount)
        else:
            now += amount if what == "pass" else -amount
    for first, last in itertools.combinations_with_replacement(range(len(taken)), 2):
        assert last - first + 1 <= rate * (taken[last] - taken[first]) + burst + 1e-6


def test_threads_share_one_rate_and_one_pause() -> None:
    bucket = TokenBucket(200, clock=time.monotonic, sleep=time.sleep)
    taken: list[float] = []
    resumes_at = time.monotonic() + 0.05
    bucket.pause(0.05)

    def work() -> None:
        for _ in range(5):
            bucket.acquire()
            taken.append(time.monotonic())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 20
    assert min(taken) >= resumes_at
    # Nineteen gaps of 5 ms, minus the scheduler's imprecision.
    assert max(taken) - min(taken) >= 0.090


def test_processes_share_the_pace_of_a_file(tmp_path: Path) -> None:
    clock = 100.0
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal clock
        waits.append(seconds)
        clock += seconds

    def bucket() -> TokenBucket:
        return TokenBucket(4, clock=lambda: clock, sleep=sleep, file=tmp_path / "pace")

    one, other = bucket(), bucket()
    one.acquire()
    assert waits == []
    other.acquire()
    one.acquire()
    assert waits == [0.25, 0.25]
    other.pause(3)
    one.acquire()
    assert sum(waits) == pytest.approx(3.5)


def test_a_file_of_before_a_restart_of_the_machine_delays_by_minutes_at_most(tmp_path: Path) -> None:
    now = 1_000_000.0
    TokenBucket(4, clock=lambda: now, sleep=lambda _: None, file=tmp_path / "pace").acquire()
    waits: list[float] = []
    now = 10.0

    def sleep(seconds: float) -> None:
        nonlocal now
        waits.append(seconds)
        now += seconds

    TokenBucket(4, clock=lambda: now, sleep=sleep, file=tmp_path / "pace").acquire()
    assert 0 < sum(waits) <= MAX_AHEAD_SECONDS + 1


def test_a_damaged_file_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "pace").write_bytes(b"x")
    waits: list[float] = []
    TokenBucket(4, clock=lambda: 5.0, sleep=waits.append, file=tmp_path / "pace").acquire()
    assert waits == []


def test_without_a_pace_no_file_is_written(tmp_path: Path) -> None:
    TokenBucket(0, clock=lambda: 5.0, sleep=lambda _: None, file=tmp_path / "pace").acquire()
    assert not (tmp_path / "pace").exists()


def test_a_file_of_another_start_of_the_machine_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.kalshi.pacing._boot_id", lambda: b"one start".ljust(36))
    TokenBucket(4, clock=lambda: 1_000_000.0, sleep=lambda _: None, file=tmp_path / "pace").acquire()
    monkeypatch.setattr("pipelines.kalshi.pacing._boot_id", lambda: b"the next".ljust(36))
    waits: list[float] = []
    TokenBucket(4, clock=lambda: 10.0, sleep=waits.append, file=tmp_path / "pace").acquire()
    assert waits == []
