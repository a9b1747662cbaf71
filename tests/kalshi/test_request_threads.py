"""Tasks on several threads, and on none: results, exceptions, capacity and the end of the threads."""

from __future__ import annotations

import threading

import pytest

from pipelines.kalshi.request_threads import RequestThreads

TIMEOUT_SECONDS = 10


def test_one_task_at_a_time_needs_no_thread() -> None:
    ran_in: list[threading.Thread] = []

    def work(task: int) -> int:
        ran_in.append(threading.current_thread())
        return task * 2

    threads = RequestThreads(1, work)
    before = threading.active_count()
    with threads:
        threads.submit(21)
        assert len(ran_in) == 0, "the task runs in wait()"
        finished = threads.wait()
        assert threading.active_count() == before
    assert (finished.task, finished.result, finished.error) == (21, 42, None)
    assert ran_in == [threading.current_thread()]


@pytest.mark.parametrize("count", [1, 3])
def test_every_task_finishes_once(count: int) -> None:
    finished = []

    def negate(task: int) -> int:
        return -task

    with RequestThreads(count, negate) as threads:
        waiting = list(range(20))
        while waiting or threads.running:
            while waiting and threads.has_capacity:
                threads.submit(waiting.pop())
            finished.append(threads.wait())
    assert sorted(one.task for one in finished) == list(range(20))
    assert all(one.result == negate(one.task) for one in finished)


def test_tasks_run_at_the_same_time() -> None:
    # The barrier opens only once three tasks are inside it.
    barrier = threading.Barrier(3)

    def meet(_task: str) -> int:
        return barrier.wait(TIMEOUT_SECONDS)

    with RequestThreads(3, meet) as threads:
        for task in "abc":
            threads.submit(task)
        finished = [threads.wait() for _ in range(3)]
    assert [one.error for one in finished] == [None, None, None]
    assert {one.task for one in finished} == {"a", "b", "c"}


def test_wait_returns_the_task_that_finishes_first() -> None:
    release = threading.Event()

    def work(task: str) -> bool:
        return task == "fast" or release.wait(TIMEOUT_SECONDS)

    with RequestThreads(2, work) as threads:
        threads.submit("slow")
        threads.submit("fast")
        assert threads.wait().task == "fast"
        release.set()
        assert threads.wait().task == "slow"


@pytest.mark.parametrize("count", [1, 2])
def test_an_exception_is_returned_and_the_thread_continues(count: int) -> None:
    def work(task: int) -> float:
        return 1 / task

    with RequestThreads(count, work) as threads:
        threads.submit(0)
        failed = threads.wait()
        assert isinstance(failed.error, ZeroDivisionError)
        assert (failed.task, failed.result) == (0, None)
        for _ in range(count):
            threads.submit(2)
        assert [threads.wait().result for _ in range(count)] == [0.5] * count


@pytest.mark.parametrize("count", [1, 2])
def test_capacity_counts_the_running_tasks(count: int) -> None:
    seen: list[tuple[int, bool]] = []
    with RequestThreads(count, str) as threads:

        def look() -> None:
            seen.append((threads.running, threads.has_capacity))

        look()
        for task in range(count):
            threads.submit(task)
            look()
        threads.wait()
        look()
    assert seen == [*((running, running < count) for running in range(count + 1)), (count - 1, True)]


def test_leaving_the_context_does_not_wait_for_a_task_and_stops_its_thread_afterwards() -> None:
    release, started = threading.Event(), threading.Event()
    used: list[threading.Thread] = []

    def work(_task: int) -> None:
        used.append(threading.current_thread())
        started.set()
        release.wait(TIMEOUT_SECONDS)

    with RequestThreads(2, work) as threads:
        threads.submit(1)
        assert started.wait(TIMEOUT_SECONDS)
    (busy,) = used
    assert busy.is_alive(), "the context does not join a thread with a request in flight"
    assert busy.daemon, "such a thread does not keep the process alive"
    release.set()
    busy.join(TIMEOUT_SECONDS)
    assert not busy.is_alive()
