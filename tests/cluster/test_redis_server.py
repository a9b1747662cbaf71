"""The address of Redis is checked before anything connects, and errors name it without its password."""

from __future__ import annotations

import pytest

pytest.importorskip("dagster_celery", reason="needs the extra cluster: run make test-cluster")

from redis.exceptions import ConnectionError as NoConnection

from pipelines.cluster.redis_server import RedisUnusable, redis_url
from pipelines.errors import WrongSetting


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:6379", "redis://:secret-word@h:PORT/0", "redis://:secret-word/5@h:1/0"],
    ids=["unset", "no scheme", "no port", "a slash in the password"],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(WrongSetting, match=r"MILESTONES_REDIS_URL is .*give redis://:PASSWORD@HOST:PORT/0") as refused:
        redis_url({"MILESTONES_REDIS_URL": url})
    assert "secret-word" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("rediss://:secret-word@redis.example.net:6380/0", "redis.example.net:6380"),
        ("redis://", "localhost:6379"),
        ("unix:///run/redis.sock", "/run/redis.sock"),
    ],
    ids=["TLS", "the defaults", "a socket"],
)
def test_an_error_names_the_address_and_the_cause(url: str, address: str) -> None:
    wrapped = OSError()
    wrapped.__cause__ = NoConnection("refused")
    message = str(RedisUnusable(url, wrapped))
    assert message.startswith(f"Redis at {address}, ")
    assert "(ConnectionError)" in message
    assert "secret-word" not in message
