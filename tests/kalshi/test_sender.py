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
    silence,
)
from .transport_faults import CHUNKED, FINAL, GOOD, HTML, MIB, TRANSIENT

QUERY = MilestoneQuery()


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
