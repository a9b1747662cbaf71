"""Threads that wait for answers, so that several can be waited for at once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Done(Generic[Task, Result]):
    """A task that has ended: with a result, or with a fault."""

    task: Task
    result: Result | None
    fault: Exception | None


class Workers(Generic[Task, Result]):
    """At most `count` tasks at once; `wait` gives one that has ended. One at a time needs no thread.

    The threads are daemons and nobody joins them: an executor of the standard library would hold up Ctrl-C until the
    last request in flight had its answer.
    """

    def __init__(self, count: int, work: Callable[[Task], Result]) -> None:
        self._work = work
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Done[Task, Result]] = queue.SimpleQueue()
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
    def has_room(self) -> bool:
        """Whether a task that is begun now need not wait for another."""
        return self.running < self._count

    def begin(self, task: Task) -> None:
        """Begin a task."""
        self.running += 1
        self._tasks.put(task)

    def wait(self) -> Done[Task, Result]:
        """Wait for a task to end."""
        self.running -= 1
        if not self._threads:
            return self._do(self._tasks.get())
        return self._done.get()

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            self._done.put(self._do(task))

    def _do(self, task: Task | None) -> Done[Task, Result]:
        assert task is not None  # noqa: S101 - None ends a thread
        try:
            return Done(task, self._work(task), None)
        except Exception as fault:  # noqa: BLE001 - raised where it is waited for
            return Done(task, None, fault)
