"""The world against a model: a plain dict that is sorted and filtered for every query."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import world as world_module
from sandbox.cursor import Position
from sandbox.query import Query
from sandbox.rfc3339 import format_micros, format_seconds, parse_micros
from sandbox.world import UnknownMilestoneError, World
from tests.sandbox.conftest import NOW

Row = dict[str, Any]
STARTS = st.integers(-3, 12)
IDS = st.text("abc", min_size=1, max_size=3)
INSTANTS = st.integers(0, 8_000_000)


def row(name: str, start: int = 0, updated_micros: int = 0, **more: Any) -> Row:
    return {
        "id": name,
        "start_date": format_seconds(start),
        "last_updated_ts": format_micros(updated_micros),
        "category": "Sports",
        "type": "one_off_milestone",
        "title": name,
        "notification_message": "",
        "details": {},
        "related_event_tickers": [],
        "primary_event_tickers": [],
        **more,
    }


def body(name: str, *arguments: Any, **more: Any) -> bytes:
    return msgspec.json.encode(row(name, *arguments, **more))


def crawl(world: World, **query: Any) -> list[Row]:
    """All rows, page by page; checks that each page but the last is full."""
    after: Position | None = None
    found: list[Row] = []
    while True:
        page = world.page(Query(after=after, **query))
        found += [msgspec.json.decode(one) for one in page.bodies]
        if page.next_position is None:
            return found
        assert len(page.bodies) == query["limit"]
        after = page.next_position


def expected(rows: dict[str, Row], keep: Any = lambda one: True) -> list[Row]:
    return sorted(filter(keep, rows.values()), key=lambda one: (parse_micros(one["start_date"]), one["id"]))


ROWS = st.dictionaries(IDS, st.tuples(STARTS, INSTANTS, st.sampled_from(["Sports", "World"])), max_size=30)
OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["insert", "remove", "move", "title", "touch"]), IDS, STARTS), max_size=20
)


@given(ROWS, OPERATIONS, st.integers(1, 12), STARTS, st.integers(-1, 9), st.sampled_from([0, 1, 1_000]))
def test_a_world_matches_a_plain_model_under_any_changes(
    made: dict[str, tuple[int, int, str]],
    operations: list[tuple[str, str, int]],
    limit: int,
    minimum_start: int,
    updated: int,
    sparse: int,
) -> None:
    model = {name: row(name, start, at, category=category) for name, (start, at, category) in made.items()}
    seconds = iter(range(100))
    world = World(
        map(msgspec.json.encode, model.values()),
        # The clock starts amid the loaded rows' instants: changes do not always come last.
        now=lambda: datetime(1970, 1, 1, 0, 0, 3 + next(seconds) // 4, tzinfo=UTC),
    )
    for operation, name, start in operations:
        _apply(world, model, operation, name, start)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world_module, "SPARSE", sparse)  # walk always, mixed, index always
        assert crawl(world, limit=limit) == expected(model)
        assert crawl(world, limit=limit, minimum_start=minimum_start) == expected(
            model, lambda one: parse_micros(one["start_date"]) >= minimum_start * 1_000_000
        )
        assert crawl(world, limit=limit, updated_after_micros=updated * 1_000_000, category="World") == expected(
            model,
            lambda one: parse_micros(one["last_updated_ts"]) > updated * 1_000_000 and one["category"] == "World",
        )
        assert crawl(
            world, limit=limit, updated_after_micros=updated * 1_000_000, minimum_start=minimum_start
        ) == expected(
            model,
            lambda one: (
                parse_micros(one["last_updated_ts"]) > updated * 1_000_000
                and parse_micros(one["start_date"]) >= minimum_start * 1_000_000
            ),
        )


def _apply(world: World, model: dict[str, Row], operation: str, name: str, start: int) -> None:
    if operation == "insert" and name not in model:
        change = world.insert(row(name, start))
    elif name not in model:
        return
    elif operation == "remove":
        change = world.remove(name)
    elif operation == "move":
        change = world.reschedule(name, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=start))
    elif operation == "title":
        change = world.edit_title(name, f"{start}")
    else:
        (change,) = world.touch([name])
    if change.before is not None:
        assert msgspec.json.decode(change.before) == model.pop(name)
    if change.after is not None:
        model[name] = msgspec.json.decode(change.after)
        assert world.get(name) == change.after


@pytest.fixture
def clocked() -> World:
    return World([body("a", 5), body("b", 6), body("c", 7)], now=lambda: NOW)


def test_a_rescheduled_row_moves_in_the_scan(clocked: World) -> None:
    clocked.reschedule("a", datetime(1970, 1, 1, 0, 0, 6, 999_999, tzinfo=UTC))
    assert clocked.ids() == ["a", "b", "c"]
    clocked.reschedule("a", datetime(1970, 1, 1, 0, 1, tzinfo=UTC))
    assert clocked.ids() == ["b", "c", "a"]
    assert msgspec.json.decode(clocked.get("a"))["start_date"] == "1970-01-01T00:01:00Z"


def test_a_change_keeps_the_bytes_of_all_other_fields() -> None:
    raw = body("a").replace(b'"details":{}', b'"details":{"x":1.50,"y":{"z":12345678901234567890.10}}')
    world = World([raw], now=lambda: NOW)
    world.edit_title("a", "new")
    changed = world.set_details("a", {"status": "live"}).after
    assert changed is not None
    assert b'"details":{"x":1.50,"y":{"z":12345678901234567890.10},"status":"live"}' in changed
    before, after = msgspec.json.decode(raw), msgspec.json.decode(changed)
    stamp = format_micros(1_795_348_800_250_000)
    assert {**before, "title": "new", "details": after["details"], "last_updated_ts": stamp} == after


def test_tickers_are_added_and_removed() -> None:
    world = World([body("a", related_event_tickers=["T"], primary_event_tickers=None)], now=lambda: NOW)
    world.add_ticker("a", "U", primary=True)
    world.add_ticker("a", "V")
    assert _tickers(world) == (["T", "U", "V"], ["U"])
    world.remove_ticker("a", "U")
    assert _tickers(world) == (["T", "V"], [])
    with pytest.raises(ValueError, match="T is already related to a"):
        world.add_ticker("a", "T")
    with pytest.raises(ValueError, match="X is not related to a"):
        world.remove_ticker("a", "X")


def _tickers(world: World) -> tuple[list[str], list[str]]:
    found = msgspec.json.decode(world.get("a"))
    return found["related_event_tickers"], found["primary_event_tickers"]


def test_touch_sets_only_last_updated_ts_to_one_instant(clocked: World) -> None:
    changes = clocked.touch(["c", "a"])
    assert [change.milestone_id for change in changes] == ["c", "a"]
    for change in changes:
        assert change.before is not None
        assert change.after is not None
        before, after = msgspec.json.decode(change.before), msgspec.json.decode(change.after)
        assert {**before, "last_updated_ts": "2026-11-22T12:00:00.25Z"} == after
    assert len(crawl(clocked, limit=5, updated_after_micros=0)) == 2


def test_unknown_ids_and_duplicate_inserts_are_refused(clocked: World) -> None:
    for act in (clocked.get, clocked.remove, lambda name: clocked.edit_title(name, "")):
        with pytest.raises(UnknownMilestoneError):
            act("zz")
    with pytest.raises(ValueError, match="milestone a is already in the world"):
        clocked.insert(row("a"))
    with pytest.raises(ValueError, match="milestone a is already in the world"):
        clocked.load([body("a")])
    assert len(clocked) == 3
    assert clocked.revision == 3


def test_a_refused_load_changes_nothing(clocked: World) -> None:
    with pytest.raises(ValueError, match="already"):
        clocked.load([body("d", -1), body("a")])
    assert clocked.ids() == ["a", "b", "c"]
    assert "d" not in clocked


def test_filters_find_values_behind_escapes() -> None:
    escaped = body("a").replace(b'"related_event_tickers":[]', b'"related_event_tickers":["K\\u0058-1"]')
    world = World([escaped, body("b", title="KX-1"), body("c", source_id="KX-1")], now=lambda: NOW)
    assert [one["id"] for one in crawl(world, limit=9, related_event_ticker="KX-1")] == ["a"]
    assert [one["id"] for one in crawl(world, limit=9, source_id="KX-1")] == ["c"]


def test_reads_are_consistent_during_writes(world: World) -> None:
    """A scan during changes returns every unchanged row exactly once."""
    ids = world.ids()
    moved, still = ids[:200], set(ids[200:])
    faults: list[str] = []

    def write() -> None:
        for name in moved:
            world.reschedule(name, NOW + timedelta(days=1))

    def read() -> None:
        seen = [one["id"] for one in crawl(world, limit=50)]
        unmoved = [name for name in seen if name in still]
        if len(unmoved) != len(still) or set(unmoved) != still:
            faults.append(f"{len(unmoved)} of {len(still)}")

    threads = [threading.Thread(target=act) for act in (write, read, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(world) == len(ids)
