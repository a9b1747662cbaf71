"""Worker processes for batches, in a `concurrent.futures` pool.

A worker runs a module-level function with picklable arguments and result. It ends when its parent process dies.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from pipelines.errors import MilestonesError

Result = TypeVar("Result")


class WorkerDied(MilestonesError):
    """The operating system killed a worker process."""

    def __init__(self) -> None:
        super().__init__(
            "a worker process was killed, probably because memory ran out: run again with MILESTONES_THREADS=1, which "
            "starts no workers"
        )


@contextmanager
def worker_pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of `count` worker processes, started on demand. Leaving it cancels work that has not begun."""
    # Spawned, not forked: a fork would copy the locks of the DuckDB and Arrow threads in any state.
    pool = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def spread(work: Callable[..., Result], arguments: Iterable[tuple[Any, ...]], *, workers: int) -> Iterator[Result]:
    """Run `work` for each tuple of arguments: in `workers` processes, and in this one while they are busy.

    Results have no particular order. Raises the errors of `work`, and WorkerDied.
    """
    if workers == 0:
        yield from (work(*item) for item in arguments)
        return
    pending: deque[Future[Result]] = deque()
    try:
        with worker_pool(workers) as pool:
            for item in arguments:
                # Queue one batch more than there are workers, so that no worker waits for the next.
                if sum(not future.done() for future in pending) <= workers:
                    pending.append(pool.submit(work, *item))
                else:
                    yield work(*item)
                while pending and pending[0].done():
                    yield pending.popleft().result()
            for future in pending:
                yield future.result()
    except BrokenProcessPool as error:
        raise WorkerDied from error


def _begin() -> None:
    """Set up a worker process."""
    # Flattening and decoding make millions of short-lived rows without cycles.
    gc.disable()
    # Ctrl-C is sent to every process of a terminal; the parent decides when workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - for the type checker; only workers run this
    parent.join()
    os._exit(1)
