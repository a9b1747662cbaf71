"""Worker processes for work on batches, on a `concurrent.futures` pool; only their number and their end are ours.

What they run is a module-level function whose arguments and result can be pickled, and which writes files. A worker
ends when its parent dies.
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
    """A worker process was killed."""

    def __init__(self) -> None:
        super().__init__(
            "a worker process was killed, most likely for want of memory: run again with MILESTONES_THREADS=1, which "
            "starts none"
        )


@contextmanager
def worker_pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of `count` worker processes, each started when there is work for it; what has not begun is dropped."""
    # Not forked: this process has threads of DuckDB and Arrow, whose locks a fork would copy in any state.
    pool = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def spread(work: Callable[..., Result], arguments: Iterable[tuple[Any, ...]], *, workers: int) -> Iterator[Result]:
    """Run `work` for each tuple of arguments: in `workers` processes and, while they are busy, in this one.

    Results come in no order. Raises what `work` raises, and WorkerDied.
    """
    if workers == 0:
        yield from (work(*one) for one in arguments)
        return
    pending: deque[Future[Result]] = deque()
    try:
        with worker_pool(workers) as pool:
            for one in arguments:
                # One more than there are workers: the next batch is there when one is done.
                if sum(not future.done() for future in pending) <= workers:
                    pending.append(pool.submit(work, *one))
                else:
                    yield work(*one)
                while pending and pending[0].done():
                    yield pending.popleft().result()
            for future in pending:
                yield future.result()
    except BrokenProcessPool as error:
        raise WorkerDied from error


def _begin() -> None:
    """Set up a worker process."""
    # It makes millions of short-lived rows without a cycle among them.
    gc.disable()
    # Ctrl-C reaches every process of a terminal; the parent decides what becomes of this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - it runs in a worker only
    parent.join()
    os._exit(1)
