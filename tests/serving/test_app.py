"""The application: answers, errors, validation of caches, compression, and a publish while it serves."""

from __future__ import annotations

import gzip
import json
import shutil
import time
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import duckdb
import pytest

from pipelines.serving.app import STEP_SECONDS, build_app
from pipelines.storage.home import Home
from tests.serving.client import Client, client_of
from tests.serving.conftest import HOSTILE_TICKER
from tests.support import Clock, Shell, Shells, milestone, milestone_id


def ids(found: Any) -> list[int]:
    return [int(row["milestone_id"][-12:]) for row in found["items"]]


LISTED = [*range(1, 3), 5, *range(7, 31)]
"""What is upcoming, by number: 3 is live, 4 is simulated, 6 vanished."""
BY_START = [number for number in LISTED if number != 2] + [2]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", BY_START),
        ("simulated=true", [*sorted([*BY_START[:-1], 4]), 2]),
        ("type=ELECTION", [7]),
        ("type=election&type=football_game&limit=2", [1, 5]),
        ("category=politics", [7]),
        ("league=senate", [7]),
        ("event=KXGAME-9&event=kxgame-8", [8, 9]),
        ("until=2026-11-30T12:01:00Z", [1]),
        ("hours=166", []),
        ("competition=x", []),
        ("series=x", []),
    ],
)
def test_upcoming_milestones_are_filtered(query: str, numbers: list[int], get: Client) -> None:
    assert ids(get.json(f"/upcoming.json?{query}")) == numbers


def test_pages_follow_each_other_to_the_end(get: Client) -> None:
    found, path = [], "/upcoming.json?limit=10&type=football_game"
    while path:
        page = get.json(path)
        found += ids(page)
        path = page["next"]
    assert found == [number for number in BY_START if number != 7]


def test_live_milestones(get: Client) -> None:
    (row,) = get.json("/live.json")["items"]
    assert (row["title"], row["ends_at"], row["end_is_guessed"]) == ("Game 3", "2026-11-23T15:00:00Z", False)


def test_an_event_has_its_start_and_its_milestones(get: Client) -> None:
    found = get.json("/events/KXGAME-1.json")
    assert (found["ticker"], found["start"]["starts_at"], found["event"]) == ("KXGAME-1", "2026-11-30T12:01:00Z", None)
    assert [row["milestone_id"] for row in found["milestones"]] == [milestone_id(1)]


@pytest.mark.parametrize(("number", "flag"), [(4, "simulated"), (6, "vanished")])
def test_an_event_without_listed_milestones_has_them_on_request(number: int, flag: str, get: Client) -> None:
    found = get.json(f"/events/KXGAME-{number}.json")
    assert (found["start"], found["milestones"]) == (None, [])
    found = get.json(f"/events/KXGAME-{number}.json?{flag}=true")
    assert found["start"]["milestone_id"] == found["milestones"][0]["milestone_id"] == milestone_id(number)


def test_a_ticker_may_have_any_characters(get: Client) -> None:
    found = get.json(f"/events/{quote(HOSTILE_TICKER, safe='')}.json")
    assert (found["ticker"], found["start"]["milestone_id"]) == (HOSTILE_TICKER, milestone_id(5))


def test_a_milestone_has_its_history(get: Client) -> None:
    found = get.json(f"/milestones/{milestone_id(2)}.json")
    assert found["milestone"]["details"] == {"home_team_id": found["participants"][0]["entity_id"]} | {
        "season": {"week": 0},
        "status": "scheduled",
    }
    assert [row["version"] for row in found["versions"]] == [2, 1]
    assert [(row["field"], row["new"]) for row in found["changes"]] == [("start_date", "2026-12-05T12:00:00Z")]
    assert [row["event_ticker"] for row in found["events"]] == ["KXGAME-2", "KXSPREAD-2"]
    assert "record" not in found["versions"][0]
    whole = get.json(f"/milestones/{milestone_id(2)}.json?records=true&limit=1")
    assert [row["record"]["start_date"] for row in whole["versions"]] == ["2026-12-05T12:00:00Z"]


def test_text_of_the_data_is_escaped_in_json(get: Client) -> None:
    text = get(f"/milestones/{milestone_id(1)}.json").text
    assert r"\u001b[31m\u202eRenamed" in text
    assert text.removesuffix("\n").isprintable()


def test_changes_are_in_the_order_in_which_they_were_seen(get: Client) -> None:
    found = get.json("/changes.json")["items"]
    assert [(row["milestone_id"][-1], row["field"]) for row in found] == [
        ("1", "title"),
        ("2", "start_date"),
        ("6", "vanished_at"),
    ]
    assert ids(get.json("/changes.json?field=Start_Date&field=x")) == [2]
    assert get.json(f"/changes.json?since={found[-1]['seen_at']}")["items"] == []


def test_the_summary_is_the_published_file(get: Client, published: Shell) -> None:
    assert get("/summary.json").content == published.home.published_summary.read_bytes()


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/upcoming.json?hour=2", 400, "/upcoming.json has no parameter 'hour': use type, category, "),
        ("/summary.json?a=1", 400, "/summary.json has no parameter 'a': it takes none"),
        ("/events/KXGAME-1.json?ticker=x", 400, "/events/{ticker}.json has no parameter 'ticker': use simulated"),
        ("/upcoming.json?" + "type=x&" * 2_000, 414, "the query has 14000 characters: send at most 8000"),
        ("/events/KXNONE.json", 404, "no published milestone lists the event 'KXNONE': tickers are case-sensitive;"),
        ("/events/%00%E2%80%AE.json", 404, r"no published milestone lists the event '\x00\u202e'"),
        ("/events/%FF.json", 404, "no published milestone lists the event '\ufffd'"),
        ("/events/.json", 404, "no published milestone lists the event ''"),
        ("/events/' OR 1=1 --.json", 404, "no published milestone lists the event"),
        ("/events/" + "x" * 300 + ".json", 400, "ticker has 300 characters: give at most 200"),
        ("/milestones/none.json", 404, "no published milestone has the id 'none'"),
        ("/upcoming.json/", 404, "there is no '/upcoming.json/': / lists what there is"),
        ("/%E2%80%AE", 404, r"there is no '/\u202e': / lists"),
        ("/events/%0A.json", 404, "there is no '/events/"),
        ("/../../etc/passwd", 404, "there is no '/"),
    ],
)
def test_a_request_that_cannot_be_answered_gets_one_line(path: str, status: int, message: str, get: Client) -> None:
    assert get.error(path, status).startswith(message)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(method: str, get: Client) -> None:
    response = get("/upcoming.json", method)
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert response.json() == {
        "error": f"the method '{method}' is not possible: the interface is read-only, use GET or HEAD"
    }


PATHS = [
    "/upcoming.json",
    f"/milestones/{milestone_id(1)}.json",
    "/summary.json",
    "/calendar.ics",
    "/openapi.json",
    "/",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_client_that_has_the_answer_gets_304(path: str, get: Client) -> None:
    first = get(path)
    etag, modified = first.headers["etag"], first.headers["last-modified"]
    assert first.headers["cache-control"] == "no-cache"
    for headers in (
        {"if_none_match": etag},
        {"if_none_match": f'"other", {etag.removeprefix("W/")}'},
        {"if_none_match": "*"},
        {"if_modified_since": modified},
    ):
        response = get(path, **headers)
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", etag)
    for headers in (
        {"if_none_match": '"other"', "if_modified_since": modified},
        {"if_modified_since": "Mon, 01 Jan 2001 00:00:00 GMT"},
        {"if_modified_since": "yesterday"},
    ):
        assert get(path, **headers).content == first.content


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu"])
def test_a_date_without_a_zone_is_utc(get: Client, monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    modified = parsedate_to_datetime(get("/changes.json").headers["last-modified"])
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for seconds, status in ((0, 304), (-1, 200)):
            since = f"{modified + timedelta(seconds=seconds):%a, %d %b %Y %H:%M:%S} -0000"
            assert get("/changes.json", if_modified_since=since).status_code == status
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_next_page_of_changes_begins_where_the_first_did(get: Client) -> None:
    page = get.json("/changes.json?limit=1")
    since = parse_qs(page["next"].partition("?")[2])["since"]
    # A day before the newest sweep, which a publish between two pages would move.
    assert since == [f"{get.json('/health')['last_sweep_at'].replace('23T', '22T')}"]
    assert get.json(page["next"])["items"] == get.json("/changes.json")["items"][1:2]


def test_long_answers_are_compressed_on_request(get: Client) -> None:
    plain = get("/upcoming.json")
    request = get.http.build_request("GET", "/upcoming.json", headers={"accept-encoding": "gzip"})

    async def raw() -> bytes:
        response = await get.http.send(request, stream=True)
        assert response.headers["content-encoding"] == "gzip"
        return b"".join([part async for part in response.aiter_raw()])

    assert gzip.decompress(get.runner.run(raw())) == plain.content
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == "accept-encoding"
    assert "content-encoding" not in get("/live.json?type=none", accept_encoding="gzip").headers


def test_an_answer_about_now_changes_with_the_clock_only_when_rows_do(published: Shell) -> None:
    clock = Clock(published.clock.time)
    with client_of(build_app(published.home, now=clock)) as get:
        first = get("/upcoming.json")
        clock.forward(seconds=2 * STEP_SECONDS)
        second = get("/upcoming.json")
        assert second.headers["etag"] == first.headers["etag"]
        assert second.headers["last-modified"] == first.headers["last-modified"]
        clock.forward(days=7)
        third = get("/upcoming.json", if_none_match=first.headers["etag"])
        assert third.status_code == 200
        assert ids(third.json()) != ids(first.json())
        assert third.headers["last-modified"] != first.headers["last-modified"]


def test_health_depends_on_the_age_of_the_data(published: Shell) -> None:
    clock = Clock(published.clock.time)
    with client_of(build_app(published.home, now=clock)) as get:
        fresh = get.json("/health")
        assert (fresh["status"], fresh["max_age_seconds"]) == ("fresh", 86400)
        assert get("/health").headers["cache-control"] == "no-store"
        clock.forward(minutes=10)
        stale = get.json("/health?max_age=60", 503)
        assert stale["status"] == "stale"
        assert stale["reason"].endswith("s ago, more than 60 s: run milestones ingest")
        assert stale["age_seconds"] == pytest.approx(fresh["age_seconds"] + 600, abs=1)


def test_without_a_publish_it_says_so_and_starts_to_answer_with_the_first_one(published: Shell, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with client_of(build_app(home, now=published.clock)) as get:
        for path in ("/upcoming.json", "/summary.json", "/health", "/calendar.ics"):
            assert "run milestones ingest first" in get.error(path, 503)
        shutil.copytree(published.home.root, home.root, symlinks=True)
        assert len(ids(get.json("/upcoming.json"))) == len(LISTED)


def test_a_damaged_file_is_an_error_until_it_is_replaced(published: Shell, tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.published.mkdir()
    home.published_duckdb.write_bytes(b"damaged")
    with client_of(build_app(home, now=published.clock)) as get:
        assert "milestones ingest publishes it again" in get.error("/live.json", 503)
        shutil.copyfile(published.home.published_duckdb, tmp_path / "next")
        (tmp_path / "next").replace(home.published_duckdb)
        assert get.json("/live.json")["items"]
        assert "milestones ingest publishes it" in get.error("/summary.json", 503)


def test_a_file_of_another_version_is_an_error_that_says_what_to_do(tmp_path: Path, published: Shell) -> None:
    home = Home(tmp_path)
    home.published.mkdir()
    shutil.copyfile(published.home.published_duckdb, home.published_duckdb)
    with duckdb.connect(str(home.published_duckdb)) as connection:
        connection.execute("DROP VIEW live_milestones; DROP MACRO TABLE live_milestones")
    with client_of(build_app(home, now=published.clock)) as get:
        assert get.error("/live.json", 500).endswith("milestones rebuild publishes it again)")


@pytest.mark.slow
def test_a_publish_is_noticed_by_the_next_request(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path, [milestone(1)])
    shell.sweep()
    shell.stages.publish()
    app = build_app(shell.home, now=shell.clock)
    with client_of(app) as get:
        before = get("/upcoming.json")
        shell.clock.forward(hours=1)
        shell.world.edit_title(milestone_id(1), "Changed")
        shell.sweep()
        shell.stages.publish()
        after = get("/upcoming.json", if_none_match=before.headers["etag"])
        assert [row["title"] for row in after.json()["items"]] == ["Changed"]


def test_a_fault_of_the_program_is_one_line(published: Shell) -> None:
    def broken() -> Any:
        raise ZeroDivisionError

    clock = Clock(published.clock.time)
    app = build_app(published.home, now=lambda: clock() if clock.time.year < 2030 else broken())
    with client_of(app) as get:
        clock.time += timedelta(days=2_000)
        assert get.error("/live.json", 500) == "the server failed: its output says why"


def test_head_has_the_headers_of_get(get: Client) -> None:
    head, whole = get("/upcoming.json", "HEAD"), get("/upcoming.json")
    assert head.headers["content-length"] == str(len(whole.content)) == whole.headers["content-length"]
    assert json.loads(whole.text)["items"]
