"""Which pages a sweep asks for, when it starts again, and when it has read everything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.kalshi.errors import (
    AccessDenied,
    BadRequest,
    FilterIgnored,
    InvalidCursor,
    NotFound,
    PagingFault,
    ServerFault,
)
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.response import Answer, read_page, read_single
from pipelines.kalshi.sweeps import (
    MAX_CATCH_UPS,
    MAX_QUIET_CATCH_UPS,
    OVERLAP_SECONDS,
    Fetched,
    by_id,
    full_sweep,
    scan,
    seconds_before,
)
from sandbox.cursor import encode_cursor
from sandbox.query import parse_query
from sandbox.world import World
from tests.support import NOON, Clock, as_bytes, milestone, milestone_id, page_body

QUERY = MilestoneQuery(limit=2)
Play = bytes | Exception


class ScriptedApi:
    """Plays one answer or error a request, in order; `asked` is what was sent."""

    def __init__(self, *script: Play, singles: dict[str, Play] | None = None) -> None:
        self._script: Iterator[Play] = iter(script)
        self._singles = singles or {}
        self.asked: list[tuple[int | None, str | None]] = []

    def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Answer:
        self.asked.append((query.min_updated_ts, cursor))
        play = next(self._script)
        if isinstance(play, Exception):
            raise play
        return answer(play)

    def get_milestone(self, milestone_id: str) -> Answer:
        if milestone_id not in self._singles:
            raise NotFound(f"https://api.test/milestones/{milestone_id}", status=404)
        play = self._singles[milestone_id]
        if isinstance(play, Exception):
            raise play
        content = read_single(play)
        return Answer(
            body=content.body,
            next_cursor=None,
            ids=content.ids,
            fetched_at=NOON,
            url_path=f"/milestones/{milestone_id}",
        )


def answer(body: bytes) -> Answer:
    content = read_page(body)
    return Answer(
        body=content.body,
        next_cursor=content.next_cursor,
        ids=content.ids,
        starts=content.starts,
        updates=content.updates,
        categories=content.categories,
        types=content.types,
        fetched_at=NOON,
        url_path="/milestones",
    )


class LiveApi:
    """A world asked without HTTP; `before_page` may change it before each page, as the live one does."""

    def __init__(self, world: World, before_page: Callable[[int], None] = lambda _: None) -> None:
        self._world = world
        self._before_page = before_page
        self.pages = 0

    def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Answer:
        self.pages += 1
        self._before_page(self.pages)
        found = self._world.page(parse_query(query.params(cursor)))
        following = "" if found.next_position is None else encode_cursor(found.next_position)
        return answer(page_body([json.loads(body) for body in found.bodies], following))

    def get_milestone(self, milestone_id: str) -> Answer:
        raise NotImplementedError


def page(*numbers: int, cursor: str | None = "", **fields: Any) -> bytes:
    return page_body([milestone(number, **fields) for number in numbers], cursor)


def fresh(*numbers: int, cursor: str | None = "", **fields: Any) -> bytes:
    """A page of milestones that were updated while the sweep ran."""
    return page(*numbers, cursor=cursor, **{"last_updated_ts": "2026-11-23T12:00:00.5Z", **fields})


def ids_of(fetched: list[Fetched]) -> list[str]:
    return [one for each in fetched for one in each.answer.ids]


def invalid_cursor() -> InvalidCursor:
    return InvalidCursor("https://api.test/milestones", status=400, detail="Invalid cursor")


# One scan


def test_a_scan_follows_the_cursors_to_the_empty_one() -> None:
    science = {"category": "Science & Technology"}
    api = ScriptedApi(page(1, 2, cursor="b", **science), page(3, cursor="c", **science), page(4, **science))
    fetched = list(scan(api, MilestoneQuery(limit=2, category="Science & Technology")))
    assert [cursor for _, cursor in api.asked] == [None, "b", "c"]
    assert [(one.path, one.cursor, one.answer.next_cursor) for one in fetched] == [
        ("/milestones?limit=2&category=Science+%26+Technology", None, "b"),
        ("/milestones?limit=2&category=Science+%26+Technology", "b", "c"),
        ("/milestones?limit=2&category=Science+%26+Technology", "c", None),
    ]
    assert ids_of(fetched) == [milestone_id(number) for number in (1, 2, 3, 4)]


@pytest.mark.parametrize("end", ["", None], ids=["empty", "null"])
def test_an_empty_world_is_one_empty_page(end: str | None) -> None:
    (only,) = scan(ScriptedApi(page(cursor=end)), QUERY)
    assert (only.answer.ids, only.answer.next_cursor) == ((), None)


def test_a_scan_asks_for_a_page_only_when_the_one_before_was_taken() -> None:
    api = ScriptedApi(page(1, cursor="b"), page(2))
    pages = scan(api, QUERY)
    assert api.asked == []
    next(pages)
    assert len(api.asked) == 1


def test_a_refused_cursor_starts_the_scan_again_once() -> None:
    api = ScriptedApi(page(1, cursor="b"), invalid_cursor(), page(1, cursor="b2"), page(2))
    fetched = list(scan(api, QUERY))
    assert [cursor for _, cursor in api.asked] == [None, "b", None, "b2"]
    # What came before the restart was landed already: it comes twice, which staging settles.
    assert ids_of(fetched) == [milestone_id(number) for number in (1, 1, 2)]


def test_the_new_start_may_meet_the_same_cursor_again() -> None:
    api = ScriptedApi(page(1, cursor="b"), invalid_cursor(), page(1, cursor="b"), page(2))
    assert len(list(scan(api, QUERY))) == 3


def test_a_cursor_refused_twice_ends_the_scan() -> None:
    api = ScriptedApi(page(1, cursor="b"), invalid_cursor(), page(1, cursor="c"), invalid_cursor(), page(1))
    pages = scan(api, QUERY)
    assert [next(pages).cursor, next(pages).cursor] == [None, None]
    with pytest.raises(InvalidCursor, match="no longer accepts the cursor"):
        next(pages)
    assert [cursor for _, cursor in api.asked] == [None, "b", None, "c"]


def test_a_refused_first_page_is_not_the_cursors_fault() -> None:
    api = ScriptedApi(invalid_cursor(), page(1))
    with pytest.raises(InvalidCursor):
        list(scan(api, QUERY))
    assert len(api.asked) == 1


def test_other_faults_are_raised_at_once() -> None:
    fault = ServerFault("https://api.test/milestones", status=503)
    api = ScriptedApi(page(1, cursor="b"), fault, page(1))
    with pytest.raises(ServerFault) as caught:
        list(scan(api, QUERY))
    assert caught.value is fault


def test_a_circle_of_cursors_ends_the_scan() -> None:
    api = ScriptedApi(page(1, cursor="b"), page(2, cursor="c"), page(3, cursor="b"), page(4))
    with pytest.raises(PagingFault) as caught:
        list(scan(api, QUERY))
    assert (caught.value.rule, caught.value.page, caught.value.cursor) == ("cursor came before", 3, "b")


# A full sweep


def catch_up_from(moment: datetime) -> int:
    return seconds_before(moment, OVERLAP_SECONDS)


def test_a_full_sweep_ends_with_one_catch_up_from_its_own_start() -> None:
    api = ScriptedApi(page(1, cursor="b"), page(2), page())
    fetched = list(full_sweep(api, QUERY, started_at=NOON, now=Clock()))
    assert api.asked == [(None, None), (None, "b"), (catch_up_from(NOON), None)]
    assert len(fetched) == 3
    assert fetched[-1].path == f"/milestones?limit=2&min_updated_ts={int(NOON.timestamp()) - 300}"


def test_filters_hold_for_the_catch_ups_too() -> None:
    api = ScriptedApi(page(1), page())
    query = MilestoneQuery(limit=2, type="football_game")
    paths = [one.path for one in full_sweep(api, query, started_at=NOON, now=Clock())]
    assert paths == [
        "/milestones?limit=2&type=football_game",
        f"/milestones?limit=2&min_updated_ts={catch_up_from(NOON)}&type=football_game",
    ]


def test_a_catch_up_of_several_pages_is_followed_by_another() -> None:
    clock = Clock(NOON + timedelta(minutes=2))
    late = {"last_updated_ts": "2026-11-23T12:01:00.5Z"}
    api = ScriptedApi(page(1, **late), page(1, cursor="b", **late), fresh(2), page(3, **late))
    list(full_sweep(api, QUERY, started_at=NOON, now=clock))
    # The second one reaches back to the newest update that was known before the first began.
    assert api.asked == [
        (None, None),
        (catch_up_from(NOON), None),
        (catch_up_from(NOON), "b"),
        (int(NOON.timestamp()) + 60 - 1, None),
    ]


def test_catch_ups_that_bring_only_what_came_before_end() -> None:
    late = {"last_updated_ts": "2026-11-23T11:55:01Z"}
    busy = (page(1, cursor="b", **late), page(2, **late))
    api = ScriptedApi(page(1), *busy, *busy)
    list(full_sweep(api, QUERY, started_at=NOON, now=Clock()))
    assert len(api.asked) == 5


def test_the_same_id_with_new_content_counts_as_new() -> None:
    api = ScriptedApi(
        page(1),
        *(fresh(1, cursor="b"), fresh(2)),
        *(fresh(1, cursor="b", title="moved"), fresh(2)),
        *(fresh(1, cursor="b"), fresh(2)),
    )
    list(full_sweep(api, QUERY, started_at=NOON, now=Clock()))
    assert len(api.asked) == 7


def test_catch_ups_have_a_bound() -> None:
    restless = (fresh(number, 1000 + number, cursor="b") for number in range(MAX_CATCH_UPS + 5))
    script = [body for first in restless for body in (first, fresh(9_999))]
    api = ScriptedApi(page(1), *script)
    fetched: list[Fetched] = []
    with pytest.raises(PagingFault, match=f"after {MAX_CATCH_UPS} catch-ups milestones still change") as caught:
        fetched.extend(full_sweep(api, QUERY, started_at=NOON, now=Clock()))
    assert caught.value.rule == "no end of changes"
    assert len(api.asked) == 1 + 2 * MAX_CATCH_UPS


@pytest.mark.parametrize(
    ("hours", "catch_ups"), [(-1, 1 + MAX_QUIET_CATCH_UPS), (0, 2)], ids=["an hour behind", "right"]
)
def test_a_clock_that_is_behind_does_not_make_full_sweeps_fail(hours: int, catch_ups: int) -> None:
    """Many updates are later than what it takes for now, so no catch-up of them fits a page."""
    api_clock = Clock()
    world = world_of(6, api_clock)
    world.touch(world.ids())
    offset = timedelta(hours=hours)

    def before_page(_: int) -> None:
        api_clock.forward(seconds=20)

    def our_clock() -> datetime:
        return api_clock() + offset

    api, started_at = LiveApi(world, before_page), our_clock()
    fetched = list(full_sweep(api, QUERY, started_at=started_at, now=our_clock))
    begun = [one for one in fetched if "min_updated_ts" in one.path and one.cursor is None]
    assert len(begun) == catch_ups
    assert newest_received(fetched) == states(world)


def test_a_clock_that_is_behind_does_not_hide_that_milestones_change() -> None:
    api_clock = Clock()
    world = world_of(6, api_clock)

    def before_page(_: int) -> None:
        api_clock.forward(seconds=20)
        world.touch(world.ids())

    api, started_at = LiveApi(world, before_page), NOON - timedelta(hours=1)
    with pytest.raises(PagingFault, match="milestones still change"):
        list(full_sweep(api, QUERY, started_at=started_at, now=Clock(started_at)))


def test_a_refused_cursor_starts_each_scan_again_once() -> None:
    api = ScriptedApi(
        page(1, cursor="b"),
        invalid_cursor(),
        page(1, cursor="b"),
        page(2),
        fresh(3, cursor="c"),
        invalid_cursor(),
        fresh(3, cursor="c"),
        fresh(4),
        page(),
    )
    assert milestone_id(4) in ids_of(list(full_sweep(api, QUERY, started_at=NOON, now=Clock())))


# Against a world that moves


def world_of(count: int, clock: Clock) -> World:
    return World(as_bytes(milestone(number) for number in range(1, count + 1)), now=clock)


def jump_back(world: World, number: int, to: datetime) -> Callable[[int], None]:
    """Before the second page a milestone ahead of the scan moves to behind it."""

    def before_page(page_number: int) -> None:
        if page_number == 2:
            world.reschedule(milestone_id(number), to)

    return before_page


LONG_AGO = datetime(2024, 5, 9, tzinfo=UTC)


def test_a_scan_alone_misses_what_moves_back_over_it() -> None:
    clock = Clock()
    world = world_of(6, clock)
    api = LiveApi(world, jump_back(world, 6, LONG_AGO))
    assert milestone_id(6) not in ids_of(list(scan(api, QUERY)))


def test_the_catch_up_finds_what_moved_back() -> None:
    clock = Clock()
    world = world_of(6, clock)
    api = LiveApi(world, jump_back(world, 6, LONG_AGO))
    fetched = list(full_sweep(api, QUERY, started_at=clock(), now=clock))
    assert set(ids_of(fetched)) == {milestone_id(number) for number in range(1, 7)}
    (moved,) = [json.loads(one.answer.body)["milestones"] for one in fetched if "min_updated_ts" in one.path]
    assert [(row["id"], row["start_date"]) for row in moved] == [(milestone_id(6), "2024-05-09T00:00:00Z")]


@pytest.mark.slow
@settings(max_examples=60)
@given(
    moves=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 12), st.integers(-30, 30)), max_size=12),
    limit=st.integers(1, 4),
)
def test_whatever_moves_while_it_reads_nothing_is_missed(moves: list[tuple[int, int, int]], limit: int) -> None:
    clock = Clock()
    world = world_of(12, clock)

    def before_page(page_number: int) -> None:
        clock.forward(seconds=20)
        for when, number, minutes in moves:
            if when == page_number:
                world.reschedule(milestone_id(number), NOON + timedelta(days=7, minutes=minutes))

    api, query, started_at = LiveApi(world, before_page), MilestoneQuery(limit=limit), clock()
    fetched = list(full_sweep(api, query, started_at=started_at, now=clock))
    due = states(world)
    assert newest_received(fetched).keys() == due.keys()
    # What moved too late for this sweep comes with the next, which begins at this one's start at the latest.
    fetched += scan(LiveApi(world), MilestoneQuery(limit=limit, min_updated_ts=catch_up_from(started_at)))
    assert newest_received(fetched) == due


def test_what_moves_under_the_last_catch_up_of_a_bulk_rewrite_comes_with_the_next_poll() -> None:
    clock = Clock()
    world = world_of(6, clock)

    def before_page(page_number: int) -> None:
        clock.forward(seconds=20)
        if page_number == 1:
            world.touch(milestone_id(number) for number in (1, 2, 3, 6))
        # The scan has pages 1 to 3, the first catch-up 5 and 6; 4 and 7 check whether a full page was the last.
        if page_number == 9:  # the second page of the second catch-up
            world.reschedule(milestone_id(6), LONG_AGO)

    api = LiveApi(world, before_page)
    started_at = clock()
    fetched = list(full_sweep(api, QUERY, started_at=started_at, now=clock))
    assert newest_received(fetched) != states(world)
    # The watermark never passes the start of the sweep.
    poll = replace(QUERY, min_updated_ts=catch_up_from(started_at))
    assert newest_received([*fetched, *scan(api, poll)]) == states(world)


def newest_received(fetched: list[Fetched]) -> dict[str, Any]:
    return {row["id"]: row for one in fetched for row in json.loads(one.answer.body)["milestones"]}


def states(world: World) -> dict[str, Any]:
    return {row["id"]: row for row in map(json.loads, world.bodies())}


# By id


def single(number: int) -> bytes:
    return json.dumps({"milestone": milestone(number)}).encode()


def test_ids_are_asked_one_by_one_and_unknown_ones_named() -> None:
    api = ScriptedApi(singles={milestone_id(1): single(1), milestone_id(3): single(3)})
    not_found: list[str] = []
    fetched = list(by_id(api, [milestone_id(number) for number in (1, 2, 3, 4)], not_found=not_found))
    assert [(one.path, one.cursor, one.answer.ids) for one in fetched] == [
        (f"/milestones/{milestone_id(number)}", None, (milestone_id(number),)) for number in (1, 3)
    ]
    assert not_found == [milestone_id(2), milestone_id(4)]


ODD_IDS = {
    "refused by the API": ("not-a-uuid", BadRequest("https://api.test/milestones/not-a-uuid", status=400)),
    "no segment of a path": ("..", ValueError("'..' cannot be a milestone's id")),
}


@pytest.mark.parametrize(("odd", "error"), ODD_IDS.values(), ids=ODD_IDS)
def test_an_id_that_cannot_be_asked_for_is_raised_or_passed_over(odd: str, error: Exception) -> None:
    def asked(**options: Any) -> list[str]:
        api = ScriptedApi(singles={odd: error, milestone_id(1): single(1)})
        return ids_of(list(by_id(api, [odd, milestone_id(1)], not_found=not_found, **options)))

    not_found: list[str] = []
    unanswered: list[str] = []
    with pytest.raises(type(error)):
        asked()
    assert asked(unanswered=unanswered) == [milestone_id(1)]
    assert (not_found, unanswered) == ([], [odd])


def test_an_answer_with_another_milestone_is_raised_or_passed_over() -> None:
    spelled = "00000000-0000-4000-8000-00000000000A"
    api = ScriptedApi(singles={milestone_id(1): single(2), milestone_id(3): single(3), "ABC": b'{"milestone": 7}'})
    with pytest.raises(FilterIgnored) as caught:
        list(by_id(api, [milestone_id(1)], not_found=[]))
    assert (caught.value.wanted, caught.value.milestone_id) == (milestone_id(1), milestone_id(2))
    unanswered: list[str] = []
    # What cannot be read is not judged: its record goes to the quarantine.
    fetched = by_id(api, [milestone_id(1), milestone_id(3), "ABC"], not_found=[], unanswered=unanswered)
    assert len(list(fetched)) == 2
    assert unanswered == [milestone_id(1)]
    assert len(list(by_id(ScriptedApi(singles={spelled: single_with(spelled.lower())}), [spelled], not_found=[]))) == 1


def single_with(milestone_id: str) -> bytes:
    return json.dumps({"milestone": milestone(1, id=milestone_id)}).encode()


def test_an_api_that_denies_is_not_passed_over() -> None:
    api = ScriptedApi(singles={milestone_id(1): AccessDenied("https://api.test", status=403)})
    with pytest.raises(AccessDenied):
        list(by_id(api, [milestone_id(1)], not_found=[], unanswered=[]))


def test_no_ids_no_requests() -> None:
    not_found: list[str] = []
    assert list(by_id(ScriptedApi(), [], not_found=not_found)) == []
    assert not_found == []


@pytest.mark.parametrize(
    ("moment", "seconds", "expected"),
    [
        (datetime(1970, 1, 1, 0, 10, tzinfo=UTC), 300, 300),
        (datetime(1970, 1, 1, 0, 10, 0, 999_999, tzinfo=UTC), 300, 300),
        (datetime(1970, 1, 1, tzinfo=UTC), 300, -300),
        (NOON, 0, 1_795_435_200),
    ],
    ids=["whole", "fraction is cut", "before 1970", "no overlap"],
)
def test_whole_seconds(moment: datetime, seconds: int, expected: int) -> None:
    assert seconds_before(moment, seconds) == expected
