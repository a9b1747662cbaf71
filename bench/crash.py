"""What remains when a full sweep, a poll or a retry is killed at a random moment: `python -m bench.crash`.

A home holds one state of a sandbox's data, and the sandbox already serves the next one. A command is started as a user
would start it, and killed with SIGKILL; then the next sweep runs to its end. Right after the kill, the published file
must hold the old state or a new one. At the end, every table must equal that of undisturbed runs, and no temporary,
staged or spilled file, and no run that Dagster considers running, may remain.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import duckdb
import msgspec

from pipelines.errors import MilestonesError
from pipelines.kalshi.client import KalshiClient
from pipelines.publish.manifest import verify
from pipelines.reading.connection import open_reader
from pipelines.staging.files import Staging
from pipelines.storage.durable import TEMPORARY_SUFFIX
from pipelines.storage.home import Home
from pipelines.storage.landing import SWEEP_FILE, is_sweep_id
from pipelines.storage.temporary import SPILL
from pipelines.sweep.progress_listener import NullProgress
from pipelines.sweep.request import SweepRequest
from pipelines.sweep.stages import Stages
from sandbox.app import build_app
from sandbox.evolve import Counts, evolve
from sandbox.generate import generate_bodies
from sandbox.server import running
from sandbox.world import World
from schemas.sql import quote

KILLS = int(os.environ.get("BENCH_KILLS", "20"))
SEED = int(os.environ.get("BENCH_SEED", "1"))
ROWS = 2_000
CHANGES = 20
"""Changes of each kind between the published state and the fetched one."""
LATENCY_SECONDS = 0.05
RUN_SECONDS_MAX = 300
DELAY_SECONDS_MAX = 1.2
"""From the start of a phase to the kill: somewhat longer than most phases, so that kills also fall between them."""
POLL_SECONDS = 0.002
FEW_TYPES = frozenset({"football_game", "tennis_tournament_singles", "basketball_game"})
SMALL_FROM = 4
"""How many milestones are generated for each one of these types."""

OUR_CLOCK = frozenset(
    {"first_seen_at", "last_seen_at", "last_changed_at", "valid_from", "valid_to", "seen_at", "vanished_at"}
)
"""Columns with times of our clock: compared only by whether they are NULL."""
OF_THE_RUN = frozenset({"sweep_id", "first_sweep_id"})
LEDGER = "sweeps"

Row = tuple[object, ...]
State = dict[str, Counter[Row]]
"""The rows of every table with their counts; for the ledger, the sums over its sweeps."""


def now() -> datetime:
    """The clock of the sandbox and of the homes."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Phase:
    """A phase of a command, and how its start shows on disk."""

    name: str
    has_begun: Callable[[Home, frozenset[str]], bool]


def _new_sweep(home: Home, before: frozenset[str]) -> Path | None:
    new = sorted({path.name for path in home.raw.iterdir()} - before)
    return home.raw / new[-1] if new else None


def _is_landing(home: Home, before: frozenset[str]) -> bool:
    return _new_sweep(home, before) is not None


def _is_staging(home: Home, before: frozenset[str]) -> bool:
    sweep = _new_sweep(home, before)
    return sweep is not None and home.staging(sweep.name).exists()


def _is_loading(home: Home, before: frozenset[str]) -> bool:
    sweep = _new_sweep(home, before)
    return sweep is not None and bool(Staging(home.staging(sweep.name)).parts("milestones"))


def _is_publishing(home: Home, _: frozenset[str]) -> bool:
    return any(home.published.glob(f"*{TEMPORARY_SUFFIX}"))


Mode = Literal["auto", "full", "retry"]


@dataclass(frozen=True)
class Command:
    """The command to kill, the command that runs next, and their modes of sweep."""

    name: str
    killed: tuple[str, ...]
    then: tuple[str, ...]
    modes: tuple[Mode, Mode]


COMMANDS = (
    Command("full sweep", ("ingest", "--full"), ("ingest", "--full"), ("full", "full")),
    Command("poll", ("ingest",), ("ingest",), ("auto", "auto")),
    Command("retry", ("quarantine", "retry"), ("ingest",), ("retry", "auto")),
)

PHASES = (
    Phase("landing", _is_landing),
    Phase("staging", _is_staging),
    Phase("loading", _is_loading),
    Phase("publishing", _is_publishing),
)


@dataclass
class Found:
    """The faults after kills, one list per kind."""

    kills: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)


class Bench:
    """A home to copy, the sandbox's data, and the states before and after undisturbed runs."""

    def __init__(
        self,
        folder: Path,
        world: World,
        base_url: str,
        *,
        seed: int,
        commands: Sequence[Command] = COMMANDS,
        changes: int = CHANGES,
    ) -> None:
        self.folder = folder
        self.base_url = base_url
        self._random = random.Random(seed)  # noqa: S311 - moments, not secrets
        self.old_home = Home(folder / "old")
        self._sweep(self.old_home)
        for milestone_id in world.ids()[:changes]:
            world.remove(milestone_id)
        # This sweep misses them for the first time; the killed one marks them as vanished.
        self._sweep(self.old_home)
        evolve(world, seed, Counts(**dict.fromkeys(set(Counts.__slots__) - {"removals"}, changes)))
        self.old = state_of(self.old_home)
        self.states = {command.name: self._states_of(*command.modes) for command in commands}

    def _states_of(self, killed: Mode, then: Mode) -> list[State]:
        """The states that may be published after a command and the next one, without duplicates."""
        found = [self.old]
        for modes in ((killed,), (then,), (killed, then)):
            home = self.undisturbed("undisturbed", *modes)
            if (state := state_of(home)) not in found:
                found.append(state)
            shutil.rmtree(home.root)
        return found

    def kill_once(self, number: int, found: Found) -> None:
        """One kill and one run after it; records the faults. A run that ends before the kill is started again."""
        command, phase = COMMANDS[number % len(COMMANDS)], PHASES[number % len(PHASES)]
        while True:
            home = self.copy("killed")
            if self._killed(home, command, phase):
                break
            shutil.rmtree(home.root)
        label = f"kill {number} of a {command.name} while {phase.name}"
        found.kills[f"{command.name}, {phase.name}"] += 1
        self.compare_at_once(home, command, label, found)

        def run_next() -> None:
            Run(home, self.base_url, command.then).wait_for_success()

        run_next()
        self.compare_at_the_end(home, command, label, found)
        compare_leftovers(home, label, found, run_again=run_next)
        shutil.rmtree(home.root)

    def _killed(self, home: Home, command: Command, phase: Phase) -> bool:
        before = frozenset(path.name for path in home.raw.iterdir())
        run = Run(home, self.base_url, command.killed)
        give_up_at = time.monotonic() + RUN_SECONDS_MAX
        while not phase.has_begun(home, before):
            if not run.is_alive or time.monotonic() > give_up_at:
                run.kill()
                return False
            time.sleep(POLL_SECONDS)
        time.sleep(self._random.uniform(0, DELAY_SECONDS_MAX))
        return run.kill()

    def compare_at_once(self, home: Home, command: Command, label: str, found: Found) -> None:
        """Compare the published file and its snapshot right after the kill."""
        try:
            state = state_of(home)
            verified = verify(home)
        except (duckdb.Error, MilestonesError, OSError) as error:
            found.unreadable.append(f"{label}: {error}")
            return
        found.unreadable += [f"{label}: {difference}" for difference in verified.differences]
        if state not in self.states[command.name]:
            found.unreadable.append(f"{label}: neither the old state nor a new one is published")

    def compare_at_the_end(self, home: Home, command: Command, label: str, found: Found) -> None:
        """Compare every published table with those of undisturbed runs, with or without the killed one."""
        try:
            state = state_of(home)
            found.unreadable += [f"{label}, at the end: {difference}" for difference in verify(home).differences]
        except (duckdb.Error, MilestonesError, OSError) as error:
            found.unreadable.append(f"{label}, at the end: {error}")
            return
        ends = self.states[command.name][1:]
        new = next((end for end in ends if end == state), ends[-1])
        for table in sorted(new.keys() | state.keys()):
            expected, got = new.get(table, Counter()), state.get(table, Counter())
            found.lost += [f"{label}: {table} lacks {row}" for row in (expected - got).elements()]
            found.duplicated += [f"{label}: {table} has too much: {row}" for row in (got - expected).elements()]

    def undisturbed(self, name: str, *modes: Mode) -> Home:
        """A copy of the old home after sweeps without a kill."""
        home = self.copy(name)
        for mode in modes:
            self._sweep(home, mode)
        return home

    def _sweep(self, home: Home, mode: Mode = "full") -> None:
        """Run a sweep without a kill, in this process."""
        home.preflight()
        stages = Stages(home, now=now)
        with KalshiClient(self.base_url, requests_per_second=0) as api:
            stages.land(api, SweepRequest(mode=mode), NullProgress())
        stages.stage_records()
        stages.stage_tables()
        stages.load()
        stages.publish()

    def copy(self, name: str) -> Home:
        """A copy of the old home."""
        return Home(Path(shutil.copytree(self.old_home.root, self.folder / name, symlinks=True)))


def compare_leftovers(home: Home, label: str, found: Found, *, run_again: Callable[[], object]) -> None:
    """Record files that a killed run left and the next one did not remove.

    A run killed before its first file leaves an empty folder of a sweep. The next run takes its number from it,
    so that only the one after that, `run_again`, removes it.
    """
    left = set(_leftovers(home))
    if empty := {path for path in left if _is_unused_sweep(home, path)}:
        run_again()
        left = left - empty | set(_leftovers(home))
    found.leftovers += [f"{label}: {path.relative_to(home.root)}" for path in sorted(left)]
    found.leftovers += [f"{label}: run {run} is {status}" for run, status in _unfinished_runs(home)]


def _leftovers(home: Home) -> Iterator[Path]:
    yield from home.root.rglob(f"*{TEMPORARY_SUFFIX}*")
    yield from home.staging("of a sweep").parent.glob("*")
    yield from (home.warehouse / SPILL).glob("*")
    yield from home.root.rglob("*.wal")
    yield from (sweep for sweep in home.raw.iterdir() if not (sweep / SWEEP_FILE).exists())


def _is_unused_sweep(home: Home, path: Path) -> bool:
    return path.parent == home.raw and is_sweep_id(path.name) and path.is_dir() and not any(path.iterdir())


class Run:
    """A process of the command, in its own process group."""

    def __init__(self, home: Home, base_url: str, arguments: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", *arguments],
            env=os.environ
            | {
                "MILESTONES_HOME": str(home.root),
                "KALSHI_BASE_URL": base_url,
                "KALSHI_REQUESTS_PER_SECOND": "0",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def is_alive(self) -> bool:
        """Whether it is still running."""
        return self._process.poll() is None

    def kill(self) -> bool:
        """Send SIGKILL to the whole group; returns whether that ended the process."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        return self._process.returncode == -signal.SIGKILL

    def wait_for_success(self) -> None:
        """Raises SystemExit if the run fails: then there is nothing to compare."""
        _, complaint = self._process.communicate(timeout=RUN_SECONDS_MAX)
        if self._process.returncode:
            raise SystemExit(f"the run after a kill ended with {self._process.returncode}: {complaint}")


def _unfinished_runs(home: Home) -> list[tuple[str, str]]:
    """Runs that are unfinished in Dagster's storage, although no process runs."""
    file = home.dagster / "history" / "runs.db"
    if not file.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return connection.execute(
            "SELECT run_id, status FROM runs WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')"
        ).fetchall()


def state_of(home: Home) -> State:
    """The published tables, without columns that depend on the time and number of sweeps."""
    with open_reader(home.published_duckdb) as connection:
        tables = connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal").fetchall()
        state = {name: _rows(connection, name) for (name,) in tables if name not in (LEDGER, "schema_version")}
        stored = """SELECT sum("new"), sum(changed), sum(vanished) FROM sweeps WHERE status = 'loaded'"""
        state[LEDGER] = Counter(connection.execute(stored).fetchall())
    return state


def _rows(connection: duckdb.DuckDBPyConnection, table: str) -> Counter[Row]:
    named = connection.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = ? ORDER BY 1", [table])
    # A change of vanished_at has a time of our clock as its value.
    is_of_our_clock = "field = 'vanished_at'" if table == "milestone_changes" else "false"
    columns = [
        f"{quote(name)} IS NULL"
        if name in OUR_CLOCK
        else f"CASE WHEN {is_of_our_clock} THEN ({quote(name)} IS NULL)::VARCHAR ELSE {quote(name)}::VARCHAR END"
        for (name,) in named.fetchall()
        if name not in OF_THE_RUN
    ]
    return Counter(connection.execute(f"SELECT {', '.join(columns)} FROM {quote(table)}").fetchall())  # noqa: S608


def _refused() -> bytes:
    """A milestone that goes to quarantine, for the retry."""
    body = msgspec.json.decode(next(iter(generate_bodies(1, 999, now()))))
    return msgspec.json.encode(body | {"title": 7})


@contextlib.contextmanager
def prepared(*, seed: int, rows: int = ROWS) -> Iterator[Bench]:
    """The benchmark with a temporary folder and a server."""
    bodies = [*generate_bodies(rows, seed, now()), _refused()]
    with serving(bodies, latency_seconds=LATENCY_SECONDS) as (folder, world, base_url):
        yield Bench(folder, world, base_url, seed=seed)


@contextlib.contextmanager
def prepared_small(*, seed: int, commands: Sequence[Command], rows: int, changes: int) -> Iterator[Bench]:
    """The same with few milestones, of few types, as each type has a table of its own, and without latency."""
    drawn = map(_of_few_types, generate_bodies(SMALL_FROM * rows, seed, now()))
    bodies = [*itertools.islice(filter(None, drawn), rows), _refused()]
    with serving(bodies, latency_seconds=0) as (folder, world, base_url):
        yield Bench(folder, world, base_url, seed=seed, commands=commands, changes=changes)


def _of_few_types(body: bytes) -> bytes | None:
    return body if msgspec.json.decode(body)["type"] in FEW_TYPES else None


@contextlib.contextmanager
def serving(bodies: Iterable[bytes], *, latency_seconds: float) -> Iterator[tuple[Path, World, str]]:
    """A temporary folder, a world with these milestones, and the address of its server."""
    world = World(bodies, now=now)
    with (
        tempfile.TemporaryDirectory(prefix="milestones-crash-") as folder,
        running(build_app(world, latency_seconds=latency_seconds)) as server,
    ):
        yield Path(folder), world, server.base_url


def main() -> None:
    """Kill, run again, compare; print a Markdown table and the faults."""
    begun = time.perf_counter()
    found = Found()
    with prepared(seed=SEED) as bench:
        for number in range(KILLS):
            bench.kill_once(number, found)
    kills = sum(found.kills.values())
    phases = "; ".join(f"{count} {name}" for name, count in sorted(found.kills.items()))
    print(f"seed {SEED}, {ROWS:,} milestones, {time.perf_counter() - begun:.0f} s; kills while: {phases}\n")
    print("| kills | lost | duplicated | unreadable | leftovers |")
    print("| --- | --- | --- | --- | --- |")
    print(
        f"| {kills} | {len(found.lost)} | {len(found.duplicated)} | {len(found.unreadable)} | {len(found.leftovers)} |"
    )
    for fault in (*found.lost[:5], *found.duplicated[:5], *found.unreadable, *found.leftovers):
        print(f"- {fault}")
    if found.lost or found.duplicated or found.unreadable or found.leftovers:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
