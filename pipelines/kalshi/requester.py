"""The attempt loop: sends a call until it succeeds, with pacing, retries, the deadline and the fallback address.

What one attempt does is in `sender`; when to retry, as a pure function, in `retry`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from pipelines.kalshi import errors, retry, transport
from pipelines.kalshi.addresses import Addresses
from pipelines.kalshi.faults import Call, Fault, Parameters, final_error, transport_fault
from pipelines.kalshi.pacing import Pace
from pipelines.kalshi.request_stats import RequestStats
from pipelines.kalshi.response import Content
from pipelines.kalshi.retry import FaultKind, GiveUp, Reason, RetryBudget, Wait
from pipelines.kalshi.sender import NETWORK_ERRORS, Sender

_LOG = logging.getLogger(__name__)


class Requester:
    """Repeats attempts until one succeeds or the policy gives up. Threads may share it.

    `deadline_seconds` bounds one call with all its attempts and waits, from the moment the pace lets it start.
    """

    def __init__(
        self,
        sender: Sender,
        addresses: Addresses,
        pace: Pace,
        stats: RequestStats,
        *,
        deadline_seconds: float,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
        random: Callable[[], float],
    ) -> None:
        self._sender = sender
        self._addresses = addresses
        self._pace = pace
        self._stats = stats
        self._deadline_seconds = deadline_seconds
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._random = random
        self._budget = RetryBudget()

    def request(self, path: str, params: Parameters, read: Callable[[bytes], Content]) -> Content:
        """GET `path` below the base URL and parse the body with `read`. Raises KalshiError."""
        self._pace.acquire()
        base_url = self._addresses.current
        call = Call(base_url, path, params, read, give_up_at=self._clock() + self._deadline_seconds)
        while not isinstance(outcome := self._attempt(call), Content):
            if outcome is None:
                self._pace.acquire()
                call.base_url = self._addresses.current
            else:
                self._wait_or_raise(call, outcome)
            call.attempt += 1
            self._stats.count(retries=1)
        self._budget.earn()
        return outcome

    def _attempt(self, call: Call) -> Content | Fault | None:
        """One attempt. Returns a fault that a retry may cure and raises any other.

        None: the client switched from the call's address to the fallback.
        """
        try:
            return self._sender.send(call, on_response=lambda: self._addresses.confirm(call.base_url))
        except errors.Redirected as error:
            if self._addresses.fall_back(call.base_url, f"redirects to {error.target or 'nowhere'}"):
                return None
            raise
        except NETWORK_ERRORS as error:
            if transport.is_unresolved(error) and self._addresses.fall_back(call.base_url, "cannot be resolved"):
                return None
            return transport_fault(call, error)

    def _wait_or_raise(self, call: Call, fault: Fault) -> None:
        """Wait for the next attempt. Raises the call's final error where there is none."""
        verdict = retry.decide(
            fault.kind,
            attempt=call.attempt,
            remaining_seconds=self._remaining(call),
            retry_after_seconds=fault.retry_after_seconds,
            jitter=self._random(),
        )
        # A 429 costs no budget: nothing is broken, and the deadline bounds its waits.
        if isinstance(verdict, Wait) and fault.kind is not FaultKind.RATE_LIMIT and not self._budget.spend():
            verdict = GiveUp(Reason.BUDGET)
        if isinstance(verdict, GiveUp):
            raise self._error(call, fault, verdict.reason) from fault.cause
        _LOG.warning(
            "try %d of %s failed (%s); retrying in %.1f s", call.attempt, call.url, fault.detail, verdict.seconds
        )
        if fault.kind is FaultKind.RATE_LIMIT or fault.retry_after_seconds is not None:
            # The server limits the client, not the request: every thread of this client waits.
            self._pace.pause(verdict.seconds)
        else:
            self._sleep(verdict.seconds)
        self._pace.acquire()
        if self._remaining(call) <= 0:
            raise self._error(call, fault, Reason.DEADLINE) from fault.cause

    def _error(self, call: Call, fault: Fault, reason: Reason) -> errors.KalshiError:
        return final_error(
            call,
            fault,
            reason,
            now=self._now(),
            deadline_seconds=self._deadline_seconds,
            fallback_reason=self._addresses.fallback_reason,
        )

    def _remaining(self, call: Call) -> float:
        return call.give_up_at - self._clock()
