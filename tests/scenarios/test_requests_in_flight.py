"""Several requests in flight give the tables that one after the other give, also while the world changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from pipelines.sweep.progress_listener import NullProgress
from pipelines.sweep.request import SweepRequest
from sandbox.app import build_app
from sandbox.evolve import Counts, evolve
from sandbox.generate import generate_bodies
from schemas.tables import MILESTONES, SWEEPS
from tests.support import NOON, Shell, Shells, contents, tables_in

pytestmark = pytest.mark.slow

ROWS = 4_000
CHANGES = Counts(inserts=2, reschedules=3, title_edits=2, tickers_added=1, tickers_removed=1, status_changes=2)
CHANGING_REQUESTS = 6
"""Of a crawl of 8 pages and its catch-ups: the world stands still before these end."""

WHEN_SEEN = frozenset({"first_seen_at", "last_seen_at", "last_changed_at", "valid_from", "seen_at"})
"""Pages come in another order, and so at other times."""
OF_HISTORY = frozenset({"version", "last_updated_ts", "sweep_id"})
"""How often a milestone was seen to change."""


class Changing:
    """An API whose world changes before each of its first answers."""

    def __init__(self, shell: Shell, app: ASGIApp) -> None:
        self._shell = shell
        self._app = app
        self.requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.requests += 1
            if self.requests <= CHANGING_REQUESTS:
                self._shell.clock.forward(seconds=1)
                evolve(self._shell.world, self.requests, CHANGES)
        await self._app(scope, receive, send)


def crawl(shell: Shell, connections: int) -> None:
    """A full sweep to the end."""
    with shell.client(connections=connections) as api:
        shell.stages.land(api, SweepRequest(mode="full"), NullProgress())
    shell.stage()
    shell.stages.load()


def tables_of(shell: Shell, without: frozenset[str] = WHEN_SEEN) -> dict[str, str]:
    names = set(tables_in(shell.home.warehouse_file)) - {SWEEPS.name, "schema_version"}
    return contents(shell.home.warehouse_file, without=without, tables=sorted(names))


@pytest.mark.parametrize("connections", [2, 4, 8])
def test_the_tables_are_those_of_one_request_after_the_other(shells: Shells, tmp_path: Path, connections: int) -> None:
    made = {}
    for count in (1, connections):
        shell = shells(tmp_path / str(count))
        shell.world.load(generate_bodies(ROWS, 3, NOON))
        crawl(shell, count)
        made[count] = tables_of(shell)
        assert shell.value("SELECT count(*) FROM milestones") == ROWS
    assert made[connections] == made[1]


@pytest.mark.parametrize("connections", [1, 4])
def test_a_crawl_of_a_changing_world_ends_with_what_the_world_became(
    shells: Shells, tmp_path: Path, connections: int
) -> None:
    crawled = shells(tmp_path / "crawled")
    crawled.world.load(generate_bodies(ROWS, 3, NOON))
    api = Changing(crawled, build_app(crawled.world))
    shells.serve(api)
    crawl(crawled, connections)
    assert api.requests > CHANGING_REQUESTS

    still = shells(tmp_path / "still")
    still.world.load(crawled.world.bodies())
    still.clock.forward(hours=1)
    crawl(still, 1)

    flat = {name: rows for name, rows in tables_of(still, WHEN_SEEN | OF_HISTORY).items() if is_flat(name)}
    assert MILESTONES.name in flat
    found = tables_of(crawled, WHEN_SEEN | OF_HISTORY)
    assert {name: found[name] for name in flat} == flat


def is_flat(table: str) -> bool:
    """Whether a table says what is, and nothing of what was."""
    return not table.startswith(("internal_", "milestone_versions", "milestone_changes", "details_fields"))
