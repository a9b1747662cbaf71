"""The client on bad days: every fault of HTTP and transport, against a server that really breaks its answers."""

from __future__ import annotations

import datetime as dt
import gzip
import itertools
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections import deque
from typing import Any

import pytest
import requests

from pipelines.kalshi import errors
from pipelines.kalshi.client import KalshiClient
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.transport import build_session

from .authority import Authority
from .conftest import EPOCH, MakeClient, PlayedTime
from .fault_server import (
    Exchange,
    FaultServer,
    Play,
    answer,
    drip,
    head,
    page,
    raw,
    reset_after,
    silence,
    zipped,
)

QUERY = MilestoneQuery()
GOOD = page("a", "b", cursor="next")
HALF = GOOD[: len(GOOD) // 2]
HTML = b"<!DOCTYPE html>\n<title>Just a moment...</title>\x1b[31m" + b"x" * 5000
CHUNKED = head(200, {"Transfer-Encoding": "chunked"})
MIB = 1024 * 1024

# What another try may cure: transport faults end as Unreachable, 5xx as ServerFault, broken JSON as NotTheApi.
PASSING: dict[str, tuple[Play, type[errors.KalshiError], int, str]] = {
    "closed-without-a-word": (raw(b""), errors.Unreachable, 8, "without response"),
    "reset-before-the-answer": (reset_after(b""), errors.Unreachable, 8, "reset"),
    "reset-in-the-headers": (reset_after(b"HTTP/1.1 200 OK\r\nContent-"), errors.Unreachable, 8, "reset"),
    "reset-mid-body": (reset_after(head(200, {"Content-Length": "999"}) + HALF), errors.Unreachable, 8, "reset"),
    "no-http": (raw(b"SSH-2.0-OpenSSH_9.9\r\n"), errors.Unreachable, 8, "no HTTP: SSH-2.0"),
    "no-http-and-long": (raw(b"x" * 60_000 + b"\r\n"), errors.Unreachable, 8, "no HTTP: xxx"),
    "too-many-headers": (raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200), errors.Unreachable, 8, "more than 100"),
    "endless-header": (raw(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000), errors.Unreachable, 8, "more than 65536"),
    "two-lengths": (raw(head(200, {"Content-Length": "5, 7"}) + GOOD), errors.Unreachable, 8, "Content-Length"),
    "short-content-length": (raw(head(200, {"Content-Length": "999"}) + GOOD), errors.Unreachable, 8, "Incomplete"),
    "cut-in-a-chunk": (raw(CHUNKED + b"40\r\n" + HALF[:20]), errors.Unreachable, 8, "Incomplete"),
    "cut-between-chunks": (raw(CHUNKED + b'4\r\n{"mi\r\n'), errors.Unreachable, 8, "Incomplete"),
    "chunk-size-no-number": (raw(CHUNKED + b"zz\r\n"), errors.Unreachable, 8, "Incomplete"),
    "headers-only": (raw(b"HTTP/1.1 200 OK\r\n\r\n"), errors.Unreachable, 8, "empty body"),
    "empty-200": (answer(b""), errors.Unreachable, 8, "empty body"),
    "cut-in-the-headers": (raw(b"HTTP/1.1 200 OK\r\nContent-Type: app"), errors.Unreachable, 8, "empty body"),
    "gzip-cut": (zipped(GOOD, cut=20), errors.Unreachable, 8, "no end"),
    "gzip-without-trailer": (zipped(GOOD, cut=-8), errors.Unreachable, 8, "no end"),
    "gzip-corrupt": (zipped(GOOD, flip=15), errors.Unreachable, 8, "corrupt gzip"),
    "gzip-wrong-checksum": (zipped(GOOD, flip=-6), errors.Unreachable, 8, "corrupt gzip"),
    "gzip-only-announced": (answer(GOOD, Content_Encoding="gzip"), errors.Unreachable, 8, "corrupt gzip"),
    "gzip-empty": (answer(b"", Content_Encoding="gzip"), errors.Unreachable, 8, "no end"),
    "truncated-json": (raw(head(200, {}) + HALF), errors.NotTheApi, 3, "no whole JSON"),
    "truncated-json-of-full-length": (answer(HALF), errors.NotTheApi, 3, "no whole JSON"),
    "longer-than-its-length": (
        raw(head(200, {"Content-Length": str(len(HALF)), "Connection": "close"}) + GOOD),
        errors.NotTheApi,
        3,
        "no whole JSON",
    ),
    "two-documents": (answer(GOOD + GOOD), errors.NotTheApi, 3, "trailing characters"),
    "html": (answer(HTML, Content_Type="text/html"), errors.NotTheApi, 3, r"<!DOCTYPE html>\n<title>"),
    "not-utf-8": (answer(b'{"milestones": [], "cursor": "\xff"}'), errors.NotTheApi, 3, "utf-8"),
    **{
        f"status-{status}": (answer(b'{"msg": "upstream"}', status), errors.ServerFault, 8, "upstream")
        for status in (408, 425, 500, 501, 502, 503, 504, 520, 599)
    },
    "502-html": (answer(HTML, 502), errors.ServerFault, 8, r"<!DOCTYPE html>\n"),
    "500-without-words": (answer(b"", 500), errors.ServerFault, 8, "HTTP 500"),
    "500-cut": (raw(head(500, {"Content-Length": "99"})), errors.ServerFault, 8, "HTTP 500"),
    "429": (answer(b'{"error": "too many requests"}', 429), errors.RateLimited, 8, "too many requests"),
}

# What no other try will cure: failed at once, with one request.
FINAL: dict[str, tuple[Play, type[errors.KalshiError], str]] = {
    **{
        f"json-{name}": (answer(body), errors.NotTheApi, "not what was asked for")
        for name, body in {
            "null": b"null",
            "array": b"[]",
            "object": b"{}",
            "error-with-200": b'{"error": "maintenance"}',
            "cursor-0": b'{"milestones": [], "cursor": 0}',
            "cursor-false": b'{"milestones": [], "cursor": false}',
        }.items()
    },
    "json-deep": (answer(b'{"milestones": [' + b"[" * 10**5 + b"]" * 10**5 + b"]}"), errors.NotTheApi, "too deeply"),
    "204": (raw(head(204, {}), keep=True), errors.NotTheApi, "HTTP 204"),
    "206": (answer(GOOD, 206), errors.NotTheApi, "HTTP 206"),
    "brotli": (answer(GOOD, Content_Encoding="br"), errors.NotTheApi, "`br`"),
    "endless-encoding": (answer(GOOD, Content_Encoding="gzip, " * 9000), errors.NotTheApi, "`gzip, gzip"),
    "endless-location": (answer(b"", 302, Location="//" + "e" * 60_000), errors.Redirected, "//eee"),
    "gzip-chain": (answer(GOOD, Content_Encoding="gzip, gzip"), errors.NotTheApi, "`gzip, gzip`"),
    "405": (answer(b"", 405), errors.BadRequest, "HTTP 405"),
    "414": (answer(b"", 414), errors.BadRequest, "HTTP 414"),
    "401": (answer(b'{"msg": "who are you"}', 401), errors.AccessDenied, "no credentials"),
    "403-html": (answer(HTML, 403), errors.AccessDenied, r"<!DOCTYPE html>\n"),
    "403-bad-gzip": (answer(b"denied", 403, Content_Encoding="gzip"), errors.AccessDenied, "HTTP 403"),
    "403-brotli": (answer(b"denied", 403, Content_Encoding="br"), errors.AccessDenied, "HTTP 403"),
    "403-gzip": (answer(gzip.compress(b"<b>zipped"), 403, Content_Encoding="gzip"), errors.AccessDenied, "<b>zipped"),
    "403-huge": (answer(b"x" * MIB, 403), errors.AccessDenied, "x" * 200 + "..."),
    "404": (answer(b'{"error":{"code":"not_found","message":"not found"}}', 404), errors.NotFound, "not_found"),
    "302-other-host": (
        answer(b"", 302, Location="https://user:hunter2@evil.example/x?y"),
        errors.Redirected,
        "redirects to https://evil.example (",
    ),
    "301-to-http": (answer(b"", 301, Location="http://127.0.0.2/x"), errors.Redirected, "http://127.0.0.2"),
    "301-slash": (answer(b"", 301, Location="/trade-api/v2/milestones/"), errors.Redirected, "/v2/milestones/"),
    "307-nowhere": (answer(b"", 307), errors.Redirected, "nowhere"),
    "308-unreadable": (answer(b"", 308, Location="https://[::1/"), errors.Redirected, "unreadable"),
    "302-controls": (answer(b"", 302, Location="//e\x1b31m.example/"), errors.Redirected, r"\x1b31m"),
    "304": (raw(head(304, {}), keep=True), errors.Redirected, "HTTP 304"),
    "announced-too-large": (
        raw(head(200, {"Content-Length": str(10**12)})),
        errors.TooLarge,
        "lower KALSHI_PAGE_LIMIT",
    ),
    "too-large": (answer(b" " * (MIB + 1)), errors.TooLarge, "1,048,576 bytes"),
    "endless": (drip(head(200, {}), b" " * 65536, every_seconds=0), errors.TooLarge, "1,048,576 bytes"),
    "endless-chunks": (drip(CHUNKED, b"1000\r\n" + b" " * 4096 + b"\r\n", every_seconds=0), errors.TooLarge, "larger"),
    "bomb": (zipped(bytes(20 * MIB)), errors.TooLarge, "1,048,576 bytes"),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_passing_fault_is_retried(make_client: MakeClient, time_played: PlayedTime, fault: str) -> None:
    with FaultServer(PASSING[fault][0], answer(GOOD)) as server:
        client = make_client(server.url)
        got = client.list_page(QUERY)
    assert (got.body, got.next_cursor, got.ids) == (GOOD, "next", ("a", "b"))
    assert len(server.exchanges) == client.stats.requests == 2
    assert client.stats.retries == 1
    assert time_played.slept == [pytest.approx(0.4995)]


@pytest.mark.parametrize("fault", PASSING)
def test_a_passing_fault_that_stays_fails_in_bounded_tries(make_client: MakeClient, fault: str) -> None:
    play, kind, tries, words = PASSING[fault]
    with FaultServer(play) as server:
        client = make_client(server.url)
        with pytest.raises(errors.KalshiError) as caught:
            client.list_page(QUERY)
    error = caught.value
    assert type(error) is kind
    assert len(server.exchanges) == error.attempts == tries
    assert words in str(error)
    assert f"{tries} tries" in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 1000
    assert error.url == f"{server.url}/milestones"


@pytest.mark.parametrize("fault", FINAL)
def test_a_final_fault_fails_at_once(make_client: MakeClient, time_played: PlayedTime, fault: str) -> None:
    play, kind, words = FINAL[fault]
    with FaultServer(play, answer(GOOD)) as server:
        client = make_client(server.url, max_body_bytes=MIB)
        with pytest.raises(errors.KalshiError) as caught:
            client.list_page(QUERY)
        assert type(caught.value) is kind
        assert words in str(caught.value)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 1000
        assert "hunter2" not in str(caught.value)
        assert len(server.exchanges) == caught.value.attempts == 1
        assert time_played.slept == []
        # And the client is none the worse for it.
        assert client.list_page(QUERY).body == GOOD


def test_errors_carry_data(make_client: MakeClient) -> None:
    with FaultServer(answer(b"", 301, Location="https://evil.example/")) as server:
        client = make_client(server.url)
        with pytest.raises(errors.Redirected) as redirected:
            client.list_page(QUERY)
    assert (redirected.value.status, redirected.value.target) == (301, "https://evil.example")
    with FaultServer(answer(HTML)) as server, pytest.raises(errors.NotTheApi) as html:
        make_client(server.url).list_page(QUERY)
    assert html.value.excerpt.startswith(r"<!DOCTYPE html>\n<title>Just a moment...</title>\x1b[31mxxx")
    assert len(html.value.excerpt) <= 203


def test_refused_connection(make_client: MakeClient, time_played: PlayedTime) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = make_client(f"http://127.0.0.1:{port}")
    with pytest.raises(errors.Unreachable) as caught:
        client.list_page(QUERY)
    assert caught.value.host == f"127.0.0.1:{port}"
    assert caught.value.attempts == client.stats.requests == 8
    assert f"127.0.0.1:{port} (8 tries): [Errno " in str(caught.value)
    assert "Connection refused" in str(caught.value)
    # Full jitter at its longest: 0.5, 1, 2, 4, 8, 16, 16.
    assert time_played.slept == [pytest.approx(0.999 * wait) for wait in (0.5, 1, 2, 4, 8, 16, 16)]


def test_no_such_host(make_client: MakeClient) -> None:
    client = make_client("https://nowhere.invalid")
    with pytest.raises(errors.Unreachable) as caught:
        client.list_page(QUERY)
    assert "no whole answer from nowhere.invalid (8 tries)" in str(caught.value)


def test_an_error_that_the_caller_is_handling_is_not_mistaken_for_the_cause(make_client: MakeClient) -> None:
    """Python chains every new exception to the one being handled: that one says nothing about the connection."""
    with FaultServer(raw(b""), answer(GOOD)) as server:
        client = make_client(server.url)
        try:
            raise ssl.SSLCertVerificationError("an older trouble")
        except ssl.SSLError:
            assert client.list_page(QUERY).body == GOOD


def test_a_silent_server_is_asked_again(make_client: MakeClient) -> None:
    with FaultServer(silence, answer(GOOD)) as server:
        # Played time stands still, so that the next try has its 0.1 s again.
        client = make_client(server.url, deadline_seconds=0.1, random=lambda: 0.0)
        assert client.list_page(QUERY).body == GOOD
    assert client.stats.retries >= 1


SLOW: dict[str, Play] = {
    "silence": silence,
    "status-line": drip(b"", b"H", every_seconds=0.02),
    "headers": drip(b"HTTP/1.1 200 OK\r\nA: ", b"b", every_seconds=0.02),
    "header-lines": drip(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n", every_seconds=0.02),
    "body": drip(head(200, {"Content-Length": "999999"}), b" ", every_seconds=0.02),
    "body-without-length": drip(head(200, {}), b" ", every_seconds=0.02),
    "chunks": drip(CHUNKED, b"1\r\n \r\n", every_seconds=0.02),
    "chunk-size": drip(CHUNKED, b"0", every_seconds=0.02),
    "gzip": drip(
        head(200, {"Content-Encoding": "gzip"}) + gzip.compress(b"")[:10], b"\x00\x00\x00\xff\xff", every_seconds=0.02
    ),
}


@pytest.mark.parametrize("slow", SLOW)
def test_dripping_buys_no_time(slow: str) -> None:
    with (
        FaultServer(SLOW[slow]) as server,
        KalshiClient(server.url, deadline_seconds=0.2, random=lambda: 0.0) as client,
    ):
        started = time.monotonic()
        with pytest.raises(errors.DeadlineExceeded) as caught:
            client.list_page(QUERY)
        took = time.monotonic() - started
    assert 0.19 < took < 1.0
    assert caught.value.deadline_seconds == 0.2
    assert "within 0.2 s" in str(caught.value)


def test_the_deadline_holds_over_all_tries(make_client: MakeClient, time_played: PlayedTime) -> None:
    with FaultServer(raw(b"")) as server, pytest.raises(errors.DeadlineExceeded) as caught:
        make_client(server.url, deadline_seconds=10.0).list_page(QUERY)
    assert time_played.seconds - 1000 < 10
    assert caught.value.attempts == 5
    assert "within 10 s (5 tries)" in str(caught.value)


def test_a_pause_that_outlasts_the_deadline_ends_the_page(make_client: MakeClient, time_played: PlayedTime) -> None:
    """Another thread's 429 may hold this one back for longer than it has."""

    def oversleep(seconds: float) -> None:
        time_played.sleep(seconds + 100)

    with FaultServer(raw(b"")) as server, pytest.raises(errors.DeadlineExceeded):
        make_client(server.url, sleep=oversleep).list_page(QUERY)
    assert len(server.exchanges) == 1


def test_a_dripping_error_still_is_its_status() -> None:
    with (
        FaultServer(drip(head(401, {}) + b"denied", b".", every_seconds=0.02)) as server,
        KalshiClient(server.url, deadline_seconds=0.3) as client,
        pytest.raises(errors.AccessDenied, match="denied"),
    ):
        client.list_page(QUERY)


def test_a_dripping_error_is_not_waited_for(make_client: MakeClient, time_played: PlayedTime) -> None:
    def clock() -> float:
        time_played.seconds += 0.5
        return time_played.seconds

    started = time.monotonic()
    with (
        FaultServer(drip(head(401, {}) + b"denied", b".", every_seconds=0.02)) as server,
        pytest.raises(errors.AccessDenied, match="denied"),
    ):
        make_client(server.url, clock=clock).list_page(QUERY)
    assert time.monotonic() - started < 5


def test_the_body_of_a_redirect_is_not_read(make_client: MakeClient) -> None:
    """requests itself reads it in full, even with allow_redirects=False."""
    endless = drip(head(302, {"Location": "https://evil.example/"}), b"x" * 65536, every_seconds=0)
    with FaultServer(endless) as server:
        client = make_client(server.url)
        with pytest.raises(errors.Redirected):
            client.list_page(QUERY)
    assert client.stats.bytes == 0


def test_a_redirect_is_not_followed(make_client: MakeClient) -> None:
    with (
        FaultServer(answer(GOOD)) as other,
        FaultServer(answer(b"", 302, Location=other.url)) as server,
        pytest.raises(errors.Redirected),
    ):
        make_client(server.url).list_page(QUERY)
    assert other.connections == 0


def test_nor_does_an_injected_session_follow(make_client: MakeClient) -> None:
    with (
        FaultServer(answer(GOOD)) as other,
        FaultServer(answer(b"", 302, Location=other.url)) as server,
        requests.Session() as session,
        pytest.raises(errors.Redirected),
    ):
        make_client(server.url, session=session).list_page(QUERY)
    assert other.connections == 0


@pytest.mark.slow
def test_a_bomb_costs_no_memory(make_client: MakeClient) -> None:
    squeezer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(squeezer.compress(bytes(MIB)) for _ in range(100)) + squeezer.flush()
    with FaultServer(answer(bomb, Content_Encoding="gzip")) as server:
        client = make_client(server.url, max_body_bytes=2 * MIB)
        tracemalloc.start()
        try:
            with pytest.raises(errors.TooLarge) as caught:
                client.list_page(QUERY)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert caught.value.max_bytes == 2 * MIB
    assert peak < 8 * MIB


def test_what_follows_an_answer_is_never_the_next_one(make_client: MakeClient) -> None:
    """A body longer than its Content-Length may hold a whole answer, which must not be taken for the next page."""
    smuggled = head(200, {"Content-Length": str(len(GOOD))}) + GOOD
    first = page("first")
    with FaultServer(
        raw(head(200, {"Content-Length": str(len(first))}) + first + smuggled, keep=True), answer(page("second"))
    ) as server:
        client = make_client(server.url)
        assert client.list_page(QUERY).ids == ("first",)
        assert client.list_page(QUERY).ids == ("second",)


def test_a_half_read_connection_is_not_used_again(make_client: MakeClient) -> None:
    with FaultServer(answer(b" " * (2 * MIB)), answer(GOOD)) as server:
        client = make_client(server.url, max_body_bytes=MIB)
        with pytest.raises(errors.TooLarge):
            client.list_page(QUERY)
        client.list_page(QUERY)
    assert server.connections == 2


@pytest.mark.parametrize(
    ("cursor", "message", "kind"),
    [
        ("c", '{"msg": "Invalid Cursor"}', errors.InvalidCursor),
        ("c", '{"error": {"code": "bad_request", "message": "cursor expired"}}', errors.InvalidCursor),
        ("c", '{"error": {"code": "bad_request", "message": "bad request"}}', errors.InvalidCursor),
        ("c", "", errors.InvalidCursor),
        (None, '{"msg": "invalid cursor"}', errors.BadRequest),
    ],
    ids=["cursor", "expired", "general", "no-words", "none-was-sent"],
)
def test_invalid_cursor(
    make_client: MakeClient, cursor: str | None, message: str, kind: type[errors.KalshiError]
) -> None:
    with FaultServer(answer(message.encode(), 400)) as server, pytest.raises(errors.BadRequest) as caught:
        make_client(server.url, page_limit=100).list_page(QUERY, cursor)
    assert type(caught.value) is kind
    assert len(server.exchanges) == 1


@pytest.mark.parametrize(
    ("status", "with_cursor", "without"),
    [
        (400, errors.InvalidCursor, errors.BadRequest),
        (404, errors.InvalidCursor, errors.NotFound),
        (409, errors.InvalidCursor, errors.BadRequest),
        (410, errors.InvalidCursor, errors.BadRequest),
        (422, errors.InvalidCursor, errors.BadRequest),
        (401, errors.AccessDenied, errors.AccessDenied),
        (403, errors.AccessDenied, errors.AccessDenied),
        (405, errors.BadRequest, errors.BadRequest),
        (414, errors.BadRequest, errors.BadRequest),
    ],
    ids=str,
)
def test_which_refusals_may_be_the_cursors_fault(
    make_client: MakeClient, status: int, with_cursor: type[errors.KalshiError], without: type[errors.KalshiError]
) -> None:
    with FaultServer(answer(b'{"error":{"code":"bad_request","message":"bad request"}}', status)) as server:
        client = make_client(server.url, page_limit=100)
        for cursor, kind in (("c", with_cursor), (None, without)):
            with pytest.raises(errors.KalshiError) as caught:
                client.list_page(QUERY, cursor)
            assert type(caught.value) is kind
            assert "bad_request: bad request" in str(caught.value)
    assert len(server.exchanges) == 2


# A smaller page limit than documented


def limits_of(server: FaultServer) -> list[str]:
    return [exchange.params["limit"] for exchange in server.exchanges]


@pytest.mark.parametrize("status", [400, 422])
def test_a_refused_first_page_is_asked_for_once_more_with_fewer(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    refusal = answer(b'{"error":{"code":"bad_request","message":"bad request"}}', status)
    with FaultServer(refusal, answer(GOOD)) as server:
        client = make_client(server.url)
        first, second = client.list_page(QUERY), client.list_page(QUERY, "c")
    assert limits_of(server) == ["500", "100", "100"]
    assert (first.limit, second.limit, client.page_limit) == (100, 100, 100)
    (said,) = caplog.messages
    assert "refused pages of 500 milestones (bad_request: bad request) and answers pages of 100" in said
    assert "KALSHI_PAGE_LIMIT" in said


def test_a_refusal_that_less_does_not_cure_is_raised_as_it_was(make_client: MakeClient) -> None:
    refusals = [answer(f'{{"msg": "{name}"}}'.encode(), 400) for name in ("first", "second")]
    with FaultServer(*refusals, answer(GOOD)) as server:
        client = make_client(server.url)
        with pytest.raises(errors.BadRequest, match=r"\(HTTP 400\): first; correct"):
            client.list_page(QUERY)
        assert client.list_page(QUERY).limit == 500
    assert limits_of(server) == ["500", "100", "500"]


def test_only_the_first_page_is_asked_for_again(make_client: MakeClient) -> None:
    refusal = answer(b'{"msg": "no"}', 400)
    with FaultServer(answer(GOOD), refusal) as server:
        client = make_client(server.url)
        client.list_page(QUERY)
        with pytest.raises(errors.BadRequest):
            client.list_page(QUERY)
    assert limits_of(server) == ["500", "500"]
    # With a cursor the refusal is the cursor's; of other statuses none speaks of a limit; 100 has no smaller one.
    for options, cursor, status in (({}, "c", 400), ({}, None, 409), ({"page_limit": 100}, None, 400)):
        with FaultServer(answer(b'{"msg": "no"}', status)) as server, pytest.raises(errors.BadRequest):
            make_client(server.url, **options).list_page(QUERY, cursor)
        assert len(server.exchanges) == 1


def test_a_page_limit_holds_for_every_query(make_client: MakeClient) -> None:
    with FaultServer(answer(GOOD)) as server:
        client = make_client(server.url, page_limit=200)
        assert [client.list_page(MilestoneQuery(limit=limit)).limit for limit in (500, 50)] == [200, 50]
    assert limits_of(server) == ["200", "50"]


@pytest.mark.parametrize("limit", [0, 501, -1])
def test_a_page_limit_that_the_api_never_had(limit: int) -> None:
    with pytest.raises(ValueError, match="limit must be a whole number from 1 to 500"):
        KalshiClient("https://unused.example", page_limit=limit)


def test_no_such_milestone(make_client: MakeClient) -> None:
    body = b'{"error":{"code":"not_found","message":"not found"}}'
    with FaultServer(answer(body, 404)) as server, pytest.raises(errors.NotFound) as caught:
        make_client(server.url).get_milestone("a b")
    assert caught.value.url == f"{server.url}/milestones/a%20b"
    assert caught.value.status == 404


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
def test_retry_after_is_honoured(
    make_client: MakeClient, time_played: PlayedTime, status: int, headers: dict[str, str], at_least: float
) -> None:
    asked_at: list[float] = []

    def noting(play: Play) -> Play:
        def noted(exchange: Exchange) -> bool:
            asked_at.append(time_played.seconds)
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
    make_client: MakeClient, time_played: PlayedTime, status: int, kind: type[Any], retry_after: str
) -> None:
    with FaultServer(answer(b"", status, Retry_After=retry_after)) as server:
        client = make_client(server.url)
        with pytest.raises(kind) as caught:
            client.list_page(QUERY)
    assert time_played.slept == []
    assert caught.value.attempts == 1
    assert caught.value.retry_after_seconds == 86_400
    assert caught.value.come_back_at == EPOCH + dt.timedelta(days=1, seconds=1)
    assert "come back at 2026-11-24T12:00:01Z (in 86,400 s)" in str(caught.value)


def test_a_429_holds_everybody_back(make_client: MakeClient, time_played: PlayedTime) -> None:
    """While one page waits out its Retry-After, another is asked for, as another thread would."""
    asked_at: list[float] = []

    def sleep(seconds: float) -> None:
        until = time_played.seconds + seconds
        if len(asked_at) == 1:
            asked_at.append(0.0)
            client.list_page(QUERY)
            asked_at[1] = time_played.seconds
        time_played.seconds = max(time_played.seconds, until)

    def limited(exchange: Exchange) -> bool:
        asked_at.append(time_played.seconds)
        return answer(b"", 429, Retry_After="30")(exchange)

    with FaultServer(limited, answer(GOOD)) as server:
        client = make_client(server.url, sleep=sleep)
        client.list_page(QUERY)
    assert asked_at == [1000, 1030]
    assert len(server.exchanges) == 3


@pytest.mark.slow
def test_a_429_costs_no_retry_budget(make_client: MakeClient) -> None:
    with FaultServer(*([answer(b"", 429, Retry_After="1"), answer(GOOD)] * 150)) as server:
        client = make_client(server.url)
        for _ in range(150):
            client.list_page(QUERY)
    assert client.stats.rate_limited == client.stats.retries == 150


def test_a_storm_of_faults_is_bounded_over_the_run(make_client: MakeClient) -> None:
    with FaultServer(answer(b"", 500)) as server:
        client = make_client(server.url, deadline_seconds=1000.0)
        for _ in range(100):
            with pytest.raises(errors.ServerFault) as caught:
                client.list_page(QUERY)
    assert client.stats.requests == len(server.exchanges) == 100 + 60
    assert "retry budget" in str(caught.value)


@pytest.mark.slow
def test_good_answers_earn_retries(make_client: MakeClient) -> None:
    """One fault in ten pages goes on for ever; one a page does not."""
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


def test_tls_with_a_private_authority(make_client: MakeClient, authority: Authority) -> None:
    with FaultServer(answer(GOOD), tls=authority.server_side()) as server, build_session() as session:
        session.verify = str(authority.certificate)
        client = make_client(server.url, session=session)
        assert client.list_page(QUERY).body == client.list_page(QUERY).body == GOOD
    assert server.connections == 1


@pytest.mark.parametrize(
    ("trusted", "options", "words"),
    [
        pytest.param(False, {}, "certificate verify failed", id="unknown-authority"),
        pytest.param(True, {"expired": True}, "certificate has expired", id="expired"),
        pytest.param(True, {"host": "other.example"}, "127.0.0.1", id="another-host"),
    ],
)
def test_tls_failures_are_never_retried(
    make_client: MakeClient, authority: Authority, trusted: bool, options: dict[str, Any], words: str
) -> None:
    with FaultServer(answer(GOOD), tls=authority.server_side(**options)) as server, build_session() as session:
        if trusted:
            session.verify = str(authority.certificate)
        client = make_client(server.url, session=session)
        with pytest.raises(errors.TlsFailure) as caught:
            client.list_page(QUERY)
    assert words in str(caught.value)
    assert (server.connections, server.exchanges, client.stats.requests) == (1, [], 1)


@pytest.mark.parametrize(
    ("reply", "kind", "tries"),
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", errors.TlsFailure, 1, id="plain-http-behind-https"),
        # A connection cut while shaking hands proves nothing about anybody: that is worth another try.
        pytest.param(b"", errors.Unreachable, 8, id="cut-in-the-handshake"),
    ],
)
def test_handshakes_that_fail(
    make_client: MakeClient, reply: bytes, kind: type[errors.KalshiError], tries: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(tries):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        client = make_client(f"https://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(kind) as caught:
            client.list_page(QUERY)
        thread.join()
    assert caught.value.attempts == client.stats.requests == tries
