from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from sandbox.app import build_app
from sandbox.habits import BAD_REQUEST, HABITS, Habits, UnknownHabitError, habits_of
from sandbox.server import running
from sandbox.world import Order, World

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROWS = [
    {
        "id": str(number),
        "start_date": f"2026-11-0{number}T00:00:00Z",
        "type": "x" if number < 3 else "y",
        "details": {"league": "NFL" if number < 2 else "NBA"},
        # Updated in the order 4, 2, 3, 1.
        "last_updated_ts": f"2026-11-01T00:00:0{(0, 4, 2, 3, 1)[number]}Z",
    }
    for number in range(1, 5)
]


def ask(habits: Habits, **parameters: Any) -> tuple[int, Any]:
    app = build_app(World([json.dumps(row).encode() for row in ROWS], now=lambda: NOW), habits=habits)
    assert app.state.habits is habits
    with running(app) as server:
        answer = requests.get(f"{server.base_url}/milestones", params=parameters, timeout=5)
    return answer.status_code, answer.json()


def ids(body: Any) -> list[str]:
    return [row["id"] for row in body["milestones"]]


def test_without_habits_the_api_is_as_described() -> None:
    status, body = ask(Habits(), limit=2)
    assert (status, ids(body)) == (200, ["1", "2"])
    assert ids(ask(Habits(), limit=2, cursor=body["cursor"])[1]) == ["3", "4"]


def test_ignored_parameters() -> None:
    deaf = Habits(ignores=frozenset({"type", "minimum_start_date"}))
    assert ids(ask(deaf, limit=9, type="y", minimum_start_date="2026-11-04T00:00:00Z")[1]) == ["1", "2", "3", "4"]
    assert ids(ask(Habits(), limit=9, type="y")[1]) == ["3", "4"]


def test_no_competitions() -> None:
    assert ids(ask(Habits(), limit=9, competition="NFL")[1]) == ["1"]
    assert ask(Habits(no_competitions=True), limit=9, competition="NFL")[1] == {"milestones": [], "cursor": ""}
    assert len(ids(ask(Habits(no_competitions=True), limit=9)[1])) == 4


def test_competition_codes() -> None:
    habits = Habits(competition_codes={"Football": "NFL"})
    assert ids(ask(habits, limit=9, competition="Football")[1]) == ["1"]
    assert ids(ask(habits, limit=9, competition="NBA")[1]) == ["2", "3", "4"]


@pytest.mark.parametrize(("refused", "statuses"), [(0, [200, 200]), (1, [410, 200]), (None, [410, 410])], ids=str)
def test_refused_cursors(refused: int | None, statuses: list[int]) -> None:
    habits = Habits(refused_cursors=refused, cursor_status=410)
    _, first = ask(habits, limit=1)
    answers = [ask(habits, limit=1, cursor=first["cursor"]) for _ in statuses]
    assert [status for status, _ in answers] == statuses
    assert all(body == json.loads(BAD_REQUEST) for status, body in answers if status == 410)


def test_a_smaller_page_limit() -> None:
    assert ask(Habits(page_limit=3), limit=4) == (400, json.loads(BAD_REQUEST))
    assert ask(Habits(page_limit=3), limit=3)[0] == 200
    assert "Invalid format" in ask(Habits(page_limit=3), limit="many")[1]["msg"]


def test_null_for_an_empty_list() -> None:
    assert ask(Habits(null_lists=True), limit=9, type="z")[1] == {"milestones": None, "cursor": ""}
    assert ids(ask(Habits(null_lists=True), limit=1)[1]) == ["1"]


def test_the_cursor_under_another_field() -> None:
    _, body = ask(Habits(cursor_field="next_cursor"), limit=3)
    assert body.keys() == {"milestones", "next_cursor"}
    assert body["next_cursor"]


def test_the_last_page_without_a_cursor() -> None:
    assert "cursor" not in ask(Habits(absent_cursor=True), limit=9)[1]
    assert ask(Habits(absent_cursor=True), limit=1)[1]["cursor"]


def scanned(habits: Habits, **parameters: Any) -> list[list[str]]:
    """The ids of each page of a whole scan."""
    pages = list[list[str]]()
    cursor = ""
    while not pages or cursor:
        _, body = ask(habits, cursor=cursor, **({"limit": 3} | parameters))
        pages.append(ids(body))
        cursor = body["cursor"]
    return pages


@pytest.mark.parametrize(
    ("order", "pages"),
    [
        ("start", [["1", "2", "3"], ["4"]]),
        ("start descending", [["4", "3", "2"], ["1"]]),
        ("id", [["1", "2", "3"], ["4"]]),
        ("update", [["4", "2", "3"], ["1"]]),
    ],
)
def test_orders(order: Order, pages: list[list[str]]) -> None:
    assert scanned(Habits(order=order)) == pages


def test_an_order_keeps_filters() -> None:
    assert scanned(Habits(order="start descending"), limit=1, type="y") == [["4"], ["3"]]


def test_short_pages() -> None:
    assert scanned(Habits(page_rows=2)) == [["1", "2"], ["3", "4"]]
    assert scanned(Habits(page_rows=3), limit=1) == [["1"], ["2"], ["3"], ["4"]]


def test_bounds() -> None:
    second = {"min_updated_ts": "1793491203"}
    assert scanned(Habits(), **second) == [["1"]]
    assert scanned(Habits(updates_inclusive=True), **second) == [["1", "3"]]
    start = {"minimum_start_date": "2026-11-03T00:00:00Z"}
    assert scanned(Habits(), **start) == [["3", "4"]]
    assert scanned(Habits(starts_exclusive=True), **start) == [["4"]]


def test_cursors_expire() -> None:
    seconds = iter((0.0, 61.0))
    habits = Habits(cursor_seconds=60, cursor_status=410, clock=lambda: next(seconds))
    _, first = ask(habits, limit=1)
    assert ask(habits, limit=1, cursor=first["cursor"]) == (410, json.loads(BAD_REQUEST))
    assert ask(Habits(cursor_seconds=60), limit=1, cursor=first["cursor"])[0] == 400, "it was given by another server"


def test_habits_by_name() -> None:
    habits = habits_of(["short-pages", "ignores-type", "ignores-category"])
    assert (habits.page_rows, habits.ignores) == (7, frozenset({"type", "category"}))
    assert len({repr(habits_of([name])) for name in HABITS} | {repr(Habits())}) == len(HABITS) + 1
    with pytest.raises(UnknownHabitError, match=r"long-pages is no habit.*order-descending, order-by-id"):
        habits_of(["long-pages"])
