"""Sweeps through the stages where the API departs from its description: the right tables, or one clear error and the
old data untouched."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from pipelines.errors import SweepRefused
from pipelines.kalshi.errors import BadRequest, FilterIgnored, InvalidCursor, PagingFault, ServerFault
from pipelines.storage.landing import Landing, Sweep
from pipelines.sweep.progress_listener import NullProgress
from pipelines.sweep.request import SweepRequest
from sandbox.app import build_app
from sandbox.habits import Habits
from sandbox.obstacles import Faults
from schemas.tables import TOUCHED
from tests.support import NOON, Shell, Shells, contents, milestone, milestone_id

pytestmark = pytest.mark.slow

LIMIT = 20
COUNT = 190
"""Ten pages of 20, the last one not full."""


def at(hours: float) -> str:
    return f"{NOON + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"


def rows(count: int = COUNT) -> list[dict[str, Any]]:
    """From 170 hours ago on; the first one was updated last, so that polls look back no further than its update."""
    return [
        milestone(
            number,
            start_date=at(number - 170),
            last_updated_ts="2026-11-23T11:00:00Z" if number == 0 else "2026-11-20T08:30:00Z",
        )
        for number in range(count)
    ]


@pytest.fixture
def shell(shells: Shells, tmp_path: Path) -> Shell:
    return shells(tmp_path / "home", rows())


def serve(shells: Shells, shell: Shell, *, faults: Faults | None = None, **habits: Any) -> Starlette:
    app = build_app(shell.world, faults=faults, habits=Habits(**habits))
    shells.serve(app)
    return app


def land(shell: Shell, *, connections: int = 1, page_limit: int = LIMIT, **request: Any) -> Sweep:
    with shell.client(connections=connections, page_limit=page_limit, sleep=lambda _: None) as api:
        return shell.stages.land(api, SweepRequest(**request), NullProgress()).sweep


def load(shell: Shell) -> Any:
    shell.stage()
    return shell.stages.load()


def stored(shell: Shell) -> int:
    return int(shell.value("SELECT count(*) FROM milestones WHERE vanished_at IS NULL"))


def tables(shell: Shell) -> dict[str, str]:
    """Everything but the ledger, and the note that every load makes of itself."""
    found = contents(shell.home.warehouse_file)
    return {name: rows for name, rows in found.items() if name not in ("sweeps", TOUCHED.name)}


def cursors(app: Starlette) -> int:
    return sum("cursor=" in one.query for one in app.state.log)


# A cursor refused in whatever words


def interrupt(shells: Shells, shell: Shell, **request: Any) -> None:
    serve(shells, shell, faults=Faults(fail_after_pages=3))
    with pytest.raises(ServerFault):
        land(shell, **request)


@pytest.mark.parametrize("status", [400, 404, 409, 410, 422])
@pytest.mark.parametrize("connections", [1, 4])
def test_an_interrupted_sweep_whose_landed_cursor_is_refused_starts_over(
    shells: Shells, shell: Shell, connections: int, status: int
) -> None:
    interrupt(shells, shell, connections=connections)
    app = serve(shells, shell, refused_cursors=1, cursor_status=status)
    sweep = land(shell, connections=connections)
    assert sweep.sweep_id.startswith("000001-")
    assert sum(one.status == status for one in app.state.log) == 1
    load(shell)
    assert stored(shell) == COUNT


def test_an_interrupted_incremental_sweep_whose_landed_cursor_is_refused_starts_over(
    shells: Shells, shell: Shell
) -> None:
    land(shell)
    load(shell)
    shell.clock.forward(hours=1)
    shell.world.touch(milestone_id(number) for number in range(100))
    interrupt(shells, shell)
    app = serve(shells, shell, refused_cursors=1, cursor_status=410)
    sweep = land(shell)
    assert (sweep.mode, sweep.pages) == ("incremental", 3 + 5)
    # The landed cursor, the five pages of the second scan, and whether a full page was the last.
    assert len(app.state.log) == 1 + 5 + 1
    assert load(shell).unchanged == 100


@pytest.mark.parametrize("connections", [1, 4])
def test_a_cursor_refused_twice_is_raised_and_never_tried_again(shells: Shells, shell: Shell, connections: int) -> None:
    interrupt(shells, shell, connections=connections)
    app = serve(shells, shell, refused_cursors=None)
    with pytest.raises(InvalidCursor, match="bad_request: bad request"):
        land(shell, connections=connections)
    refused = {one.query for one in app.state.log if one.status == 400}
    app = serve(shells, shell)
    sweep = land(shell, connections=connections)
    assert sweep.sweep_id.startswith("000002-")
    assert "cursor=" not in app.state.log[0].query
    assert refused, "it has been tried before"
    load(shell)
    assert stored(shell) == COUNT


def test_a_refusal_that_meets_the_request_without_a_cursor_too_is_not_the_cursors(shells: Shells, shell: Shell) -> None:
    interrupt(shells, shell)
    app = serve(shells, shell, page_limit=LIMIT - 1, refused_cursors=1)
    with pytest.raises(BadRequest) as caught:
        land(shell)
    assert type(caught.value) is BadRequest
    assert [("cursor=" in one.query, one.status) for one in app.state.log] == [(True, 400), (False, 400)]


# Null where a list is meant


def test_a_poll_that_brings_null_is_an_empty_page_and_counted(shells: Shells, shell: Shell) -> None:
    land(shell)
    load(shell)
    before = tables(shell)
    shell.clock.forward(hours=1)
    shell.world.remove(milestone_id(0))
    serve(shells, shell, null_lists=True)
    sweep = land(shell)
    assert (sweep.mode, sweep.pages, sweep.null_lists) == ("incremental", 1, 1)
    assert load(shell).records == 0
    assert tables(shell) == before


def test_a_full_list_that_is_null_is_refused_like_an_empty_one(shells: Shells, shell: Shell) -> None:
    land(shell)
    load(shell)
    before = tables(shell)
    for milestone_ in shell.world.ids():
        shell.world.remove(milestone_)
    serve(shells, shell, null_lists=True)
    with pytest.raises(SweepRefused, match="listed 0 records"):
        land(shell, mode="full")
    assert tables(shell) == before


def test_null_lists_are_counted_over_an_interruption(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path / "home", rows(5))
    serve(shells, shell, null_lists=True)
    with pytest.raises(RuntimeError), shell.client(connections=1) as api:
        shell.stages.land(api, SweepRequest(), _FailsAfter(2))
    newest = Landing.newest(shell.home.raw)
    assert newest is not None
    assert newest.sweep.null_lists == 1  # the catch-up's


class _FailsAfter(NullProgress):
    def __init__(self, pages: int) -> None:
        self._pages = pages

    def page(self, sweep: Sweep, page: Any) -> None:
        if page.number == self._pages:
            raise RuntimeError


# A filter that is ignored


def test_where_the_bound_is_ignored_a_sweep_in_several_places_costs_what_one_scan_does(
    shells: Shells, shell: Shell
) -> None:
    app = serve(shells, shell, ignores=frozenset({"minimum_start_date"}))
    land(shell, connections=8)
    load(shell)
    assert stored(shell) == COUNT
    # Ten pages, the catch-up, and the questions that showed it.
    assert len(app.state.log) <= 10 + 1 + 8


IGNORED: dict[str, tuple[dict[str, Any], str]] = {
    "category": ({"category": "Politics"}, "category=Politics"),
    "type": ({"type": "political_race"}, "type=political_race"),
    "minimum_start_date": ({"since": NOON}, "minimum_start_date=2026-11-23T12:00:00Z"),
    "min_updated_ts": ({}, "min_updated_ts="),
}


@pytest.mark.parametrize(("name", "request_", "says"), [(name, *rest) for name, rest in IGNORED.items()], ids=IGNORED)
def test_what_does_not_match_a_filter_is_an_error_that_names_it_and_is_not_stored(
    shells: Shells, shell: Shell, name: str, request_: dict[str, Any], says: str
) -> None:
    land(shell)
    load(shell)
    before = tables(shell)
    shell.clock.forward(hours=1)
    shell.world.edit_title(milestone_id(1), "not asked for")
    app = serve(shells, shell, ignores=frozenset({name}))
    with pytest.raises(FilterIgnored, match=says) as caught:
        land(shell, **request_)
    assert caught.value.filter == name
    assert len(app.state.log) == 1
    assert tables(shell) == before
    newest = Landing.newest(shell.home.raw)
    assert newest is not None
    assert newest.landed_pages == 0
    assert shell.rows("SELECT count(*) FROM sweeps WHERE status = 'failed'") == [(1,)]


def test_a_first_sweep_without_catch_ups_is_not_complete_and_resumes_at_them(shells: Shells, shell: Shell) -> None:
    serve(shells, shell, ignores=frozenset({"min_updated_ts"}))
    for _ in range(2):
        with pytest.raises(FilterIgnored, match="ignored the filter min_updated_ts="):
            land(shell)
    app = serve(shells, shell)
    assert land(shell).pages == 10 + 1
    assert len(app.state.log) == 1
    load(shell)
    assert stored(shell) == COUNT


def test_categories_may_be_answered_in_another_case(shells: Shells, tmp_path: Path) -> None:
    """As the demo server does: whatever was asked, in lower case."""
    shell = shells(tmp_path / "home", [milestone(number, category="sports") for number in range(3)])
    serve(shells, shell, ignores=frozenset({"category"}))
    land(shell, category="Sports")
    assert load(shell).new == 3


# The end of a list


def test_a_cursor_under_another_name_does_not_pass_for_the_end(shells: Shells, shell: Shell) -> None:
    serve(shells, shell, cursor_field="next_cursor")
    with pytest.raises(PagingFault, match="without a cursor, but the API has milestone"):
        land(shell)
    assert shell.rows("SELECT status FROM sweeps") == [("failed",)]
    serve(shells, shell)
    assert land(shell).sweep_id.startswith("000002-")
    load(shell)
    assert stored(shell) == COUNT


def test_a_poll_with_a_cursor_under_another_name_is_not_believed(shells: Shells, shell: Shell) -> None:
    land(shell)
    load(shell)
    before = tables(shell)
    shell.clock.forward(hours=1)
    shell.world.touch(milestone_id(number) for number in range(100))
    serve(shells, shell, cursor_field="next_cursor")
    with pytest.raises(PagingFault, match="without a cursor, but the API has milestone"):
        land(shell)
    assert tables(shell) == before


def test_a_short_page_with_a_cursor_under_another_name_is_not_the_end(shells: Shells, shell: Shell) -> None:
    land(shell)
    load(shell)
    before = tables(shell)
    shell.clock.forward(hours=1)
    shell.world.touch(milestone_id(number) for number in range(100))
    serve(shells, shell, cursor_field="next_cursor", page_rows=7)
    with pytest.raises(PagingFault, match="without a cursor, but the API has milestone"):
        land(shell)
    assert tables(shell) == before


def test_a_last_page_that_is_exactly_full_passes_with_one_more_request(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path / "home", rows(200))
    app = serve(shells, shell)
    assert land(shell).pages == 10 + 1
    assert len(app.state.log) == 10 + 1 + 1
    load(shell)
    assert stored(shell) == 200


# A smaller page limit


def test_a_smaller_page_limit_holds_for_the_rest_of_the_sweep(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path / "home", rows(700))
    serve(shells, shell, page_limit=100, faults=Faults(fail_after_pages=3))
    with pytest.raises(ServerFault):
        land(shell, page_limit=500)
    app = serve(shells, shell, page_limit=100)
    sweep = land(shell, page_limit=500)
    assert {one.query.partition("&")[0] for one in app.state.log} == {"limit=100"}
    # Seven full pages, whether the last of them is the last, and the catch-up.
    assert (sweep.pages, len(app.state.log)) == (7 + 1, 4 + 1 + 1)
    load(shell)
    assert stored(shell) == 700
    newest = Landing.newest(shell.home.raw)
    assert newest is not None
    assert {page.path.partition("&")[0] for page in newest.pages()} == {"/milestones?limit=100"}


@pytest.mark.parametrize("limit", [1, 7, 100, 500])
def test_the_tables_are_the_same_whatever_the_page_limit(shells: Shells, tmp_path: Path, limit: int) -> None:
    shell = shells(tmp_path / "home", rows(30))
    sweep = land(shell, page_limit=limit, connections=4)
    load(shell)
    assert stored(shell) == 30
    assert sweep.pages >= 30 // limit


def test_an_id_that_is_answered_with_another_milestone(shells: Shells, shell: Shell) -> None:
    land(shell)
    load(shell)
    before = tables(shell)
    other = milestone_id(2)

    class Mixed:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["path"].endswith(milestone_id(1)):
                scope = {**scope, "path": scope["path"].replace(milestone_id(1), other)}
            await build_app(shell.world)(scope, receive, send)

    shells.serve(Mixed())
    with pytest.raises(FilterIgnored, match=f"milestone_id={milestone_id(1)}.* it returned {other}"):
        land(shell, ids=(milestone_id(1),))
    assert tables(shell) == before
