"""`milestones demo`: eight days of generated milestones in three full sweeps; the last one is `milestones ingest`.

The first two sweeps run without Dagster, with a clock in the past. The milestones change between sweeps, so that the
demo has a history. Each run generates the same milestones and changes, apart from their dates.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from rich.console import Console

import sandbox
from pipelines.errors import WrongUse
from pipelines.kalshi.client import KalshiClient
from pipelines.project_files import CHECKOUT
from pipelines.storage.home import DEMO_HOME, HOME_VARIABLE, Home
from pipelines.storage.lake import LAKE_VARIABLE
from pipelines.storage.landing import sweep_ids
from pipelines.storage.leftovers import writer_session
from pipelines.sweep.progress_listener import NullProgress
from pipelines.sweep.request import SweepRequest
from pipelines.sweep.stages import Stages
from sandbox.app import build_app
from sandbox.evolve import Counts, evolve, play
from sandbox.factory import RowFactory
from sandbox.generate import generate_bodies
from sandbox.surprises import present
from sandbox.world import World

DEMO_ROWS = 5_000
DEMO_QUERY = "select type, count(*) as milestones from milestones group by 1 order by 2 desc limit 8"

SEED = 1
SWEEPS_BEFORE = (timedelta(days=8), timedelta(days=1))
"""How long ago the first two sweeps ran."""

CHANGES = Counts(
    inserts=60,
    reschedules=12,
    title_edits=8,
    tickers_added=6,
    tickers_removed=4,
    status_changes=8,
    removals=3,
    touches=100,
)
"""Changes between two sweeps. Milestones that are removed before the second sweep are missing twice, and vanish."""

CHANGED_BEFORE = timedelta(minutes=10)
"""Time between the changes and the next sweep: longer than the overlap, so that no change is read twice."""

NEXT_STEPS = (
    f"export MILESTONES_HOME={DEMO_HOME}         # look at the demo; unset it for your own data",
    "milestones status                        # freshness, tables, sweeps",
    'milestones sql "select title, start_date, starts_in from milestones_starting_within(24)"',
    'milestones sql "select title, participants, starts_in from upcoming_milestones limit 10"',
    'milestones sql "select title, home_score, away_score, live_status from live_milestones"',
    'milestones sql "select title, old_start, new_start, shift from reschedules limit 10"',
    "milestones dashboard                     # the dashboard over it, http://127.0.0.1:8501",
    "milestones ui                            # the asset graph and this run, http://127.0.0.1:3000",
    "unset MILESTONES_HOME; milestones ingest # the real API, into ./data",
)


class _Clock:
    """A clock that shows `time`, or the current time if that is None."""

    def __init__(self, time: datetime) -> None:
        self.time: datetime | None = time

    def __call__(self) -> datetime:
        return self.time or datetime.now(UTC)


def run_demo(command: Callable[[list[str]], int], *, home: Home | None = None, rows: int = DEMO_ROWS) -> int:
    """Recreate the demo's home and show a first result; the exit status of the command that failed, else 0.

    `command` runs a `milestones` command line in this process. Raises WrongUse for a home that is not a demo's.
    """
    home = home or Home(DEMO_HOME.absolute())
    console = Console()
    _clear(home)
    _print(
        console, f"a local sandbox of the Kalshi API with {rows:,} generated milestones, which change between sweeps:"
    )
    now = datetime.now(UTC)
    clock = _Clock(now - SWEEPS_BEFORE[0])
    world = World(generate_bodies(rows, SEED, clock()), now=clock)
    with sandbox.running(build_app(world)) as api:
        for number, before in enumerate(SWEEPS_BEFORE):
            if number:
                _print(console, f"  then {_change(world, clock, now - before, number)}")
            clock.time = now - before
            _sweep(home, api.base_url, clock)
            _print(console, f"  full sweep of {now - before:%Y-%m-%d %H:%M} UTC: {len(world):,} milestones")
        _print(console, f"  then {_change(world, clock, now, len(SWEEPS_BEFORE))}")
        _add_today(world, now)
        _print(console, "  and the games of today, and an invalid record that will be refused")
        clock.time = None
        os.environ["KALSHI_BASE_URL"] = api.base_url
        # Pacing is for the real API.
        os.environ["KALSHI_REQUESTS_PER_SECOND"] = "0"
        os.environ[HOME_VARIABLE] = str(home.root)
        # A lake is for real data.
        os.environ.pop(LAKE_VARIABLE, None)
        if status := _run(console, command, "ingest", "--full"):
            return status
        if status := _run(console, command, "ingest", "--only", "live"):
            return status
    if status := _run(console, command, "sql", DEMO_QUERY):
        return status
    # In a checkout, the commands are on the path only after `source .venv/bin/activate`.
    where = ", with this environment's commands (.venv/bin)" if (CHECKOUT / "Makefile").exists() else ""
    console.print(f"\nnext{where}:", style="bold")
    for line in NEXT_STEPS:
        _print(console, f"  {line}")
    return 0


def _clear(home: Home) -> None:
    """Remove an earlier demo except Dagster's storage: its sweeps are newer than the first ones of this demo."""
    swept = len(sweep_ids(home.raw))
    if swept > len(SWEEPS_BEFORE) + 1:
        raise WrongUse(
            f"{home.root} holds more sweeps than the demo makes: move it away to keep it, or remove it (make clean), "
            "then run the demo again"
        )
    with writer_session(home, purpose="milestones demo"):
        for folder in (home.published, home.raw, home.warehouse):
            if folder.exists():
                shutil.rmtree(folder)


def _change(world: World, clock: _Clock, until: datetime, number: int) -> str:
    """Change the sandbox until shortly before the next sweep; a summary of the changes."""
    since, clock.time = clock(), until - CHANGED_BEFORE
    played = play(world, since, SEED + number)
    counts = evolve(world, SEED + number, CHANGES).counts()
    changes = {
        "started": played,
        "new": counts["insert"],
        "moved": counts["reschedule"],
        "retitled": counts["edit_title"],
        "tickers added or removed": counts["add_ticker"] + counts["remove_ticker"],
        "with another status": counts["set_details"],
        "removed": counts["remove"],
    }
    return ", ".join(f"{count} {what}" for what, count in changes.items())


def _add_today(world: World, now: datetime) -> None:
    """Add milestones that are live now or start within a day, and an invalid record."""
    factory = RowFactory(f"{SEED} present", now)
    for row in present(factory, int(now.timestamp())):
        world.insert(row)
    world.insert(factory.row("football_game", "Sports", int(now.timestamp()), end_date="tomorrow"))


def _sweep(home: Home, base_url: str, clock: _Clock) -> None:
    """Load a full sweep at the clock's time into the warehouse, without publishing it."""
    stages = Stages(home, now=clock)
    with (
        writer_session(home, purpose="milestones demo"),
        KalshiClient(base_url, requests_per_second=0, deadline_seconds=60, now=clock) as client,
    ):
        stages.land(client, SweepRequest(mode="full"), NullProgress())
        stages.stage_records()
        stages.stage_tables()
        stages.load()


def _run(console: Console, command: Callable[[list[str]], int], *words: str) -> int:
    quoted = (f'"{word}"' if " " in word else word for word in words)
    console.print(f"\nmilestones {' '.join(quoted)}", style="bold", highlight=False, soft_wrap=True)
    return command(list(words))


def _print(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)
