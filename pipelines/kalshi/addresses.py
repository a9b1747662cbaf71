"""Which base URL a client uses: the configured one, or its fallback until the first of them has responded."""

from __future__ import annotations

import logging
import threading
from urllib.parse import urlsplit

_LOG = logging.getLogger(__name__)


class Addresses:
    """A base URL and its fallback, both in normal form. Thread-safe.

    A client switches to the fallback once, and only before the first response: cursors belong to the host that gave
    them. `fallback_reason` says why it switched, "" where it did not.
    """

    def __init__(self, first: str, fallback: str | None) -> None:
        self._current = first
        self._fallback = fallback
        self._lock = threading.Lock()
        self.fallback_reason = ""

    @property
    def current(self) -> str:
        """The base URL in use."""
        return self._current

    def confirm(self, base_url: str) -> None:
        """Record that an address responded: if it is the current one, it is used from now on."""
        with self._lock:
            if base_url == self._current:
                self._fallback = None

    def fall_back(self, base_url: str, reason: str) -> bool:
        """Switch from an unusable address to the fallback.

        False where there is no fallback or the current address has responded before. `reason` continues a sentence
        that starts with the host: "cannot be resolved".
        """
        with self._lock:
            if base_url != self._current:
                # Another thread has already switched.
                return True
            if self._fallback is None:
                return False
            self.fallback_reason = f"{urlsplit(base_url).netloc} {reason}"
            self._current, self._fallback = self._fallback, None
        _LOG.warning("%s: using %s instead, as KALSHI_BASE_URL is not set", self.fallback_reason, self._current)
        return True
