"""Each habit of the API, and any order of the same pages: the tables are the same, whichever way.

Two homes go the same way, one with the API as it is known and one with a habit. A habit that the pipeline cannot work
with must end a sweep with an error that names it, and leave the tables as they were.
"""

from __future__ import annotations

import contextlib
import functools
import random
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from pipelines.kalshi.errors import FilterIgnored, InvalidCursor, PagingFault, ServerFault
from pipelines.sweep.progress_listener import NullProgress
from pipelines.sweep.request import SweepRequest
from sandbox.app import build_app
from sandbox.habits import HABITS, Habits, habits_of
from sandbox.obstacles import Faults
from schemas.sql import literal, quote
from schemas.tables import TOUCHED
from tests.hard.campaign import Campaign, Case, Judge, Totals, drawn
from tests.support import NOON, OUR_CLOCK, Shell, Shells, milestone, milestone_id, serving_shells

ROWS = 150
CHANGED = 40
LIMITS = (20, 100, 500)
CONNECTIONS = (1, 4)
NOT_COMPARED = frozenset({"sweeps", "schema_version", TOUCHED.name})
COLUMNS = """
SELECT table_name, list(column_name ORDER BY column_name) FROM duckdb_columns() WHERE NOT internal GROUP BY table_name
"""
State = dict[str, tuple[object, ...]]
OF_THE_RUN = OUR_CLOCK | {"sweep_id", "first_sweep_id"}

NAMED: Mapping[str, tuple[type[Exception], ...]] = {
    # Pages without a known cursor cannot be told from the end, but for one more request.
    "next-cursor": (PagingFault,),
    # Without it there is no catch-up and no poll.
    "ignores-min-updated-ts": (FilterIgnored,),
    # A full last page without a cursor cannot be checked.
    "ignores-minimum-start-date": (FilterIgnored, PagingFault),
    "ignores-category": (FilterIgnored,),
    "ignores-type": (FilterIgnored,),
    "ignores-source-id": (FilterIgnored,),
    "ignores-related-event-ticker": (FilterIgnored,),
}
"""The habits that may end a sweep, with the errors that say so."""

FILTERS: tuple[dict[str, Any], ...] = (
    {"category": "Politics"},
    {"type": "political_race"},
    {"source_id": "nobody"},
    {"event": "KXGAME-7"},
    {"competition": "NFL"},
)


def rows() -> list[dict[str, Any]]:
    """Milestones around now, half of them of the past."""
    return [
        milestone(
            number,
            start_date=f"{NOON.replace(day=1 + number % 28, hour=number % 24):%Y-%m-%dT%H:%M:%SZ}",
            last_updated_ts=f"2026-11-20T08:{number % 60:02}:00Z",
        )
        for number in range(ROWS)
    ]


@dataclass
class Way:
    """One home and its API. `said` lists the errors of sweeps, `broken` those that changed a table."""

    shells: Shells
    shell: Shell
    habits: Habits
    limit: int = 500
    connections: int = 1
    said: list[Exception] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def sweep(self, faults: Faults | None = None, **request: Any) -> None:
        """Land and load a sweep; an error must leave the tables as they were."""
        self.shells.serve(build_app(self.shell.world, faults=faults, habits=self.habits))
        before = self.tables()
        try:
            with self.shell.client(connections=self.connections, page_limit=self.limit, sleep=lambda _: None) as api:
                self.shell.stages.land(api, SweepRequest(**request), NullProgress())
        except ServerFault:
            # The injected one: the next sweep resumes.
            return
        except (FilterIgnored, PagingFault, InvalidCursor) as error:
            self.said.append(error)
            if self.tables() != before:
                self.broken.append(f"{type(error).__name__} changed the tables")
            return
        self.shell.stage()
        self.shell.stages.load()

    def seconds(self) -> float:
        """The simulated time, by which cursors expire."""
        return self.shell.clock.time.timestamp()

    def tables(self) -> State:
        """The state of the warehouse; nothing before the first sweep."""
        file = self.shell.home.warehouse_file
        return state_of(file) if file.exists() else {}


def state_of(file: Path) -> State:
    """The row count and an order-independent hash of each table with rows, without columns that depend on the run."""
    with duckdb.connect(str(file), read_only=True) as connection:
        state: State = {}
        for table, names in connection.execute(COLUMNS).fetchall():
            if table not in NOT_COMPARED:
                found = _hashed(connection, table, [name for name in names if name not in OF_THE_RUN], "true")
                state |= {table: found} if found[0] else {}
        return state


def current(shell: Shell) -> tuple[object, ...]:
    """The state of the milestones that the API has, as last seen: of the others a sweep that failed knows less."""
    ids = ", ".join(literal(one) for one in shell.world.ids())
    columns = ("milestone_id", "content_hash", "start_date", "title", "details")
    with duckdb.connect(str(shell.home.warehouse_file), read_only=True) as connection:
        return _hashed(connection, "milestones", columns, f"milestone_id IN ({ids})")


def _hashed(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Iterable[str], condition: str
) -> tuple[object, ...]:
    rows = f"SELECT {', '.join(map(quote, columns))} FROM {quote(table)} WHERE {condition}"
    hashes: tuple[object, ...] = connection.execute(
        f"SELECT count(*), bit_xor(hash(t)), sum(hash(t)::HUGEINT) FROM ({rows}) AS t"
    ).fetchall()[0]
    return hashes


def change(shell: Shell, draw: random.Random) -> None:
    """Move, edit, add, remove and touch milestones, at times that do not depend on what was requested before."""
    shell.clock.time = NOON.replace(hour=13)
    numbers = draw.sample(range(ROWS), CHANGED)
    for number in numbers[:10]:
        shell.world.reschedule(milestone_id(number), NOON.replace(day=draw.randint(1, 28), hour=draw.randrange(24)))
    for number in numbers[10:20]:
        shell.world.edit_title(milestone_id(number), f"edited {number}")
    for number in numbers[20:24]:
        shell.world.remove(milestone_id(number))
    shell.world.touch(milestone_id(number) for number in numbers[24:])
    for number in range(5):
        shell.world.insert(milestone(ROWS + number))
    shell.clock.time = NOON.replace(hour=14)


def go(way: Way, draw: random.Random, interrupted: int | None) -> None:
    """A first sweep, perhaps interrupted after some pages; changes; a poll, a filtered and a full sweep."""
    if interrupted is not None:
        way.sweep(Faults(fail_after_pages=interrupted))
        way.shell.clock.forward(minutes=2)
    way.sweep()
    change(way.shell, draw)
    way.sweep()
    way.sweep(**draw.choice(FILTERS))
    way.sweep(mode="full")


@contextlib.contextmanager
def prepared(seed: int) -> Iterator[Judge]:
    """A server for all homes."""
    with serving_shells() as shells, tempfile.TemporaryDirectory(prefix="milestones-habits-") as folder:
        yield functools.partial(_odd, shells, Path(folder), seed)


def _odd(shells: Shells, folder: Path, seed: int, number: int) -> Case:
    name = list(HABITS)[number % len(HABITS)]
    draw = drawn(seed, "habit", number)
    limit, connections = draw.choice(LIMITS), draw.choice(CONNECTIONS)
    interrupted = draw.choice((None, 1, 2))
    state = draw.getrandbits(64)
    case = Case(number, name)
    plain = Way(shells, shells(folder / "plain", rows()), Habits(), limit, connections)
    go(plain, random.Random(state), interrupted)  # noqa: S311 - the same changes for both
    odd = Way(shells, shells(folder / "odd", rows()), habits_of([name]), limit, connections)
    odd.habits.clock = odd.seconds
    go(odd, random.Random(state), interrupted)  # noqa: S311
    case.faults += odd.broken
    case.faults += [f"plain API: {error}" for error in plain.said]
    case.faults += [repr(error) for error in odd.said if not isinstance(error, NAMED.get(name, ()))]
    if odd.said:
        # What the habit kept from being read comes with the first sweep without it.
        odd.habits = Habits()
        odd.sweep(mode="full")
    wanted, got = plain.tables(), odd.tables()
    case.faults += [f"table {table} differs" for table in wanted if not odd.said and wanted[table] != got.get(table)]
    if odd.said and current(plain.shell) != current(odd.shell):
        case.faults.append("the milestones differ after a sweep without the habit")
    case.counts = {"errors": len(odd.said), "same": int(not odd.said and not case.faults)}
    for way in (plain, odd):
        shutil.rmtree(way.shell.home.root)
    return case


@contextlib.contextmanager
def repeated(seed: int) -> Iterator[Judge]:
    """The tables of one undisturbed sweep of the same data, for comparison."""
    with serving_shells() as shells, tempfile.TemporaryDirectory(prefix="milestones-repeats-") as folder:
        plain = Way(shells, shells(Path(folder) / "plain", rows()), Habits())
        plain.sweep()
        yield functools.partial(_repeated, shells, Path(folder), plain.tables(), seed)


def _repeated(shells: Shells, folder: Path, wanted: State, seed: int, number: int) -> Case:
    draw = drawn(seed, "repeat", number)
    habits = Habits(
        order=draw.choice(("start", "start descending", "id", "update")),
        page_rows=draw.choice((None, 7, 33)),
        absent_cursor=draw.random() < 0.5,
        null_lists=draw.random() < 0.5,
    )
    way = Way(
        shells,
        shells(folder / "repeated", rows()),
        habits,
        draw.choice((1, 2, 7, 13, *LIMITS)),
        draw.choice(CONNECTIONS),
    )
    steps = draw.choices(("full", "auto", "stage", "load", "rebuild"), k=draw.randint(1, 4))
    way.sweep(Faults(fail_after_pages=draw.randint(1, 5)) if draw.random() < 0.5 else None)
    for step in ("full", *steps):
        match step:
            case "stage":
                way.shell.stage()
            case "load":
                way.shell.stages.load()
            case "rebuild":
                way.shell.stages.rebuild()
            case "full" | "auto":
                way.sweep(mode=step)
    got = way.tables()
    faults = [
        f"{habits.order}, {way.limit}, {steps}: table {table} differs"
        for table in wanted
        if wanted[table] != got.get(table)
    ]
    shutil.rmtree(way.shell.home.root)
    return Case(number, habits.order, [*faults, *map(repr, way.said)], {"steps": 1 + len(steps)})


def _summary(totals: Totals) -> str:
    return (
        f"{totals.cases - totals.failed:,} of {totals.cases:,} ways as they should be, of {len(HABITS)} habits: "
        f"{totals.counts['same']:,} gave the same tables as the API that is known, in the others "
        f"{totals.counts['errors']:,} sweeps ended with an error that names the cause and changed nothing"
    )


def _summary_of_repeats(totals: Totals) -> str:
    hashes = "1 distinct hash" if not totals.failed else f"{1 + totals.failed} distinct hashes"
    return (
        f"{hashes} of all tables after {totals.counts['steps']:,} steps: sweeps, polls, staging, loading and rebuilds "
        "again, in four orders and many cuts of pages"
    )


WAYS = Campaign(
    name="habits",
    title="Habits of the API that nobody has ruled out",
    unit="ways",
    cases=4 * len(HABITS),
    fewest=len(HABITS),
    prepared=prepared,
    summary=_summary,
)
REPEATS = Campaign(
    name="repeats",
    title="5. Idempotence",
    unit="ways",
    cases=100,
    fewest=3,
    prepared=repeated,
    summary=_summary_of_repeats,
)
