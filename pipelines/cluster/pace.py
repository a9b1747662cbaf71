"""One pace for all machines: the generic cell rate algorithm in Redis, by Redis's clock."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction

from redis import Redis
from redis.exceptions import RedisError
from throttled import RateLimiterType, Throttled, rate_limiter, store
from throttled.exceptions import BaseThrottledError

from pipelines.cluster.redis_server import ANSWER_SECONDS, RedisUnusable, redis_url
from pipelines.kalshi.pacing import SHORTEST_SLEEP_SECONDS

PACE_KEY = "milestones:pace"
PAUSE_KEY = "milestones:pause"


class RedisPace:
    """At most `requests_per_second` from all machines together, without bursts, and none while paused.

    0 requests per second switches pacing off, but not pauses. Methods raise RedisUnusable: nothing is sent without
    a pace.
    """

    def __init__(self, url: str, requests_per_second: float, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._url = url
        self._redis = Redis.from_url(url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS)
        self._sleep = sleep
        self._limiter = None
        if requests_per_second:
            # The library counts periods in whole seconds: 2.5 a second are 5 in 2 seconds, evenly spaced in any case.
            rate = Fraction(requests_per_second).limit_denominator(100_000) or Fraction(
                1, math.ceil(1 / requests_per_second)
            )
            period = timedelta(seconds=rate.denominator)
            self._limiter = Throttled(
                PACE_KEY,
                using=RateLimiterType.GCRA.value,
                quota=rate_limiter.per_duration(period, limit=rate.numerator, burst=1),
                store=store.RedisStore(
                    server=url, options={"SOCKET_TIMEOUT": ANSWER_SECONDS, "SOCKET_CONNECT_TIMEOUT": ANSWER_SECONDS}
                ),
            )

    @classmethod
    def from_settings(cls, requests_per_second: float) -> RedisPace:
        """The pace in the Redis of the settings. Raises WrongSetting."""
        return cls(redis_url(), requests_per_second)

    def check(self) -> None:
        """Check that Redis answers."""
        try:
            self._redis.ping()
        except RedisError as error:
            raise RedisUnusable(self._url, error) from error

    def acquire(self) -> None:
        """Wait until one request may be sent."""
        while (wait := self._take()) > 0:
            self._sleep(max(wait, SHORTEST_SLEEP_SECONDS))

    def pause(self, seconds: float) -> None:
        """Hold the requests of all machines for this long; the longest pause wins."""
        milliseconds = math.ceil(seconds * 1000)
        if milliseconds <= 0:
            return
        try:
            if not self._redis.set(PAUSE_KEY, "", px=milliseconds, nx=True):
                self._redis.pexpire(PAUSE_KEY, milliseconds, gt=True)
        except RedisError as error:
            raise RedisUnusable(self._url, error) from error

    def _take(self) -> float:
        """Take a token and return 0, or return the seconds until one may be available."""
        try:
            # -2: there is no pause.
            paused = int(self._redis.pttl(PAUSE_KEY))
            if paused > 0:
                return paused / 1000
            if self._limiter is None:
                return 0.0
            result = self._limiter.limit()
        except (RedisError, BaseThrottledError) as error:
            raise RedisUnusable(self._url, error) from error
        return result.state.retry_after if result.limited else 0.0
