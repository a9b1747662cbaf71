"""The sandbox over HTTP, as a client meets it; refusals are compared with the recorded ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests

from sandbox.app import build_app
from sandbox.cursor import encode_cursor
from sandbox.obstacles import Faults
from sandbox.rfc3339 import format_micros, micros_of, parse_micros
from sandbox.server import running
from sandbox.world import World
from tests.sandbox.conftest import NOW, Client

Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows(thousand: tuple[bytes, ...]) -> list[Row]:
    return [msgspec.json.decode(body) for body in thousand]


def ids(rows: list[Row]) -> set[str]:
    return {row["id"] for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize("limit", [7, 250, 500])
def test_a_scan_returns_every_row_once_in_order(client: Client, rows: list[Row], limit: int) -> None:
    found = client.crawl(limit)
    assert found == sorted(rows, key=lambda row: (parse_micros(row["start_date"]), row["id"]))


def test_the_first_page_is_the_oldest_and_its_cursor_names_its_last_row(client: Client) -> None:
    page = client.get(limit=3).json()
    last = page["milestones"][-1]
    assert page["milestones"][0]["start_date"] == "2000-01-01T00:00:00Z"
    assert page["cursor"] == encode_cursor((parse_micros(last["start_date"]) // 1_000_000, last["id"]))


def test_minimum_start_date_is_inclusive(client: Client, rows: list[Row]) -> None:
    edge = sorted(row["start_date"] for row in rows)[600]
    assert ids(client.crawl(minimum_start_date=edge)) == ids([row for row in rows if row["start_date"] >= edge])
    offset = edge.replace("Z", "+00:00")
    assert ids(client.crawl(minimum_start_date=offset)) == ids(client.crawl(minimum_start_date=edge))


def test_min_updated_ts_is_exclusive_and_never_finds_the_zero_time(client: Client, rows: list[Row]) -> None:
    second = 1_700_000_000
    whole = next(row for row in rows if "." not in row["last_updated_ts"] and row["last_updated_ts"] > "2020")
    edge = parse_micros(whole["last_updated_ts"]) // 1_000_000
    for since in (second, edge, edge - 1):
        later = [row for row in rows if parse_micros(row["last_updated_ts"]) > since * 1_000_000]
        assert ids(client.crawl(min_updated_ts=since)) == ids(later)
    assert whole["id"] not in ids(client.crawl(min_updated_ts=edge))
    assert whole["id"] in ids(client.crawl(min_updated_ts=edge - 1))
    zero = {row["id"] for row in rows if row["last_updated_ts"].startswith("0001")}
    assert zero
    assert not zero & ids(client.crawl(min_updated_ts=0))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("category", "Science & Technology"),
        ("category", "mentions"),
        ("type", "Companies"),
        ("source_id", "sr:sport_event:57999001"),
        ("related_event_ticker", "KXNBAGAME-26JAN05RENTUL"),
        ("related_event_ticker", "SIMNBAGAME"),
    ],
)
def test_exact_filters(client: Client, rows: list[Row], name: str, value: str) -> None:
    def holds(row: Row) -> bool:
        return value in row["related_event_tickers"] if name == "related_event_ticker" else row.get(name) == value

    expected = [row for row in rows if holds(row)]
    assert expected
    assert ids(client.crawl(2, **{name: value})) == ids(expected)


def test_filters_join(client: Client, rows: list[Row]) -> None:
    wanted = {"category": "Sports", "type": "basketball_game", "minimum_start_date": format_micros(micros_of(NOW))}
    expected = [row for row in rows if row["type"] == "basketball_game" and row["category"] == "Sports"]
    expected = [row for row in expected if row["start_date"] > "2026-11-22T12:00:00Z"]
    assert ids(client.crawl(3, **wanted)) == ids(expected)
    assert expected


@pytest.mark.parametrize(("key", "value"), [("league", "NBA"), ("tour", "ATP"), ("game", "cs2")])
def test_competition_is_the_league_the_tour_or_the_game(client: Client, rows: list[Row], key: str, value: str) -> None:
    expected = [row for row in rows if row["details"].get(key) == value]
    assert expected
    assert ids(client.crawl(3, competition=value)) == ids(expected)


def test_no_match_gives_an_empty_last_page(client: Client) -> None:
    for parameters in ({"competition": "nba"}, {"category": "None such"}, {"category": "sport"}):
        assert client.get(limit=5, **parameters).json() == {"milestones": [], "cursor": ""}


def test_unknown_and_empty_parameters_are_ignored_and_the_first_of_two_counts(client: Client) -> None:
    plain = client.get(limit=2).json()
    assert client.get(limit=2, with_nested="true", category="", cursor="").json() == plain
    assert client.get(limit=[2, 5]).json() == plain


def test_one_milestone(client: Client, rows: list[Row]) -> None:
    for row in rows[:20]:
        assert client.get(f"/milestones/{row['id']}").json() == {"milestone": row}


# Refusals


def _recorded(payloads: Path, name: str) -> Any:
    return json.loads((payloads / name).read_bytes())


def test_a_missing_limit_is_refused_as_recorded(client: Client, payloads: Path) -> None:
    answer = client.get()
    assert (answer.status_code, answer.json()) == (400, _recorded(payloads, "error_400_missing_limit.json"))


def test_a_fraction_in_min_updated_ts_is_refused_as_recorded(client: Client, payloads: Path) -> None:
    answer = client.get(limit=1, category="Sports", min_updated_ts="1756500000.123")
    assert (answer.status_code, answer.json()) == (400, _recorded(payloads, "error_400_bad_min_updated_ts.json"))


@pytest.mark.parametrize("path", ["/milestones/9f3f1c1e-0000-4000-8000-000000000000", "/markets", "/milestones/a/b"])
def test_unknown_milestones_and_paths_are_refused_as_recorded(client: Client, payloads: Path, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (404, _recorded(payloads, "error_404.json"))


@pytest.mark.parametrize(
    "parameters", [{"limit": 0}, {"limit": 501}, {"limit": 1000}, {"limit": 5, "cursor": "x"}], ids=str
)
def test_bad_parameters_are_refused_with_a_msg(client: Client, parameters: dict[str, Any]) -> None:
    answer = client.get(**parameters)
    assert answer.status_code == 400
    assert list(answer.json()) == ["msg"]
    assert answer.headers["content-type"] == "application/json"


def test_another_method_is_refused_in_the_documented_shape(client: Client) -> None:
    answer = client.session.post(f"{client.base_url}/milestones")
    assert (answer.status_code, list(answer.json())) == (405, ["code", "message", "details"])


@pytest.mark.parametrize("path", ["/milestones/", "/milestones/some-id/"])
def test_a_trailing_slash_redirects_with_301(client: Client, path: str) -> None:
    answer = client.get(path, limit=3, category="Sports")
    assert answer.status_code == 301
    assert answer.headers["location"] == f"{client.base_url}{path.rstrip('/')}?limit=3&category=Sports"


# Transport


def test_gzip_only_if_the_client_accepts_it(client: Client) -> None:
    plain = client.session.get(f"{client.base_url}/milestones?limit=100", headers={"Accept-Encoding": "identity"})
    packed = client.session.get(f"{client.base_url}/milestones?limit=100", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < len(plain.content) / 2


def test_a_connection_is_kept(client: Client) -> None:
    with client.session.get(f"{client.base_url}/milestones?limit=1", stream=True) as first:
        connection = first.raw.connection
        first.content  # noqa: B018 - read to the end, which hands the connection back
    with client.session.get(f"{client.base_url}/milestones?limit=1", stream=True) as second:
        assert second.raw.connection is connection


# Obstacles


def test_the_rate_limit_answers_as_documented(world: World, session: requests.Session, payloads: Path) -> None:
    seconds = [0.0]
    app = build_app(world, requests_per_second=2, burst=3, clock=lambda: seconds[0])
    with running(app) as server:
        client = Client(server.base_url, session)
        assert [client.get(limit=1).status_code for _ in range(4)] == [200, 200, 200, 429]
        refused = client.get("/milestones/x")
        assert (refused.status_code, refused.json()) == (429, _recorded(payloads, "error_429.json"))
        assert "retry-after" not in refused.headers
        seconds[0] = 0.5
        assert [client.get(limit=1).status_code for _ in range(2)] == [200, 429]
    assert [exchange.status for exchange in app.state.log] == [200, 200, 200, 429, 429, 200, 429]
    assert app.state.log[4].path.endswith("/milestones/x")


def test_pages_fail_and_then_work_again(world: World, session: requests.Session) -> None:
    faults = Faults(fail_after_pages=2, failures=1)
    with running(build_app(world, faults=faults)) as server:
        client = Client(server.base_url, session)
        assert client.get().status_code == 400  # not a page
        answers = [client.get(limit=1) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 503, 200]
        assert list(answers[2].json()) == ["code", "message", "details"]
        assert faults.pages_served == 3
        faults.fail_after_pages, faults.failures = 0, None
        assert client.get(limit=1).status_code == 503
        assert client.get(f"/milestones/{world.ids()[0]}").status_code == 200


def test_a_page_is_cut_off(world: World, session: requests.Session) -> None:
    app = build_app(world, faults=Faults(fail_after_pages=0, failures=1, cut=True))
    with running(app) as server:
        client = Client(server.base_url, session)
        with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
            client.get(limit=1)
        assert client.get(limit=1).status_code == 200
    assert [exchange.status for exchange in app.state.log] == [0, 200]


def test_latency_is_added(world: World, session: requests.Session) -> None:
    with running(build_app(world, latency_seconds=0.05)) as server:
        assert Client(server.base_url, session).get(limit=1).elapsed.total_seconds() >= 0.05


def test_a_scan_misses_a_row_that_moves_behind_it(world: World, session: requests.Session) -> None:
    """The live API behaves like this; full sweeps therefore need catch-ups by min_updated_ts."""
    with running(build_app(world)) as server:
        client = Client(server.base_url, session)
        page = client.get(limit=500).json()
        moved = world.ids()[-1]
        world.reschedule(moved, NOW.replace(year=2001))
        rest = client.get(limit=500, cursor=page["cursor"]).json()
        assert moved not in ids(page["milestones"]) | ids(rest["milestones"])
        since = micros_of(NOW) // 1_000_000
        assert moved in ids(client.crawl(min_updated_ts=since))
