"""What one call may cost: rows, time and memory. Interrupts queries that exceed it."""

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
"""Of one call. The address space of its process is limited, and each thread reserves some of it."""

POLL_SECONDS = 0.05


class QueryStopped(MilestonesError):
    """A query exceeded its time."""


class MemoryExceeded(MilestonesError):
    """A query exceeded its memory."""

    def __init__(self) -> None:
        super().__init__(f"the query needs more memory than {MEMORY}: filter or aggregate earlier, or select less")


@dataclass(frozen=True)
class Limits:
    """Most rows of one answer, and seconds that its queries may take.

    The process of a call is killed `grace_seconds` later; they also cover its start.
    """

    rows: int = 1_000
    seconds: float = 30.0
    grace_seconds: float = 5.0

    @property
    def stopped(self) -> QueryStopped:
        """The error of a query that took too long."""
        return QueryStopped(f"the query was stopped after {self.seconds:g} seconds: filter or aggregate earlier")


@contextmanager
def limited(connection: duckdb.DuckDBPyConnection, limits: Limits) -> Iterator[None]:
    """Interrupt the queries of the block when their time is over. Raises QueryStopped, MemoryExceeded."""
    done = threading.Event()
    end = time.monotonic() + limits.seconds

    def watch() -> None:
        while not done.wait(POLL_SECONDS):
            if time.monotonic() >= end:
                # Again and again: an interrupt between two queries of the block has no effect on the second.
                connection.interrupt()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    except QueryFailed as error:
        if isinstance(error.__cause__, duckdb.InterruptException):
            raise limits.stopped from error
        if isinstance(error.__cause__, duckdb.OutOfMemoryException):
            raise MemoryExceeded from error
        raise
    except MemoryError as error:
        raise MemoryExceeded from error
    finally:
        done.set()
        thread.join()
