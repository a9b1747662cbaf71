"""Threads that keep several requests in flight. Knows nothing of HTTP: a task is any value, the work any function."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class FinishedTask(Generic[Task, Result]):
    """A task with its result, or with the exception that its work raised."""

    task: Task
    result: Result | None
    error: Exception | None


class RequestThreads(Generic[Task, Result]):
    """Runs at most `count` tasks at once. With a count of 1 no thread is started: `wait` runs the task itself.

    The threads are daemons and are never joined: an executor of the standard library would delay Ctrl-C until the
    last request in flight had its response.
    """

    def __init__(self, count: int, work: Callable[[Task], Result]) -> None:
        self._work = work
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._finished: queue.SimpleQueue[FinishedTask[Task, Result]] = queue.SimpleQueue()
        self._count = count
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count if count > 1 else 0)]
        self.running = 0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for _thread in self._threads:
            self._tasks.put(None)

    @property
    def has_capacity(self) -> bool:
        """Whether a task submitted now would start at once."""
        return self.running < self._count

    def submit(self, task: Task) -> None:
        """Start a task, or queue it behind the running ones."""
        self.running += 1
        self._tasks.put(task)

    def wait(self) -> FinishedTask[Task, Result]:
        """Wait for any running task to finish."""
        self.running -= 1
        if not self._threads:
            return self._do(self._tasks.get())
        return self._finished.get()

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            self._finished.put(self._do(task))

    def _do(self, task: Task | None) -> FinishedTask[Task, Result]:
        assert task is not None  # noqa: S101 - None stops a thread
        try:
            return FinishedTask(task, self._work(task), None)
        except Exception as error:  # noqa: BLE001 - the caller of wait() raises it
            return FinishedTask(task, None, error)
