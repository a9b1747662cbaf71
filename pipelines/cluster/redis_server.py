"""Redis, which holds the queues and the pace of a cluster: its address, and the error where it does not answer."""

from __future__ import annotations

import os
from collections.abc import Mapping

from redis.connection import parse_url

from pipelines.errors import MilestonesError, WrongSetting
from pipelines.settings import REDIS_VARIABLE, setting

ANSWER_SECONDS = 5
"""A machine that is off, or a firewall, answers nothing at all."""

_FORM = "give redis://:PASSWORD@HOST:PORT/0, or rediss:// with TLS"


class RedisUnusable(MilestonesError):
    """Redis at the address `url`, whose password is not quoted, does not answer or refuses us."""

    def __init__(self, url: str, error: BaseException) -> None:
        # Libraries wrap the error of the client, once or several times.
        while error.__cause__ is not None and "redis" not in type(error).__module__:
            error = error.__cause__
        super().__init__(
            f"Redis at {_address(url)}, which holds the cluster's queues and pace, cannot be used "
            f"({type(error).__name__}): check that it runs, and {REDIS_VARIABLE}"
        )


def redis_url(environment: Mapping[str, str] = os.environ) -> str:
    """The address of the cluster's Redis. Raises WrongSetting, which does not quote it."""
    url: str | None = setting("redis_url", environment)
    if url is None:
        raise WrongSetting(f"{REDIS_VARIABLE} is not set: {_FORM}")
    try:
        parse_url(url)
    except ValueError as error:
        raise WrongSetting(
            f"{REDIS_VARIABLE} is no address: {_FORM}, and write special characters of the password as %XX"
        ) from error
    return url


def _address(url: str) -> str:
    parts = parse_url(url)
    return str(parts.get("path") or f"{parts.get('host', 'localhost')}:{parts.get('port', 6379)}")
