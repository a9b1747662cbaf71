"""What one call may cost: rows, time and memory. Ends queries that exceed it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from pipelines.errors import MilestonesError
from pipelines.reading.connection import Settings
from pipelines.reading.query_errors import QueryFailed

MEMORY = "1GB"
"""What the operators of a query may use. Values that functions make, such as repeat('x', 1000000000), do not count."""

DUCKDB_LIMITS: Settings = {"memory_limit": MEMORY, "threads": 4}
"""Of one call. The address space of the process is limited, and each thread reserves some of it."""

POLL_SECONDS = 0.05


class QueryStopped(MilestonesError):
    """A query exceeded its time or memory."""


@dataclass(frozen=True)
class Limits:
    """Most rows of one answer, and seconds that its queries may take."""

    rows: int = 1_000
    seconds: float = 30.0

    @property
    def too_slow(self) -> str:
        """What a client is told about a query that took too long."""
        return (
            f"the query was stopped after {self.seconds:g} seconds: filter or aggregate earlier, or select fewer rows"
        )


class Stopper:
    """Interrupts the queries of one call when its time is over, or when another thread calls `stop`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._requested = threading.Event()

    def stop(self) -> None:
        """End the call: its client does not wait for it any more."""
        self._requested.set()

    @contextmanager
    def watching(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Interrupt the queries of the block when they exceed the limits. Raises QueryStopped."""
        done = threading.Event()
        end = time.monotonic() + self._limits.seconds
        thread = threading.Thread(target=self._watch, args=(connection, done, end), daemon=True)
        thread.start()
        try:
            yield
        except (QueryFailed, MemoryError) as error:
            if (reason := self._reason(error)) is None:
                raise
            raise QueryStopped(reason) from error
        finally:
            done.set()
            thread.join()

    def _watch(self, connection: duckdb.DuckDBPyConnection, done: threading.Event, end: float) -> None:
        while not done.wait(POLL_SECONDS):
            if self._requested.is_set() or time.monotonic() >= end:
                # Again and again: an interrupt between two queries of the block has no effect on the second.
                connection.interrupt()

    def _reason(self, error: QueryFailed | MemoryError) -> str | None:
        if isinstance(error.__cause__, duckdb.InterruptException):
            return self._limits.too_slow
        if isinstance(error, MemoryError) or isinstance(error.__cause__, duckdb.OutOfMemoryException):
            return f"the query needs more memory than {MEMORY}: filter or aggregate earlier, or select fewer columns"
        return None
