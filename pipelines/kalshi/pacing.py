"""Pacing of requests: one token bucket that every thread, and every process of a home, shares. No HTTP here.

Machines share another one, in Redis: `pipelines.cluster.pace`.
"""

from __future__ import annotations

import fcntl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Protocol

SHORTEST_SLEEP_SECONDS = 0.001
"""A computed wait can be below the clock's resolution; sleeping at least this long ensures progress."""

MAX_AHEAD_SECONDS = 600.0
"""How far ahead the state in a file may be, where the system does not tell one start of the machine from another."""

_STATE = struct.Struct("<d36s")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def _boot_id() -> bytes:
    """Identifies this start of the machine, with which its monotonic clock began; empty where it is not known."""
    try:
        return _BOOT_ID.read_bytes().strip()[:36].ljust(36)
    except OSError:
        return b"".ljust(36)


class Pace(Protocol):
    """When requests may be sent."""

    def acquire(self) -> None:
        """Wait until one request may be sent."""

    def pause(self, seconds: float) -> None:
        """Hold all requests for this long; the longest pause wins."""


class TokenBucket:
    """At most `rate_per_second * t + burst` requests in any t seconds, and none while paused. Thread-safe.

    With `file`, processes share the bucket, whose state is in this file; the clock must then be one that processes
    share, as time.monotonic is. A rate of None or 0 switches pacing off, but not pauses. The clock counts seconds and
    should be monotonic; if it jumps back, the bucket waits and never gives a token twice.
    """

    def __init__(
        self,
        rate_per_second: float | None,
        burst: int = 1,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        file: Path | None = None,
    ) -> None:
        if rate_per_second is not None and not 0 <= rate_per_second < float("inf"):
            raise ValueError(f"requests per second must be 0 (no pacing) or more, not {rate_per_second}")
        if burst < 1:
            raise ValueError(f"a burst is at least 1 request, not {burst}")
        self._interval = 1 / rate_per_second if rate_per_second else 0.0
        self._tolerance = self._interval * (burst - 1)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        # When the bucket will be full again: the whole state in one number (GCRA), without drift.
        self._full_at = float("-inf")
        self._file = file if self._interval else None

    def acquire(self) -> None:
        """Wait until one request may be sent."""
        while (wait := self._take()) > 0:
            # Sleep outside the lock, then check again: a pause may have begun meanwhile.
            self._sleep(max(wait, SHORTEST_SLEEP_SECONDS))

    def pause(self, seconds: float) -> None:
        """Hold all requests for this long; the longest pause wins. Afterwards requests are paced, without a burst."""
        with self._exclusive():
            # The bucket is empty when the pause ends: a server that just limited us must not get a burst.
            self._full_at = max(self._full_at, self._clock() + seconds + self._tolerance)

    def _take(self) -> float:
        """Take a token and return 0, or return the seconds until one may be available."""
        with self._exclusive():
            now = self._clock()
            may_go_at = self._full_at - self._tolerance
            if now < may_go_at:
                return may_go_at - now
            self._full_at = max(self._full_at, now) + self._interval
            return 0.0

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold the state, of this process or of all."""
        with self._lock:
            if self._file is None:
                yield
                return
            with self._file.open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                if len(stored := file.read(_STATE.size)) == _STATE.size:
                    full_at, boot_id = _STATE.unpack(stored)
                    if boot_id == _boot_id():
                        self._full_at = max(self._full_at, min(full_at, self._clock() + MAX_AHEAD_SECONDS))
                yield
                file.truncate(0)
                file.write(_STATE.pack(self._full_at, _boot_id()))
                file.flush()
