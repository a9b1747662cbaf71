"""Retries, the deadline, Retry-After and the retry budget, against a server that really fails."""

from __future__ import annotations

import datetime as dt
import itertools
import socket
import ssl
from collections import deque
from typing import Any

import pytest

from pipelines.kalshi import errors
from pipelines.kalshi.query import MilestoneQuery

from .conftest import EPOCH, FakeTime, MakeClient
from .fault_server import (
    Exchange,
    FaultServer,
    Play,
    answer,
    page,
    raw,
    silence,
)

QUERY = MilestoneQuery()
GOOD = page("a", "b", cursor="next")


def test_refused_connection(make_client: MakeClient, fake_time: FakeTime) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = make_client(f"http://127.0.0.1:{port}")
    with pytest.raises(errors.Unreachable) as caught:
        client.list_page(QUERY)
    assert caught.value.host == f"127.0.0.1:{port}"
    assert caught.value.attempts == client.stats.requests == 8
    assert f"127.0.0.1:{port} (8 tries): [Errno " in str(caught.value)
    assert "Connection refused" in str(caught.value)
    # The longest jitter: 0.5, 1, 2, 4, 8, 16, 16.
    assert fake_time.slept == [pytest.approx(0.999 * wait) for wait in (0.5, 1, 2, 4, 8, 16, 16)]


def test_no_such_host(make_client: MakeClient) -> None:
    client = make_client("https://nowhere.invalid")
    with pytest.raises(errors.Unreachable) as caught:
        client.list_page(QUERY)
    assert "no complete response from nowhere.invalid (8 tries)" in str(caught.value)


def test_an_error_that_the_caller_is_handling_is_not_reported_as_the_cause(make_client: MakeClient) -> None:
    """Python chains every new exception to the one being handled, which has nothing to do with the connection."""
    with FaultServer(raw(b""), answer(GOOD)) as server:
        client = make_client(server.url)
        try:
            raise ssl.SSLCertVerificationError("an older trouble")
        except ssl.SSLError:
            assert client.list_page(QUERY).body == GOOD


def test_a_silent_server_is_retried(make_client: MakeClient) -> None:
    with FaultServer(silence, answer(GOOD)) as server:
        # The fake clock does not advance, so the next attempt has its 0.1 s again.
        client = make_client(server.url, deadline_seconds=0.1, random=lambda: 0.0)
        assert client.list_page(QUERY).body == GOOD
    assert client.stats.retries >= 1


def test_the_deadline_covers_all_tries(make_client: MakeClient, fake_time: FakeTime) -> None:
    with FaultServer(raw(b"")) as server, pytest.raises(errors.DeadlineExceeded) as caught:
        make_client(server.url, deadline_seconds=10.0).list_page(QUERY)
    assert fake_time.seconds - 1000 < 10
    assert caught.value.attempts == 5
    assert "within 10 s (5 tries)" in str(caught.value)


def test_a_pause_longer_than_the_deadline_ends_the_request(make_client: MakeClient, fake_time: FakeTime) -> None:
    """A 429 of another thread may pause this request beyond its deadline."""

    def oversleep(seconds: float) -> None:
        fake_time.sleep(seconds + 100)

    with FaultServer(raw(b"")) as server, pytest.raises(errors.DeadlineExceeded):
        make_client(server.url, sleep=oversleep).list_page(QUERY)
    assert len(server.exchanges) == 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "at_least"),
    [
        pytest.param({"Retry_After": "3"}, 3.0, id="seconds"),
        pytest.param({"Retry_After": "Mon, 23 Nov 2026 12:00:07 GMT"}, 7.0, id="date"),
        pytest.param(
            {"Retry_After": "Tue, 24 Nov 2026 09:00:05 GMT", "Date": "Tue, 24 Nov 2026 09:00:00 GMT"},
            5.0,
            id="date-of-a-skewed-clock",
        ),
        pytest.param({"Retry_After": "Mon, 23 Nov 2026 11:00:00 GMT"}, 0.49, id="date-gone-by"),
        pytest.param({"Retry_After": "1.5"}, 0.49, id="fraction"),
        pytest.param({"Retry_After": "abc"}, 0.49, id="word"),
        pytest.param({"Retry_After": "-5"}, 0.49, id="negative"),
        pytest.param({"Retry_After": ""}, 0.49, id="empty"),
        pytest.param({}, 0.49, id="absent"),
    ],
)
def test_retry_after_is_respected(
    make_client: MakeClient, fake_time: FakeTime, status: int, headers: dict[str, str], at_least: float
) -> None:
    asked_at: list[float] = []

    def noting(play: Play) -> Play:
        def noted(exchange: Exchange) -> bool:
            asked_at.append(fake_time.seconds)
            return play(exchange)

        return noted

    with FaultServer(noting(answer(b"{}", status, **headers)), noting(answer(GOOD))) as server:
        client = make_client(server.url)
        client.list_page(QUERY)
    assert at_least <= asked_at[1] - asked_at[0] <= at_least + 0.5
    assert client.stats.rate_limited == (status == 429)


@pytest.mark.parametrize(("status", "kind"), [(429, errors.RateLimited), (503, errors.ServerFault)])
@pytest.mark.parametrize(
    "retry_after", ["86400", "Tue, 24 Nov 2026 12:00:00 GMT"], ids=["a-day-in-seconds", "tomorrow-by-date"]
)
def test_a_retry_after_beyond_the_deadline_fails_at_once(
    make_client: MakeClient, fake_time: FakeTime, status: int, kind: type[Any], retry_after: str
) -> None:
    with FaultServer(answer(b"", status, Retry_After=retry_after)) as server:
        client = make_client(server.url)
        with pytest.raises(kind) as caught:
            client.list_page(QUERY)
    assert fake_time.slept == []
    assert caught.value.attempts == 1
    assert caught.value.retry_after_seconds == 86_400
    assert caught.value.retry_at == EPOCH + dt.timedelta(days=1, seconds=1)
    assert "run again after 2026-11-24T12:00:01Z (in 86,400 s)" in str(caught.value)


def test_a_429_pauses_all_threads(make_client: MakeClient, fake_time: FakeTime) -> None:
    """While one request waits for its Retry-After, another is started, as another thread would."""
    asked_at: list[float] = []

    def sleep(seconds: float) -> None:
        until = fake_time.seconds + seconds
        if len(asked_at) == 1:
            asked_at.append(0.0)
            client.list_page(QUERY)
            asked_at[1] = fake_time.seconds
        fake_time.seconds = max(fake_time.seconds, until)

    def limited(exchange: Exchange) -> bool:
        asked_at.append(fake_time.seconds)
        return answer(b"", 429, Retry_After="30")(exchange)

    with FaultServer(limited, answer(GOOD)) as server:
        client = make_client(server.url, sleep=sleep)
        client.list_page(QUERY)
    assert asked_at == [1000, 1030]
    assert len(server.exchanges) == 3


def test_a_429_costs_no_retry_budget(make_client: MakeClient) -> None:
    with FaultServer(*([answer(b"", 429, Retry_After="1"), answer(GOOD)] * 150)) as server:
        client = make_client(server.url)
        for _ in range(150):
            client.list_page(QUERY)
    assert client.stats.rate_limited == client.stats.retries == 150


def test_the_retries_of_a_run_are_limited(make_client: MakeClient) -> None:
    with FaultServer(answer(b"", 500)) as server:
        client = make_client(server.url, deadline_seconds=1000.0)
        for _ in range(100):
            with pytest.raises(errors.ServerFault) as caught:
                client.list_page(QUERY)
    assert client.stats.requests == len(server.exchanges) == 100 + 60
    assert "retry budget" in str(caught.value)


def test_successes_earn_retries(make_client: MakeClient) -> None:
    """A run survives one fault in ten pages for ever, but not one per page."""
    with FaultServer(*([*[answer(GOOD)] * 9, answer(b"", 500)] * 100), answer(GOOD)) as server:
        client = make_client(server.url)
        for _ in range(900):
            client.list_page(QUERY)
    assert client.stats.retries >= 99
    with FaultServer(*([answer(GOOD), answer(b"", 500)] * 100)) as server:
        client = make_client(server.url)
        asked_for_ever = (client.list_page(QUERY) for _ in itertools.count())
        with pytest.raises(errors.ServerFault, match="retry budget"):
            deque(asked_for_ever, maxlen=0)
    assert 60 <= client.stats.retries <= 60 + 0.2 * client.stats.requests
