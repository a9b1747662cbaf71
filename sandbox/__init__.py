"""A local stand-in for the Kalshi API on loopback, for tests, demos and benchmarks.

It serves generated milestones with the proportions and shapes of the live ones (`generate`), the targets, events,
series and live data that belong to them (`siblings`), or recorded responses (`records`), with the live API's cursor,
filters, errors and rate limit (`app`), from a world that can change while it is read (`world`, `evolve`). Of the
pipeline only the command line imports it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from starlette.applications import Starlette

from sandbox.app import build_app
from sandbox.evolve import Counts, Evolution, Seasons
from sandbox.generate import generate_bodies
from sandbox.habits import UnknownHabitError, habits_of
from sandbox.records import Records, read_records
from sandbox.server import NotLoopbackError, PortUnavailableError, running, serve
from sandbox.world import World

__all__ = [
    "NoRecordsError",
    "NotLoopbackError",
    "PortUnavailableError",
    "UnknownHabitError",
    "build",
    "running",
    "serve",
]

DEFAULT_ROWS = 10_000


class NoRecordsError(ValueError):
    """The folder of recorded responses holds no milestone."""


def build(
    *,
    rows: int | None = None,
    seed: int = 1,
    records: Path | None = None,
    requests_per_second: float | None = None,
    changes: int = 0,
    habits: Iterable[str] = (),
    tell: Callable[[Evolution], object] = lambda _: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Starlette:
    """The sandbox as an app for `running` or `serve`.

    Serves `rows` generated milestones (10,000 by default), or the ones recorded in a folder, or both if both are
    given. With `changes`, that many changes of each kind are made before every scan of the whole list but the first,
    and `tell` is called with them. `habits` are names in `sandbox.habits.HABITS`. `app.state.notes` lists what was
    skipped in the folder. Raises NoRecordsError, UnknownHabitError, and OSError for a folder that cannot be read.
    """
    found = Records((), ()) if records is None else read_records(records)
    if records is not None and not found.rows:
        raise NoRecordsError(f"no milestone in the JSON files of {records}")
    if rows is None:
        rows = DEFAULT_ROWS if records is None else 0
    world = World(itertools.chain(found.rows, generate_bodies(rows, seed, now())), now=now)
    world.siblings.targets.record(found.targets)
    world.siblings.events.record(found.events)
    world.siblings.live_datas.record(found.live_datas)
    seasons = Seasons(world, seed, Counts(**dict.fromkeys(Counts.__slots__, changes)), tell) if changes else None
    app = build_app(
        world,
        requests_per_second=requests_per_second,
        habits=habits_of(habits),
        on_crawl=seasons.crawl_begins if seasons else lambda: None,
    )
    app.state.notes = found.notes
    return app
