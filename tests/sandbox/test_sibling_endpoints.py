"""The sibling endpoints over HTTP; what they answer is tested in tests/sandbox/siblings."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests

from sandbox.app import build_app
from sandbox.habits import BAD_REQUEST, Habits
from sandbox.obstacles import Faults
from sandbox.server import running
from sandbox.siblings.chance import is_unknown
from sandbox.world import World
from tests.sandbox.conftest import NOW, Client


@pytest.fixture(scope="module")
def game(shared_world: World) -> dict[str, Any]:
    """A basketball game that is over, and whose two teams and events are known."""
    rows = map(msgspec.json.decode, shared_world.bodies())
    return next(
        row
        for row in rows
        if row["type"] == "basketball_game"
        and "2026-06" < row["start_date"] < "2026-11-20"
        and not any(
            map(
                is_unknown,
                [row["details"]["home_team_id"], row["details"]["away_team_id"], *row["related_event_tickers"]],
            )
        )
    )


LISTS = {
    "/structured_targets": "structured_targets",
    "/events": "events",
    "/series": "series",
    "/live_data/batch?milestone_ids=x": "live_datas",
}


def test_targets_by_id(client: Client, shared_world: World, game: dict[str, Any]) -> None:
    wanted = [game["details"]["home_team_id"], game["details"]["away_team_id"]]
    answer = client.get("/structured_targets", ids=[*wanted, "9f3f1c1e-0000-4000-8000-000000000000"]).json()
    assert answer.keys() == {"structured_targets", "cursor"}
    assert answer["cursor"] == ""
    assert {one["id"] for one in answer["structured_targets"]} == set(wanted)
    for one in answer["structured_targets"]:
        assert client.get(f"/structured_targets/{one['id']}").json() == {"structured_target": one}


def test_targets_are_paged_by_the_last_id_in_clear_text(client: Client, shared_world: World) -> None:
    first = client.get("/structured_targets").json()
    assert len(first["structured_targets"]) == 100
    assert first["cursor"] == shared_world.siblings.targets.ids()[99]
    second = client.get("/structured_targets", page_size=1, cursor=first["cursor"]).json()
    assert second["cursor"] == shared_world.siblings.targets.ids()[100]


def test_a_url_that_is_too_long_is_refused(client: Client) -> None:
    ids = ["9f3f1c1e-0000-4000-8000-000000000000"] * 195
    assert client.get("/structured_targets", ids=ids).status_code == 200
    answer = client.get("/structured_targets", ids=[*ids] * 2)
    assert (answer.status_code, list(answer.json())) == (414, ["code", "message", "details"])
    assert client.get("/structured_targets", ids=ids * 10).status_code in {400, 414}


def test_events(client: Client, game: dict[str, Any]) -> None:
    tickers = game["related_event_tickers"]
    answer = client.get("/events", tickers=",".join([*tickers, "KXNONE-1"])).json()
    assert answer.keys() == {"events", "milestones", "cursor"}
    assert (answer["milestones"], answer["cursor"]) == ([], "")
    assert {one["event_ticker"] for one in answer["events"]} == set(tickers)
    for event in answer["events"]:
        assert client.get(f"/events/{event['event_ticker']}").json() == {"event": event, "markets": []}


def test_events_are_paged_by_a_keyset_cursor(client: Client) -> None:
    whole = client.get("/events", limit=6).json()
    pages, cursor = [], ""
    for _ in range(3):
        page = client.get("/events", limit=2, cursor=cursor).json()
        pages += page["events"]
        cursor = page["cursor"]
    assert pages == whole["events"]
    assert cursor == whole["cursor"]
    assert len(client.get("/events").json()["events"]) == 100


def test_events_with_milestones_and_markets(client: Client, game: dict[str, Any]) -> None:
    main = game["primary_event_tickers"][0]
    answer = client.get("/events", tickers=main, with_milestones="true", with_nested_markets="true").json()
    assert game in answer["milestones"]
    assert [one["markets"] for one in answer["events"]] == [[]]


def test_series(client: Client) -> None:
    answer = client.get("/series", category="Sports").json()
    assert answer.keys() == {"series"}
    assert {one["category"] for one in answer["series"]} == {"Sports"}
    one = answer["series"][0]
    assert client.get(f"/series/{one['ticker']}").json() == {"series": one}


def test_live_data(client: Client, game: dict[str, Any]) -> None:
    answer = client.get("/live_data/batch", milestone_ids=[game["id"], "zz"]).json()
    assert answer.keys() == {"live_datas"}
    (found,) = answer["live_datas"]
    assert found.keys() == {"type", "details", "milestone_id"}
    assert client.get(f"/live_data/milestone/{game['id']}", include_player_stats="true").json() == {"live_data": found}


def test_joined_ids_are_answered_with_null_as_recorded(client: Client, game: dict[str, Any], payloads: Path) -> None:
    answer = client.get("/live_data/batch", milestone_ids=f"{game['id']},{game['id']}")
    recorded = json.loads((payloads / "live_data_batch__comma_separated_ids.json").read_bytes())
    assert (answer.status_code, answer.json()) == (200, recorded)


@pytest.mark.parametrize(
    "path",
    ["/structured_targets/zz", "/events/KXNONE-1", "/series/KXNONE", "/live_data/milestone/zz", "/live_data/milestone"],
)
def test_unknown_names_are_refused_as_recorded(client: Client, payloads: Path, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (404, json.loads((payloads / "error_404.json").read_bytes()))


@pytest.mark.parametrize(
    "path",
    [
        "/structured_targets?page_size=2001",
        "/events?limit=201",
        "/series?min_updated_ts=1.5",
        "/live_data/batch",
        "/live_data/batch?" + "&".join(["milestone_ids=x"] * 101),
    ],
)
def test_bad_parameters_are_refused_with_a_msg(client: Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, list(answer.json())) == (400, ["msg"])


@pytest.mark.parametrize("path", [*LISTS, "/events/x", "/live_data/milestone/x"])
def test_other_methods_are_refused(client: Client, path: str) -> None:
    assert client.session.post(client.base_url + path).status_code == 405


@pytest.mark.parametrize("path", ["/events/", "/series/KX/", "/structured_targets/x/"])
def test_a_trailing_slash_redirects_with_301(client: Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (301, client.base_url + path.rstrip("/"))


# Obstacles and habits


@pytest.mark.parametrize("path", LISTS)
def test_rate_limit_and_latency_apply(world: World, session: requests.Session, path: str) -> None:
    app = build_app(world, requests_per_second=1, burst=1, latency_seconds=0.03, clock=lambda: 0.0)
    with running(app) as server:
        answers = [Client(server.base_url, session).get(path) for _ in range(2)]
    assert [one.status_code for one in answers] == [200, 429]
    assert answers[1].elapsed.total_seconds() >= 0.03
    assert [one.status for one in app.state.log] == [200, 429]


def test_faults_apply_to_the_endpoint_that_they_name(world: World, session: requests.Session) -> None:
    with running(build_app(world, faults=Faults(fail_after_pages=1, failures=1, path="/events"))) as server:
        client = Client(server.base_url, session)
        assert client.get(limit=1).status_code == 200
        assert [client.get("/events", limit=1).status_code for _ in range(3)] == [200, 503, 200]


@pytest.mark.parametrize("path", LISTS)
def test_an_empty_list_may_be_null_and_the_last_cursor_absent(session: requests.Session, path: str) -> None:
    empty = World(now=lambda: NOW)
    with running(build_app(empty, habits=Habits(null_lists=True, absent_cursor=True))) as server:
        body = Client(server.base_url, session).get(path).json()
    assert body == {LISTS[path]: None} | ({"milestones": None} if path == "/events" else {})


def test_cursors_may_be_refused_or_named_otherwise(world: World, session: requests.Session) -> None:
    habits = Habits(cursor_field="next_cursor", refused_cursors=1, cursor_status=410, ignores=frozenset({"status"}))
    with running(build_app(world, habits=habits)) as server:
        client = Client(server.base_url, session)
        cursor = client.get("/events", limit=1, status="none such").json()["next_cursor"]
        refused = client.get("/events", limit=1, cursor=cursor)
        assert (refused.status_code, refused.content) == (410, BAD_REQUEST)
        assert client.get("/events", limit=1, cursor=cursor).status_code == 200


def test_the_world_may_change_while_it_is_read(world: World, session: requests.Session, game: dict[str, Any]) -> None:
    with running(build_app(world)) as server:
        client, since = Client(server.base_url, session), int(NOW.timestamp())
        assert client.get("/events", min_updated_ts=since).json()["events"] == []
        world.retitle_event(game["primary_event_tickers"][0], "Neu")
        assert [one["title"] for one in client.get("/events", min_updated_ts=since).json()["events"]] == ["Neu"]
        target_id = game["details"]["home_team_id"]
        world.rename_target(target_id, "Łódź")
        assert client.get(f"/structured_targets/{target_id}").json()["structured_target"]["name"] == "Łódź"


def test_closed_events_are_those_that_closed_in_the_last_day(client: Client) -> None:
    closing = int((NOW - timedelta(days=1)).timestamp())
    closed = client.get("/events", limit=200, status="closed").json()["events"]
    later = client.get("/events", limit=200, status="closed", min_close_ts=closing).json()["events"]
    settled = client.get("/events", limit=200, status="settled", min_close_ts=closing + 1).json()["events"]
    assert closed == later != []
    assert settled == []
