from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from sandbox.cursor import Position
from sandbox.rfc3339 import micros_of, parse_micros
from sandbox.siblings.chance import is_unknown
from sandbox.siblings.event_store import EventQuery, Events
from sandbox.siblings.index import series_of
from sandbox.siblings.store import UnknownNameError
from sandbox.world import World
from tests.sandbox.conftest import NOW
from tests.sandbox.test_world import body

Row = dict[str, Any]
HOUR = 3_600


def crawl(events: Events, limit: int = 200, **query: Any) -> list[Row]:
    found: list[Row] = []
    after: Position | None = None
    while True:
        page = events.page(EventQuery(limit=limit, after=after, **query))
        assert len(page.bodies) <= limit
        found += map(msgspec.json.decode, page.bodies)
        if page.next_position is None:
            return found
        after = page.next_position


def owners(world: World) -> dict[str, Row]:
    """The latest milestone that names each event."""
    return {
        ticker: row
        for row in map(msgspec.json.decode, world.bodies())
        for ticker in row["related_event_tickers"]
        if not is_unknown(ticker)
    }


def seconds(row: Row) -> int:
    return parse_micros(row["start_date"]) // 1_000_000


def expected(world: World, holds: Callable[[str, Row], bool] = lambda ticker, row: True) -> list[str]:
    found = [(seconds(row), ticker) for ticker, row in owners(world).items() if holds(ticker, row)]
    return [ticker for _, ticker in sorted(found, reverse=True)]


def tickers(found: list[Row]) -> list[str]:
    return [one["event_ticker"] for one in found]


@pytest.mark.parametrize("limit", [3, 200])
def test_a_scan_returns_every_event_once_the_last_to_close_first(world: World, limit: int) -> None:
    assert tickers(crawl(world.siblings.events, limit)) == expected(world)


def test_few_events_are_unknown(world: World) -> None:
    named = {one for row in world.bodies() for one in msgspec.json.decode(row)["related_event_tickers"]}
    unknown = [one for one in named if is_unknown(one)]
    assert 0 < len(unknown) < 0.03 * len(named)
    with pytest.raises(UnknownNameError):
        world.siblings.events.get(unknown[0])
    assert crawl(world.siblings.events, tickers=tuple(unknown)) == []


def test_titles_are_consistent_with_milestones(world: World) -> None:
    main = [(row["primary_event_tickers"][:1], row) for row in map(msgspec.json.decode, world.bodies())]
    owner_of, compared = owners(world), 0
    for first, row in main:
        if first and owner_of.get(first[0]) == row:
            event = msgspec.json.decode(world.siblings.events.get(first[0]))
            assert event["title"] == row["title"]
            assert first[0].startswith(event["series_ticker"])
            compared += 1
    assert compared > 800


def test_events_by_ticker(world: World) -> None:
    some = expected(world)[5:45:8]
    assert tickers(crawl(world.siblings.events, 2, tickers=(*some[::-1], "KXNONE-1", some[0]))) == some


FILTERS: dict[str, tuple[dict[str, Any], Callable[[str, Row], bool]]] = {
    "series": ({"series_ticker": "KXNBAGAME"}, lambda ticker, _: series_of(ticker) == "KXNBAGAME"),
    "status": (
        {"status": "open"},
        lambda _, row: -60 * 24 * HOUR <= micros_of(NOW) / 1e6 - seconds(row) < 3 * HOUR,
    ),
    "close": (
        {"min_close": parse_micros("2026-06-01T00:00:00Z") // 1_000_000},
        lambda _, row: seconds(row) + 3 * HOUR >= parse_micros("2026-06-01T00:00:00Z") // 1_000_000,
    ),
    "updates": (
        {"updated_after_micros": parse_micros("2026-11-01T00:00:00Z")},
        lambda _, row: parse_micros(row["last_updated_ts"]) > parse_micros("2026-11-01T00:00:00Z"),
    ),
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("are_edited", [False, True])
def test_filters(world: World, name: str, are_edited: bool) -> None:
    query, holds = FILTERS[name]
    if are_edited:
        for ticker in expected(world)[::50]:
            world.retitle_event(ticker, "new")

    def or_edited(ticker: str, row: Row) -> bool:
        return holds(ticker, row) or (are_edited and name == "updates" and ticker in expected_edits)

    expected_edits = set(expected(world)[::50])
    found = tickers(crawl(world.siblings.events, 7, **query))
    assert found == expected(world, or_edited)
    assert 0 < len(found) < len(owners(world))


def test_filters_join(world: World) -> None:
    query = FILTERS["status"][0] | FILTERS["series"][0]
    found = tickers(crawl(world.siblings.events, **query))
    assert found == expected(world, lambda *one: FILTERS["status"][1](*one) and FILTERS["series"][1](*one))
    assert found


def test_a_retitled_event_is_shown_as_updated(world: World) -> None:
    ticker = expected(world)[-1]
    now = micros_of(NOW)
    assert tickers(crawl(world.siblings.events, updated_after_micros=now - 1)) == []
    change = world.retitle_event(ticker, "Neu")
    before, after = msgspec.json.decode(change.before), msgspec.json.decode(change.after)
    assert after == {**before, "title": "Neu", "last_updated_ts": "2026-11-22T12:00:00.25Z"}
    assert (change.kind, change.name) == ("retitle_event", ticker)
    assert crawl(world.siblings.events, updated_after_micros=now - 1) == [after]
    assert crawl(world.siblings.events, updated_after_micros=now) == []


def test_a_moved_event_is_found_by_its_new_series_only(world: World) -> None:
    ticker = next(one for one in expected(world) if one.startswith("KXNBAGAME-"))
    others = [one for one in tickers(crawl(world.siblings.events, series_ticker="KXNBAGAME")) if one != ticker]
    assert world.move_event(ticker, "KXCUP").kind == "move_event"
    (event,) = crawl(world.siblings.events, series_ticker="KXCUP")
    assert (event["event_ticker"], event["series_ticker"]) == (ticker, "KXCUP")
    assert tickers(crawl(world.siblings.events, series_ticker="KXNBAGAME")) == others
    for act in (world.retitle_event, world.move_event):
        with pytest.raises(UnknownNameError):
            act("KXNONE-1", "x")


@pytest.fixture
def small() -> World:
    """Two milestones share an event; the later one starts at 20 s."""
    rows = [
        body("a", 10, related_event_tickers=["KX-1", "KX-2"], title="first"),
        body("b", 20, related_event_tickers=["KX-1"], title="second"),
    ]
    return World(rows, now=lambda: datetime(1970, 1, 1, tzinfo=UTC))


def titles(world: World) -> dict[str, str]:
    return {one["event_ticker"]: one["title"] for one in crawl(world.siblings.events, 1)}


def test_the_latest_milestone_gives_a_shared_event_its_title(small: World) -> None:
    assert titles(small) == {"KX-1": "second", "KX-2": "first"}


def test_events_follow_the_changes_of_milestones(small: World) -> None:
    assert titles(small) == {"KX-1": "second", "KX-2": "first"}
    small.edit_title("b", "third (new date)")
    assert titles(small)["KX-1"] == "third"
    small.add_ticker("b", "KX-3")
    assert titles(small) == {"KX-3": "third", "KX-1": "third", "KX-2": "first"}
    small.reschedule("a", datetime(1970, 1, 2, tzinfo=UTC))
    assert titles(small)["KX-1"] == "first"
    small.remove_ticker("a", "KX-2")
    assert titles(small) == {"KX-1": "first", "KX-3": "third"}
    with pytest.raises(UnknownNameError):
        small.siblings.events.get("KX-2")
    small.remove("a")
    assert titles(small) == {"KX-1": "third", "KX-3": "third"}
    small.insert(msgspec.json.decode(body("c", 30, related_event_tickers=["KX-4"], title="fourth")))
    assert titles(small)["KX-4"] == "fourth"


def test_min_close_is_inclusive(small: World) -> None:
    assert tickers(crawl(small.siblings.events, min_close=20 + 3 * HOUR)) == ["KX-1"]
    assert crawl(small.siblings.events, min_close=21 + 3 * HOUR) == []


def test_a_retitled_event_is_updated_again_with_its_milestone() -> None:
    time = datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)
    world = World([body("a", related_event_tickers=["KX-1"])], now=lambda: time)
    world.retitle_event("KX-1", "x")
    assert msgspec.json.decode(world.siblings.events.get("KX-1"))["last_updated_ts"] == "1970-01-01T00:00:05Z"
    time = time.replace(second=7)
    world.touch(["a"])
    (event,) = crawl(world.siblings.events, updated_after_micros=6_000_000)
    assert (event["last_updated_ts"], event["title"]) == ("1970-01-01T00:00:07Z", "x")


def test_milestones_of_events(small: World) -> None:
    events = small.siblings.events
    found = events.milestones([events.get("KX-1"), events.get("KX-1"), events.get("KX-2")])
    assert found == [small.get("b"), small.get("a")]
