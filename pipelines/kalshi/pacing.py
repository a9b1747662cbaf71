"""How often the API is asked: one token bucket that every thread of a run shares. No HTTP in here."""

from __future__ import annotations

import threading
from collections.abc import Callable

SHORTEST_SLEEP_SECONDS = 0.001
"""A computed wait can round to less than the clock can show; sleeping at least this long always ends the loop."""


class TokenBucket:
    """At most `rate_per_second * t + burst` requests in any t seconds, and none while paused. Thread-safe.

    A rate of None or 0 switches pacing off; pauses hold even then. The clock counts seconds and should be
    monotonic; should it jump back, the bucket waits rather than give a token twice.
    """

    def __init__(
        self,
        rate_per_second: float | None,
        burst: int = 1,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
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
        # When the bucket will be full again: one number says all (GCRA), and nothing drifts.
        self._full_at = float("-inf")

    def acquire(self) -> None:
        """Wait until one request may go."""
        while (wait := self._take()) > 0:
            # Outside the lock, then asked anew: a pause may have begun meanwhile.
            self._sleep(max(wait, SHORTEST_SLEEP_SECONDS))

    def pause(self, seconds: float) -> None:
        """Hold everybody back for so long; longer pauses win. Afterwards requests go one by one, not in a burst."""
        with self._lock:
            # Empty until then: a server that just said "too many" shall not meet a full bucket afterwards.
            self._full_at = max(self._full_at, self._clock() + seconds + self._tolerance)

    def _take(self) -> float:
        """Take a token and return 0, or take none and return the seconds until there may be one."""
        with self._lock:
            now = self._clock()
            may_go_at = self._full_at - self._tolerance
            if now < may_go_at:
                return may_go_at - now
            self._full_at = max(self._full_at, now) + self._interval
            return 0.0
