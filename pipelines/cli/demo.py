"""`milestones demo`: eight days of a made-up world in three full sweeps, the last of them now, by `milestones ingest`.

The first two sweeps run at times of the past, without Dagster; what changes between sweeps shows in the history.
The world and its changes are the same whenever this runs, but for their dates.
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
from pipelines.storage.home import DEMO_HOME, HOME_VARIABLE, Home
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
"""How long ago the sweeps of the past ran."""

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
"""Between two sweeps. What the first removes is missing from two full sweeps and not found by id: it vanishes."""

CHANGED_BEFORE = timedelta(minutes=10)
"""How long before a sweep: beyond its overlap, so that it reads no change twice."""

NEXT_STEPS = (
    f"export MILESTONES_HOME={DEMO_HOME}         # look at the demo; unset it for your own data",
    "milestones status                        # freshness, tables, sweeps",
    'milestones sql "select title, start_date, starts_in from milestones_starting_within(24)"',
    'milestones sql "select title, old_start, new_start, shift from reschedules limit 10"',
    "make dashboard                           # the dashboard over it, http://127.0.0.1:8501",
    "milestones ui                            # the asset graph and this run, http://127.0.0.1:3000",
    "unset MILESTONES_HOME; milestones ingest # the real API, into ./data",
)


class _Clock:
    """The time of a sweep of the past, until it is set to None: then it is now."""

    def __init__(self, time: datetime) -> None:
        self.time: datetime | None = time

    def __call__(self) -> datetime:
        return self.time or datetime.now(UTC)


def run_demo(command: Callable[[list[str]], int], *, home: Home | None = None, rows: int = DEMO_ROWS) -> int:
    """Make the demo's home anew and show a first answer; the exit status of the command that failed, else 0.

    `command` runs a `milestones` command line in this process. Raises WrongUse where the home holds what no demo made.
    """
    home = home or Home(DEMO_HOME.absolute())
    console = Console()
    _clear(home)
    _say(console, f"a local stand-in for the Kalshi API with {rows:,} made-up milestones, which change between sweeps:")
    now = datetime.now(UTC)
    clock = _Clock(now - SWEEPS_BEFORE[0])
    world = World(generate_bodies(rows, SEED, clock()), now=clock)
    with sandbox.running(build_app(world)) as api:
        for number, before in enumerate(SWEEPS_BEFORE):
            if number:
                _say(console, f"  then {_change(world, clock, now - before, number)}")
            clock.time = now - before
            _sweep(home, api.base_url, clock)
            _say(console, f"  full sweep of {now - before:%Y-%m-%d %H:%M} UTC: {len(world):,} milestones")
        _say(console, f"  then {_change(world, clock, now, len(SWEEPS_BEFORE))}")
        _add_today(world, now)
        _say(console, "  and the games of today, and a record that will be refused")
        clock.time = None
        os.environ["KALSHI_BASE_URL"] = api.base_url
        # Loopback needs no manners; the real API does.
        os.environ["KALSHI_REQUESTS_PER_SECOND"] = "0"
        os.environ[HOME_VARIABLE] = str(home.root)
        if status := _run(console, command, "ingest", "--full"):
            return status
    if status := _run(console, command, "sql", DEMO_QUERY):
        return status
    console.print("\nnext, with this environment's commands (.venv/bin):", style="bold")
    for line in NEXT_STEPS:
        _say(console, f"  {line}")
    return 0


def _clear(home: Home) -> None:
    """Remove an earlier demo, but for Dagster's storage: sweeps of the past cannot come after those that there are."""
    swept = sum(1 for folder in home.raw.glob("*") if folder.is_dir())
    if swept > len(SWEEPS_BEFORE) + 1:
        raise WrongUse(
            f"{home.root} holds more sweeps than the demo makes: move it away if they matter to you, or remove it "
            "(make clean), then run the demo again"
        )
    with writer_session(home, purpose="milestones demo"):
        for folder in (home.published, home.raw, home.warehouse):
            if folder.exists():
                shutil.rmtree(folder)


def _change(world: World, clock: _Clock, until: datetime, number: int) -> str:
    """Let the world go on until shortly before a sweep; what happened, in words."""
    since, clock.time = clock(), until - CHANGED_BEFORE
    played = play(world, since, SEED + number)
    counts = evolve(world, SEED + number, CHANGES).counts()
    told = {
        "started": played,
        "new": counts["insert"],
        "moved": counts["reschedule"],
        "retitled": counts["edit_title"],
        "tickers added or removed": counts["add_ticker"] + counts["remove_ticker"],
        "with another status": counts["set_details"],
        "removed": counts["remove"],
    }
    return ", ".join(f"{count} {what}" for what, count in told.items())


def _add_today(world: World, now: datetime) -> None:
    """Something is live, and something starts within the day, whenever the demo runs."""
    factory = RowFactory(f"{SEED} present", now)
    for row in present(factory, int(now.timestamp())):
        world.insert(row)
    world.insert(factory.row("football_game", "Sports", int(now.timestamp()), end_date="tomorrow"))


def _sweep(home: Home, base_url: str, clock: _Clock) -> None:
    """A full sweep at the clock's time, into the warehouse; the last sweep publishes."""
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


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)
