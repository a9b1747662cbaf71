"""The retry policy, as pure functions: from the fault, the attempts made and the time left to a wait or an end.

urllib3's retries are not used: they never retry a body that was cut, crash on `Retry-After: 1.5` and sleep for hours
on 86400. One policy covers the whole page, body included.
"""

from __future__ import annotations

import enum
import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

BACKOFF_BASE_SECONDS = 0.5
BACKOFF_CAP_SECONDS = 16.0
LONGEST_RETRY_AFTER_SECONDS = 1e9
"""About 30 years: larger numbers mean "never", and datetime arithmetic still works."""


class FaultKind(enum.Enum):
    """Why an attempt failed, and how many attempts such a fault is worth."""

    TRANSPORT = "transport", 8
    """No connection, a timeout, a cut or corrupt body."""
    SERVER = "server", 8
    """5xx."""
    RATE_LIMIT = "rate limit", 20
    """429: the server works and asks to wait, so in practice the deadline ends the retries."""
    NOT_JSON = "not json", 3
    """200 with a body that is not JSON: a cut response looks like that, and so does a firewall's page."""

    def __init__(self, label: str, max_tries: int) -> None:
        self.label = label
        self.max_tries = max_tries


class Reason(enum.Enum):
    """Why there is no further attempt. The value continues an error message."""

    TRIES = "all tries are used"
    DEADLINE = "the deadline is too near"
    RETRY_AFTER = "the server asks to wait longer than the deadline allows"
    BUDGET = "the run's retry budget is used"


@dataclass(frozen=True)
class Wait:
    """Retry after this many seconds."""

    seconds: float


@dataclass(frozen=True)
class GiveUp:
    """Do not retry."""

    reason: Reason


def decide(
    kind: FaultKind,
    *,
    attempt: int,
    remaining_seconds: float,
    retry_after_seconds: float | None,
    jitter: float,
) -> Wait | GiveUp:
    """Whether and when to retry after attempt number `attempt` (from 1) failed.

    `jitter` is a random number in [0, 1). The server's Retry-After is a lower bound of the wait; where it exceeds the
    remaining time the result is GiveUp at once, not a futile sleep.
    """
    if retry_after_seconds is not None and retry_after_seconds >= remaining_seconds:
        return GiveUp(Reason.RETRY_AFTER)
    if attempt >= kind.max_tries:
        return GiveUp(Reason.TRIES)
    # The backoff grows even where the server sends Retry-After 0 or 1 every time.
    wait = max(backoff_seconds(attempt, jitter), retry_after_seconds or 0.0)
    if wait >= remaining_seconds:
        return GiveUp(Reason.DEADLINE)
    return Wait(wait)


def backoff_seconds(attempt: int, jitter: float) -> float:
    """Exponential with full jitter: a random part of 0.5, 1, 2, 4, 8, 16, 16 ... seconds."""
    # The exponent is bounded first: 2.0 ** 2000 overflows.
    return jitter * min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2.0 ** min(attempt - 1, 10))


def parse_retry_after(value: str | None, *, now: datetime, answered_at: str | None = None) -> float | None:
    """The seconds of a Retry-After header, >= 0; None where it is absent or unreadable (`1.5`, `abc`, `-5`).

    A date is compared with the response's own Date header (`answered_at`) where there is one, so that a wrong clock
    on either side does not matter, else with `now`. A past date gives 0.
    """
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]+", text):  # str.isdigit would let "²" through
        # Sixteen digits pass the bound anyway, and float("9" * 400) would be infinite.
        return min(float(text.lstrip("0")[:16] or "0"), LONGEST_RETRY_AFTER_SECONDS)
    then = _http_date(text)
    if then is None:
        return None
    seconds = (then - (_http_date(answered_at or "") or now)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def _http_date(text: str) -> datetime | None:
    # The library finds dates in almost any text: require at least the name of a month.
    if not re.search(r"[A-Za-z]{3}", text) or len(text) > 64:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


class RetryBudget:
    """Limits the retries of a whole run, so that an outage ends it soon and retries do not add load. Thread-safe.

    A run starts with `reserve` retries and earns `earned_per_success` with every success: with n successful requests
    it sends at most `reserve + n * earned_per_success` retries.
    """

    def __init__(self, reserve: int = 60, earned_per_success: float = 0.2) -> None:
        self._left = float(reserve)
        self._most = float(reserve)
        self._earned_per_success = earned_per_success
        self._lock = threading.Lock()

    def spend(self) -> bool:
        """Take one retry; False where none is left."""
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True

    def earn(self) -> None:
        """Count one successful request."""
        with self._lock:
            self._left = min(self._most, self._left + self._earned_per_success)
