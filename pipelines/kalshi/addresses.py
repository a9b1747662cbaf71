"""The address that a client asks: the first one, or another that takes its place before the first ever answered."""

from __future__ import annotations

import logging
import threading
from urllib.parse import urlsplit

_LOG = logging.getLogger(__name__)


class Addresses:
    """A base URL and its fallback, both in normal form. Thread-safe.

    The fallback is used for good once the first address turned out to be unusable. Once either has answered it is kept:
    cursors belong to the host that gave them. `left` says why the first one was left, "" where it was not.
    """

    def __init__(self, first: str, fallback: str | None) -> None:
        self._current = first
        self._fallback = fallback
        self._lock = threading.Lock()
        self.left = ""

    @property
    def current(self) -> str:
        """The base URL to ask."""
        return self._current

    def keep(self, base_url: str) -> None:
        """Note that an address answered."""
        with self._lock:
            if base_url == self._current:
                self._fallback = None

    def leave(self, base_url: str, why: str) -> bool:
        """Use the fallback instead of an address; False where there is none, or the address answered before.

        `why` follows the host: "cannot be resolved".
        """
        with self._lock:
            if base_url != self._current:
                # Another thread was first.
                return True
            if self._fallback is None:
                return False
            self.left = f"{urlsplit(base_url).netloc} {why}"
            self._current, self._fallback = self._fallback, None
        _LOG.warning("%s: using %s instead, as KALSHI_BASE_URL is not set", self.left, self._current)
        return True
