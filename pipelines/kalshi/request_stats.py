"""Counters of the HTTP traffic of one client. No other statistics belong here: sweeps count their own records."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass
class RequestStats:
    """What a client sent and received. Thread-safe.

    `requests` counts every attempt, `retries` those after the first, `rate_limited` the responses 429, and `bytes` the
    body bytes received, compressed as they came.
    """

    requests: int = 0
    retries: int = 0
    rate_limited: int = 0
    bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def count(self, *, requests: int = 0, retries: int = 0, rate_limited: int = 0, received: int = 0) -> None:
        """Add to the counters; `received` is in bytes."""
        with self._lock:
            self.requests += requests
            self.retries += retries
            self.rate_limited += rate_limited
            self.bytes += received
