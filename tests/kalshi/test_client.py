"""The client without faults: what it sends and returns, how it paces, and how it finds a smaller page size."""

from __future__ import annotations

import gzip
import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.kalshi.client import KalshiClient
from pipelines.kalshi.errors import BadBaseUrl, BadRequest, NotFound
from pipelines.kalshi.paging import Paging
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.request_stats import RequestStats
from pipelines.kalshi.transport import build_session

from .conftest import EPOCH, FakeTime, MakeClient
from .fault_server import FaultServer, answer, drip, head, page, raw, zipped

QUERY = MilestoneQuery(category="Science & Technology", limit=100)


def test_a_page(make_client: MakeClient) -> None:
    body = page("a", "b", cursor="next")
    with FaultServer(answer(body)) as server:
        client = make_client(server.url)
        got = client.list_page(QUERY, "here")
    (exchange,) = server.exchanges
    assert exchange.target.startswith("/trade-api/v2/milestones?")
    assert exchange.params == {"limit": "100", "category": "Science & Technology", "cursor": "here"}
    assert (got.body, got.next_cursor, got.ids, got.records) == (body, "next", ("a", "b"), 2)
    assert (got.fetched_at, got.url_path) == (EPOCH, "/milestones")
    assert client.stats == RequestStats(requests=1, bytes=len(body))


def test_headers_and_url_of_a_request(make_client: MakeClient) -> None:
    with FaultServer(answer(page(), Set_Cookie="session=1; Path=/")) as server:
        client = make_client(server.url + "/")
        client.list_page(MilestoneQuery())
        client.list_page(MilestoneQuery())
    for exchange in server.exchanges:
        assert exchange.target == "/trade-api/v2/milestones?limit=500"
        assert exchange.headers["user-agent"].startswith("kalshi-milestones/")
        assert exchange.headers["accept-encoding"] == "gzip"
        assert not {"cookie", "authorization", "referer"} & exchange.headers.keys()


def test_connections_are_reused(make_client: MakeClient) -> None:
    script = [
        answer(page("a")),
        zipped(page("b")),
        raw(chunked(page("c")), keep=True),
        answer(b"{}", 404),
        answer(page()),
    ]
    with FaultServer(*script) as server:
        client = make_client(server.url)
        assert [client.list_page(QUERY).ids for _ in range(3)] == [("a",), ("b",), ("c",)]
        with pytest.raises(NotFound):
            client.get_milestone("gone")
        client.list_page(QUERY)
    assert (len(server.exchanges), server.connections) == (5, 1)


def chunked(body: bytes) -> bytes:
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    return head(200, {"Transfer-Encoding": "chunked"}) + chunks + b"0\r\n\r\n"


def test_bytes_count_the_compressed_body(make_client: MakeClient) -> None:
    body = page(*("x" * 36 for _ in range(500)))
    with FaultServer(zipped(body)) as server:
        client = make_client(server.url)
        assert client.list_page(QUERY).body == body
    assert client.stats.bytes == len(gzip.compress(body)) < len(body) / 10


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200), min_size=1, max_size=5))
def test_cursors_arrive_byte_for_byte(cursors: list[str]) -> None:
    cursors = [*cursors, "a&b=c", "100%", "%41+%2B", "a+b c", "é/東京?#", "x" * 10_000]
    with FaultServer(answer(page())) as server, KalshiClient(server.url, requests_per_second=None) as client:
        for cursor in cursors:
            client.list_page(QUERY, cursor)
    assert [exchange.params["cursor"] for exchange in server.exchanges] == cursors


def test_a_scan_sends_back_exactly_the_cursors_it_received(make_client: MakeClient) -> None:
    cursors = ["CgYI8KnivQYSJDBl", "+/=&%25", "é\n", ""]
    with FaultServer(*(answer(page(f"id {cursor}", cursor=cursor)) for cursor in cursors)) as server:
        client, paging = make_client(server.url), Paging()
        while not paging.is_done:
            got = client.list_page(QUERY, paging.next_cursor)
            paging.advance(got.next_cursor, got.ids)
    assert [exchange.params.get("cursor") for exchange in server.exchanges] == [None, *cursors[:-1]]


def test_a_milestone(make_client: MakeClient) -> None:
    body = b'{"milestone": {"id": "a", "title": "x"}}'
    with FaultServer(answer(body)) as server:
        got = make_client(server.url).get_milestone("0ed4a109-9ed1-42ac-824d-0838189fd87d")
    assert server.exchanges[0].target == "/trade-api/v2/milestones/0ed4a109-9ed1-42ac-824d-0838189fd87d"
    assert (got.body, got.next_cursor, got.ids, got.records) == (body, None, ("a",), 1)
    assert got.url_path == "/milestones/0ed4a109-9ed1-42ac-824d-0838189fd87d"


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40), min_size=1, max_size=5))
def test_an_id_never_leaves_its_path_segment(ids: list[str]) -> None:
    ids = [one for one in ids if one.strip(".")]
    ids += [
        "../events",
        "..%2Fevents",
        "a/../b",
        "%2e%2e",
        "a?limit=1",
        "a#b",
        "a;b",
        ".a",
        "..\\x",
        "\r\nX: y",
        "//e.example/",
    ]
    with (
        FaultServer(answer(b'{"milestone": {}}')) as server,
        KalshiClient(server.url, requests_per_second=None) as client,
    ):
        for one in ids:
            client.get_milestone(one)
    prefix = "/trade-api/v2/milestones/"
    for one, exchange in zip(ids, server.exchanges, strict=True):
        segment = exchange.target.removeprefix(prefix)
        assert exchange.target.startswith(prefix)
        assert not set(segment) & set("/?#\\")
        assert unquote(segment) == one


@pytest.mark.parametrize("milestone_id", ["", ".", "..", "..."])
def test_ids_of_dots_are_refused(make_client: MakeClient, milestone_id: str) -> None:
    with pytest.raises(ValueError, match="cannot be a milestone's id"):
        make_client("https://unused.example").get_milestone(milestone_id)


def test_pacing(make_client: MakeClient, fake_time: FakeTime) -> None:
    with FaultServer(answer(page())) as server:
        client = make_client(server.url, requests_per_second=4.0)
        for _ in range(9):
            client.list_page(QUERY)
    assert fake_time.seconds == pytest.approx(1002.0)


def test_threads_share_a_client() -> None:
    with FaultServer(answer(page("a"))) as server, KalshiClient(server.url, requests_per_second=0) as client:
        threads = [threading.Thread(target=lambda: [client.list_page(QUERY) for _ in range(10)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.stats == RequestStats(requests=80, bytes=80 * len(page("a")))


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_environment_proxies_are_ignored(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with FaultServer(answer(b"a proxy", 502)) as proxy, FaultServer(answer(page("a"))) as server:
        monkeypatch.setenv(variable, f"http://user:hunter2@127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert make_client(server.url).list_page(QUERY).ids == ("a",)
    assert proxy.connections == 0


def test_netrc_is_ignored(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with FaultServer(answer(page())) as server:
        requests.get(server.url, timeout=5).close()
        make_client(server.url).list_page(QUERY)
    by_default, ours = server.exchanges
    assert "authorization" in by_default.headers
    assert "authorization" not in ours.headers


def test_a_session_that_does_not_verify_is_refused() -> None:
    with requests.Session() as session:
        session.verify = False
        with pytest.raises(ValueError, match="does not verify TLS"):
            KalshiClient("https://unused.example", session=session)


def test_an_injected_session_stays_open() -> None:
    with FaultServer(answer(page("a"))) as server, build_session() as session:
        for _ in range(2):
            with KalshiClient(server.url, session=session) as client:
                assert client.list_page(QUERY).ids == ("a",)
    assert server.connections == 1


@pytest.mark.parametrize("options", [{"deadline_seconds": 0}, {"deadline_seconds": float("inf")}])
def test_invalid_deadlines(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="deadline"):
        KalshiClient("https://unused.example", **options)


def test_invalid_base_url() -> None:
    with pytest.raises(BadBaseUrl):
        KalshiClient("http://unused.example")


def test_retries_are_logged_in_one_line(make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    with (
        FaultServer(answer(b'{"msg": "\\u001b[31m\\nsecond line"}', 500), answer(page())) as server,
        caplog.at_level(logging.WARNING, logger="pipelines"),
    ):
        make_client(server.url).list_page(QUERY, "cursor-of-mine")
    (record,) = [one for one in caplog.records if one.name.startswith("pipelines")]
    assert record.getMessage() == (
        rf"try 1 of {server.url}/milestones failed (\x1b[31m\nsecond line); retrying in 0.5 s"
    )


def test_recorded_page(make_client: MakeClient, recorded: Callable[[str], bytes]) -> None:
    sent = json.loads(recorded("golden_milestones_list_response.json"))["response"]
    with FaultServer(zipped(json.dumps(sent).encode())) as server:
        got = make_client(server.url).list_page(QUERY)
    assert json.loads(got.body) == sent
    assert got.records == len(sent["milestones"])
    assert got.next_cursor == sent["cursor"]


def test_a_slow_page_that_ends_in_time_is_complete() -> None:
    body = page("a")
    with (
        FaultServer(drip(head(200, {"Content-Length": str(len(body) + 5)}) + body, b" ", every_seconds=0.01)) as server,
        KalshiClient(server.url, deadline_seconds=5) as client,
    ):
        assert client.list_page(QUERY).ids == ("a",)


# Page sizes: the API may allow smaller pages than documented


def limits_of(server: FaultServer) -> list[str]:
    return [exchange.params["limit"] for exchange in server.exchanges]


@pytest.mark.parametrize("status", [400, 422])
def test_a_refused_first_page_is_requested_once_more_with_fewer_milestones(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    refusal = answer(b'{"error":{"code":"bad_request","message":"bad request"}}', status)
    with FaultServer(refusal, answer(page())) as server:
        client = make_client(server.url)
        first, second = client.list_page(MilestoneQuery()), client.list_page(MilestoneQuery(), "c")
    assert limits_of(server) == ["500", "100", "100"]
    assert (first.limit, second.limit, client.page_limit) == (100, 100, 100)
    (message,) = caplog.messages
    assert "refused pages of 500 milestones (bad_request: bad request) and accepts pages of 100" in message
    assert "KALSHI_PAGE_LIMIT" in message


def test_the_first_refusal_is_raised_where_the_smaller_page_is_refused_too(make_client: MakeClient) -> None:
    refusals = [answer(f'{{"msg": "{name}"}}'.encode(), 400) for name in ("first", "second")]
    with FaultServer(*refusals, answer(page())) as server:
        client = make_client(server.url)
        with pytest.raises(BadRequest, match=r"\(HTTP 400\): first; correct"):
            client.list_page(MilestoneQuery())
        assert client.list_page(MilestoneQuery()).limit == 500
    assert limits_of(server) == ["500", "100", "500"]


def test_only_the_first_page_is_requested_with_fewer_milestones(make_client: MakeClient) -> None:
    refusal = answer(b'{"msg": "no"}', 400)
    with FaultServer(answer(page()), refusal) as server:
        client = make_client(server.url)
        client.list_page(MilestoneQuery())
        with pytest.raises(BadRequest):
            client.list_page(MilestoneQuery())
    assert limits_of(server) == ["500", "500"]
    # A request with a cursor is refused for the cursor; 409 is not about a limit; below 100 no smaller page is tried.
    for options, cursor, status in (({}, "c", 400), ({}, None, 409), ({"page_limit": 100}, None, 400)):
        with FaultServer(answer(b'{"msg": "no"}', status)) as server, pytest.raises(BadRequest):
            make_client(server.url, **options).list_page(MilestoneQuery(), cursor)
        assert len(server.exchanges) == 1


def test_the_page_limit_applies_to_every_query(make_client: MakeClient) -> None:
    with FaultServer(answer(page())) as server:
        client = make_client(server.url, page_limit=200)
        assert [client.list_page(MilestoneQuery(limit=limit)).limit for limit in (500, 50)] == [200, 50]
    assert limits_of(server) == ["200", "50"]


@pytest.mark.parametrize("limit", [0, 501, -1])
def test_page_limits_out_of_range_are_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="limit must be a whole number from 1 to 500"):
        KalshiClient("https://unused.example", page_limit=limit)
