"""When to try again, as a pure policy: a fault, what was tried and what time is left go in, a wait or an end comes out.

urllib3's own retries do not fit: they never retry a body that was cut, crash on `Retry-After: 1.5` and sleep
for hours on 86400. So one policy here covers the whole page, body included.
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
"""About 30 years: larger numbers mean "never", and dates can still be reckoned with."""


class FaultKind(enum.Enum):
    """What went wrong with one try, and how many tries such a fault is worth."""

    TRANSPORT = "transport", 8
    """No connection, a time-out, a cut or corrupt body."""
    SERVER = "server", 8
    """5xx."""
    RATE_LIMIT = "rate limit", 20
    """429: the server is well and asks for patience, so only the deadline really ends it."""
    NOT_JSON = "not json", 3
    """200 with a body that is no JSON: a cut answer looks like that, but so does a firewall's page."""

    def __init__(self, label: str, max_tries: int) -> None:
        self.label = label
        self.max_tries = max_tries


class Reason(enum.Enum):
    """Why there is no further try."""

    TRIES = "all tries are used"
    DEADLINE = "the deadline is too near"
    RETRY_AFTER = "the server asks for more time than there is"
    BUDGET = "the run's retry budget is used"


@dataclass(frozen=True)
class Wait:
    """Try again after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class GiveUp:
    """Do not try again."""

    reason: Reason


def decide(
    kind: FaultKind,
    *,
    attempt: int,
    remaining_seconds: float,
    retry_after_seconds: float | None,
    jitter: float,
) -> Wait | GiveUp:
    """Whether and when to try again after the `attempt`-th try (from 1) failed.

    `jitter` is a random number in [0, 1). A server's Retry-After is a floor: the wait is never shorter, and
    where it does not fit into the time that remains the answer is GiveUp at once rather than a futile sleep.
    """
    if retry_after_seconds is not None and retry_after_seconds >= remaining_seconds:
        return GiveUp(Reason.RETRY_AFTER)
    if attempt >= kind.max_tries:
        return GiveUp(Reason.TRIES)
    # The backoff still grows under a server that says "0" or "1" to every try.
    wait = max(backoff_seconds(attempt, jitter), retry_after_seconds or 0.0)
    if wait >= remaining_seconds:
        return GiveUp(Reason.DEADLINE)
    return Wait(wait)


def backoff_seconds(attempt: int, jitter: float) -> float:
    """Exponential with full jitter: a random part of 0.5, 1, 2, 4, 8, 16, 16 ... seconds."""
    # The exponent is bounded first: 2.0 ** 2000 overflows.
    return jitter * min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2.0 ** min(attempt - 1, 10))


def parse_retry_after(value: str | None, *, now: datetime, answered_at: str | None = None) -> float | None:
    """Seconds that a Retry-After header asks for, >= 0; None when it is absent or unreadable (`1.5`, `abc`, `-5`).

    A date is read against the answer's own Date header (`answered_at`) where there is one, so that a clock that
    runs wrong on either side makes no difference, else against `now`. A date gone by asks for nothing: 0.
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
    # A name of a month is the least that makes a date; the library reads dates into almost anything else.
    if not re.search(r"[A-Za-z]{3}", text) or len(text) > 64:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


class RetryBudget:
    """How many retries a whole run may spend, so that a storm of faults ends soon and is not made worse. Thread-safe.

    A run starts with `reserve` retries and earns `earned_per_success` with every good answer: over n good
    answers at most `reserve + n * earned_per_success` retries are sent, whatever the pages ask for.
    """

    def __init__(self, reserve: int = 60, earned_per_success: float = 0.2) -> None:
        self._left = float(reserve)
        self._most = float(reserve)
        self._earned_per_success = earned_per_success
        self._lock = threading.Lock()

    def spend(self) -> bool:
        """Take one retry; False when none is left."""
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True

    def earn(self) -> None:
        """Count one good answer."""
        with self._lock:
            self._left = min(self._most, self._left + self._earned_per_success)
