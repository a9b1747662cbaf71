"""The traffic counters, alone and under threads."""

from __future__ import annotations

import threading

from pipelines.kalshi.request_stats import RequestStats


def test_counts_are_added_up() -> None:
    stats = RequestStats()
    stats.count(requests=1, received=100)
    stats.count(requests=1, retries=1, rate_limited=1)
    stats.count(received=20)
    assert stats == RequestStats(requests=2, retries=1, rate_limited=1, bytes=120)


def test_the_lock_is_not_part_of_the_value() -> None:
    assert RequestStats(requests=1) == RequestStats(requests=1)
    assert repr(RequestStats(bytes=7)) == "RequestStats(requests=0, retries=0, rate_limited=0, bytes=7)"


def test_threads_lose_no_count() -> None:
    stats = RequestStats()

    def count() -> None:
        for _ in range(2_000):
            stats.count(requests=1, received=3)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stats == RequestStats(requests=16_000, bytes=48_000)
