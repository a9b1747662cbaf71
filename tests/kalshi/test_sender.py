"""One request against a server that really breaks HTTP: every fault of transport, status, encoding and body."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from typing import Any

import pytest
import requests

from pipelines.kalshi import errors
from pipelines.kalshi.client import KalshiClient
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.transport import build_session

from .authority import Authority
from .conftest import FakeTime, MakeClient
from .fault_server import (
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

# Faults that are retried: transport faults end as Unreachable, 5xx as ServerFault, broken JSON as NotTheApi.
TRANSIENT: dict[str, tuple[Play, type[errors.KalshiError], int, str]] = {
    "closed-without-a-response": (raw(b""), errors.Unreachable, 8, "without response"),
    "reset-before-the-response": (reset_after(b""), errors.Unreachable, 8, "reset"),
    "reset-in-the-headers": (reset_after(b"HTTP/1.1 200 OK\r\nContent-"), errors.Unreachable, 8, "reset"),
    "reset-mid-body": (reset_after(head(200, {"Content-Length": "999"}) + HALF), errors.Unreachable, 8, "reset"),
    "no-http": (raw(b"SSH-2.0-OpenSSH_9.9\r\n"), errors.Unreachable, 8, "not HTTP: SSH-2.0"),
    "no-http-and-long": (raw(b"x" * 60_000 + b"\r\n"), errors.Unreachable, 8, "not HTTP: xxx"),
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
    "truncated-json": (raw(head(200, {}) + HALF), errors.NotTheApi, 3, "not complete JSON"),
    "truncated-json-of-full-length": (answer(HALF), errors.NotTheApi, 3, "not complete JSON"),
    "longer-than-its-length": (
        raw(head(200, {"Content-Length": str(len(HALF)), "Connection": "close"}) + GOOD),
        errors.NotTheApi,
        3,
        "not complete JSON",
    ),
    "two-documents": (answer(GOOD + GOOD), errors.NotTheApi, 3, "trailing characters"),
    "html": (answer(HTML, Content_Type="text/html"), errors.NotTheApi, 3, r"<!DOCTYPE html>\n<title>"),
    "not-utf-8": (answer(b'{"milestones": [], "cursor": "\xff"}'), errors.NotTheApi, 3, "utf-8"),
    **{
        f"status-{status}": (answer(b'{"msg": "upstream"}', status), errors.ServerFault, 8, "upstream")
        for status in (408, 425, 500, 501, 502, 503, 504, 520, 599)
    },
    "502-html": (answer(HTML, 502), errors.ServerFault, 8, r"<!DOCTYPE html>\n"),
    "500-without-a-body": (answer(b"", 500), errors.ServerFault, 8, "HTTP 500"),
    "500-cut": (raw(head(500, {"Content-Length": "99"})), errors.ServerFault, 8, "HTTP 500"),
    "429": (answer(b'{"error": "too many requests"}', 429), errors.RateLimited, 8, "too many requests"),
}

# Faults that are not retried: raised after one request.
FINAL: dict[str, tuple[Play, type[errors.KalshiError], str]] = {
    **{
        f"json-{name}": (answer(body), errors.NotTheApi, "does not have the expected shape")
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


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_transient_fault_is_retried(make_client: MakeClient, fake_time: FakeTime, fault: str) -> None:
    with FaultServer(TRANSIENT[fault][0], answer(GOOD)) as server:
        client = make_client(server.url)
        got = client.list_page(QUERY)
    assert (got.body, got.next_cursor, got.ids) == (GOOD, "next", ("a", "b"))
    assert len(server.exchanges) == client.stats.requests == 2
    assert client.stats.retries == 1
    assert fake_time.slept == [pytest.approx(0.4995)]


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_transient_fault_that_persists_fails_after_bounded_tries(make_client: MakeClient, fault: str) -> None:
    play, kind, tries, words = TRANSIENT[fault]
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
def test_a_final_fault_fails_at_once(make_client: MakeClient, fake_time: FakeTime, fault: str) -> None:
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
        assert fake_time.slept == []
        # The client still works afterwards.
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
def test_slow_bytes_do_not_extend_the_deadline(slow: str) -> None:
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


def test_a_slow_error_body_does_not_hide_the_status() -> None:
    with (
        FaultServer(drip(head(401, {}) + b"denied", b".", every_seconds=0.02)) as server,
        KalshiClient(server.url, deadline_seconds=0.3) as client,
        pytest.raises(errors.AccessDenied, match="denied"),
    ):
        client.list_page(QUERY)


def test_a_slow_error_body_is_not_waited_for(make_client: MakeClient, fake_time: FakeTime) -> None:
    def clock() -> float:
        fake_time.seconds += 0.5
        return fake_time.seconds

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


def test_an_injected_session_does_not_follow_redirects_either(make_client: MakeClient) -> None:
    with (
        FaultServer(answer(GOOD)) as other,
        FaultServer(answer(b"", 302, Location=other.url)) as server,
        requests.Session() as session,
        pytest.raises(errors.Redirected),
    ):
        make_client(server.url, session=session).list_page(QUERY)
    assert other.connections == 0


@pytest.mark.slow
def test_a_decompression_bomb_costs_no_memory(make_client: MakeClient) -> None:
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


def test_bytes_after_a_response_are_never_read_as_the_next_one(make_client: MakeClient) -> None:
    """A body longer than its Content-Length may hold a whole response, which must not be read as the next page."""
    smuggled = head(200, {"Content-Length": str(len(GOOD))}) + GOOD
    first = page("first")
    with FaultServer(
        raw(head(200, {"Content-Length": str(len(first))}) + first + smuggled, keep=True), answer(page("second"))
    ) as server:
        client = make_client(server.url)
        assert client.list_page(QUERY).ids == ("first",)
        assert client.list_page(QUERY).ids == ("second",)


def test_a_half_read_connection_is_not_reused(make_client: MakeClient) -> None:
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
def test_which_refusals_are_invalid_cursors(
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


def test_no_such_milestone(make_client: MakeClient) -> None:
    body = b'{"error":{"code":"not_found","message":"not found"}}'
    with FaultServer(answer(body, 404)) as server, pytest.raises(errors.NotFound) as caught:
        make_client(server.url).get_milestone("a b")
    assert caught.value.url == f"{server.url}/milestones/a%20b"
    assert caught.value.status == 404


def test_tls_with_a_private_ca(make_client: MakeClient, authority: Authority) -> None:
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
        # A connection cut during the handshake says nothing about the certificate: it is retried.
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
