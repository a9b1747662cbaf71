"""Whole processes, as a user starts them: `milestones`, the floor script and dlt with one server: `make bench`.

All programs read the same data from the same sandbox, which runs in its own process on the same machine; rounds are
interleaved, so that a busy moment affects all. Compare the ratios of one run: machines differ and are noisy. Writes
bench/RESULTS.md after every size. Environment variables:

BENCH_SIZES     milestones, 17000,170000,1700000
BENCH_ROUNDS    3; sizes of a million and more are measured once
BENCH_DLT       the Python of dlt's environment, .environments/bench/dlt/bin/python; dlt is left out if it is missing or
                would not fit into memory; it runs once per size
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from bench.processes import MIB, CommandFailed, Cost, measure
from pipelines.project_files import CHECKOUT
from pipelines.storage.durable import write_durably
from pipelines.storage.home import Home
from pipelines.storage.landing import Landing

SIZES = [int(size) for size in os.environ.get("BENCH_SIZES", "17000,170000,1700000").split(",")]
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
ONCE_FROM = 1_000_000
DLT = Path(os.environ.get("BENCH_DLT", CHECKOUT / ".environments" / "bench" / "dlt" / "bin" / "python"))
RESULTS = CHECKOUT / "bench" / "RESULTS.md"

MILESTONES = str(Path(sys.executable).with_name("milestones"))
PUBLISH = (
    "from datetime import UTC, datetime; from pipelines.storage.home import Home; "
    "from pipelines.sweep.stages import Stages; "
    "Stages(Home.from_environment(), now=lambda: datetime.now(UTC)).publish()"
)

FLOOR = "floor script"


@dataclass(frozen=True)
class Dlt:
    """A way to run dlt: its loader format, and the bytes per milestone that it needed at 17,000.

    It runs only if it should fit into memory.
    """

    loader: str
    bytes_a_milestone: int


DLT_CASES = {
    "dlt, with its default loader": Dlt("insert_values", 110_000),
    "dlt, with its Parquet loader": Dlt("parquet", 25_000),
}
FIRST, AGAIN, POLL, REBUILD = "first full sweep", "full sweep again, nothing changed", "poll, 500 changed", "rebuild"
IN_TURN = "poll, 500 changed, alternating with the other size"
PUBLISH_ALL, PUBLISH_NONE = "publish, the first", "publish, nothing changed"
CASES = (FLOOR, *DLT_CASES, FIRST, AGAIN, POLL, IN_TURN, PUBLISH_NONE, PUBLISH_ALL, REBUILD)
DLT_SECONDS = 1_200
CHANGED = 500
POLLS = 3
SMALL, LARGE = 170_000, 1_700_000
"""Sizes whose polls are compared, alternating: otherwise minutes pass between them, and the machine may slow down."""
TURNS = 5
WARM_UP = 2
"""Polls that are not counted: the first ones after a rebuild publish every file again."""

PACED_ROWS, PACED_LATENCY, PACED_RATE = SMALL, 0.2, 20.0
PAGE = 500

METHOD = (
    "Whole processes from start to exit, Dagster included, with a sandbox on the same machine that uses some of the "
    "cores. Values are medians. A poll brings 500 milestones that start about now. Memory is the peak of a process and "
    "all its descendants together. Compare the ratios of one run; polls of two sizes are run alternately. dlt runs "
    "once per size, with each loader that should fit into memory (by its memory per milestone at 17,000). A row with "
    "`>` was killed for lack of memory or after twenty minutes, and would have cost more."
)

Costs = dict[str, list[Cost]]


class Server:
    """The sandbox in its own process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.base_url = self._line()

    def change(self, count: int) -> None:
        """Change `count` milestones that start about now."""
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: it is a pipe
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        if int(self._line()) != count:
            raise SystemExit(f"the sandbox has fewer than {count} milestones")

    def _line(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        return self._process.stdout.readline().strip()


@contextmanager
def serving(rows: int, *obstacles: float) -> Iterator[Server]:
    """A sandbox with `rows` milestones; `obstacles` are latency in seconds and requests per second."""
    command = [sys.executable, "-m", "bench.server", str(rows), *map(str, obstacles)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Server(process)
        process.communicate("")


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder."""
    with tempfile.TemporaryDirectory(prefix="milestones-bench-") as name:
        yield Path(name)


def main() -> None:
    """Measure every size; write the report after each."""
    begun = datetime.now(UTC)
    measured: dict[int, Costs] = {}
    views = paced = ""
    for rows in SIZES:
        with serving(rows) as server:
            measured[rows] = {}
            for number in range(1 if rows >= ONCE_FROM else ROUNDS):
                with folder() as place:
                    one_round(server, place, measured[rows], dlt=fitting(rows) if not number else [])
                    if rows == LARGE and SMALL in measured:
                        in_turn(server, place / "home", measured)
                    if rows == PACED_ROWS and not number:
                        views = time_views(place / "home")
        if rows == PACED_ROWS:
            paced = time_paced()
        write_durably(RESULTS, lambda part: part.write_text(report(begun, measured, views, paced)))  # noqa: B023
    print(RESULTS.read_text())


def in_turn(large: Server, home: Path, measured: dict[int, Costs]) -> None:
    """Measure polls of both sizes, alternating."""
    with serving(SMALL) as small, folder() as place:
        worlds = {SMALL: (small, ours(small, place)), LARGE: (large, ours(large, home))}
        measure([MILESTONES, "ingest", "--full"], worlds[SMALL][1])
        for turn in range(WARM_UP + TURNS):
            for rows, (server, environment) in worlds.items():
                server.change(CHANGED)
                cost = measure([MILESTONES, "ingest"], environment)
                if turn >= WARM_UP:
                    measured[rows].setdefault(IN_TURN, []).append(cost)
                    print(f"{IN_TURN}, {rows}: {cost.wall:.1f} s", file=sys.stderr, flush=True)


def ours(server: Server, home: Path) -> dict[str, str]:
    """The environment of our runs: no pacing."""
    return {
        "MILESTONES_HOME": str(home),
        "KALSHI_BASE_URL": server.base_url,
        "KALSHI_REQUESTS_PER_SECOND": "0",
    }


def one_round(server: Server, place: Path, costs: Costs, *, dlt: list[str]) -> None:
    """Measure every case once, and polls a few times, because they are short."""

    def note(case: str, command: list[str], *, seconds: float | None = None, **environment: str) -> None:
        cost = measure(command, environment, seconds=seconds)
        costs.setdefault(case, []).append(cost)
        print(f"{case}: {cost.wall:.1f} s, CPU {cost.cpu:.1f} s, {cost.peak_mb:.0f} MB", file=sys.stderr, flush=True)

    note(FLOOR, [sys.executable, "-m", "bench.floor", server.base_url, str(place / "floor")])
    home = place / "home"
    environment = ours(server, home)
    note(FIRST, [MILESTONES, "ingest", "--full"], **environment)
    note(AGAIN, [MILESTONES, "ingest", "--full"], **environment)
    for _ in range(POLLS):
        server.change(CHANGED)
        note(POLL, [MILESTONES, "ingest"], **environment)
    note(PUBLISH_NONE, [sys.executable, "-c", PUBLISH], **environment)
    shutil.rmtree(home / "published")
    note(PUBLISH_ALL, [sys.executable, "-c", PUBLISH], **environment)
    note(REBUILD, [MILESTONES, "rebuild"], **environment)
    for case in dlt:
        script = str(CHECKOUT / "bench" / "dlt_pipeline.py")
        way = DLT_CASES[case]
        command = [str(DLT), script, server.base_url, str(place / case), way.loader]
        try:
            note(case, command, seconds=DLT_SECONDS, RUNTIME__DLTHUB_TELEMETRY="false")
        except CommandFailed as failure:
            print(f"{case}: {failure}", file=sys.stderr, flush=True)
            if failure.status == -signal.SIGKILL:
                # Lack of memory or time: the cost until then is a lower bound.
                costs.setdefault(case, []).append(failure.cost)


def fitting(rows: int) -> list[str]:
    """The dlt cases that should fit into free memory."""
    available = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    free = int(available.split()[1]) * 1024
    return [case for case, way in DLT_CASES.items() if DLT.exists() and rows * way.bytes_a_milestone < free]


def time_views(home: Path) -> str:
    """The table with the times of the views."""
    command = [sys.executable, "-m", "bench.views"]
    environment = os.environ | {"BENCH_HOME": str(home)}
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def time_paced() -> str:
    """A full sweep with latency and a rate limit, compared with the time that the limit allows."""
    with serving(PACED_ROWS, PACED_LATENCY, PACED_RATE) as server, folder() as place:
        paced = ours(server, place) | {"KALSHI_REQUESTS_PER_SECOND": f"{PACED_RATE:g}"}
        whole = measure([MILESTONES, "ingest", "--full"], paced).wall
        landing = Landing.newest(Home(place).raw)
        assert landing is not None  # noqa: S101 - the run has succeeded
        sweep = landing.sweep
        with duckdb.connect(str(place / "published" / "milestones.duckdb"), read_only=True) as connection:
            pages, requests, limited = connection.execute(
                "SELECT pages, requests, rate_limited FROM sweeps"
            ).fetchall()[0]
        assert sweep.landed_at is not None  # noqa: S101 - the run has succeeded
        fetched = (sweep.landed_at - sweep.started_at).total_seconds()
    least = PACED_ROWS / PAGE / PACED_RATE
    return (
        f"{PACED_LATENCY * 1000:.0f} ms latency, {PACED_RATE:g} requests per second allowed, {PACED_ROWS:,} milestones "
        f"({PACED_ROWS // PAGE} pages of {PAGE}, {least:.0f} s at that rate): fetched in {fetched:.1f} s, "
        f"{fetched / least:.2f} x (goal: at most 1.3 x), by {requests} requests for {pages} pages, {limited} of them "
        f"refused with 429; one after the other, they would wait {PACED_ROWS / PAGE * PACED_LATENCY:.0f} s for latency "
        f"alone. The whole process: {whole:.1f} s."
    )


# The report


def report(begun: datetime, measured: dict[int, Costs], views: str, paced: str) -> str:
    """Everything measured so far, as Markdown."""
    parts = [
        "# Results",
        f"`make bench`, begun {begun:%Y-%m-%d %H:%M} UTC, rounds: {ROUNDS} (1 for a million and more). {machine()}",
        METHOD,
    ]
    parts += [table(rows, costs) for rows, costs in measured.items()]
    parts += goals(measured)
    if paced:
        parts += ["## Limited by the rate, not by latency", paced]
    if views:
        parts += ["## Views", views]
    return "\n\n".join(parts) + "\n"


def machine() -> str:
    """The machine and the versions."""
    cpu = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / MIB / 1024
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("dagster", "duckdb", "pyarrow"))
    if DLT.exists():
        ask = "import importlib.metadata as m; print('dlt', m.version('dlt'), 'with duckdb', m.version('duckdb'))"
        versions += f", {subprocess.check_output([DLT, '-c', ask], text=True).strip()}"
    name = cpu.partition(":")[2].strip()
    return f"{name}, {os.cpu_count()} cores, {memory:.0f} GiB; Python {platform.python_version()}, {versions}."


def table(rows: int, costs: Costs) -> str:
    """The table of one size."""
    floor = wall(costs, FLOOR)
    lines = [
        f"## {rows:,} milestones\n",
        "| case | wall s | CPU s | peak MB | wall ratio to floor |",
        "| --- | --: | --: | --: | --: |",
    ]
    for case in CASES:
        if of_case := costs.get(case):
            cpu = statistics.median(cost.cpu for cost in of_case)
            more = "" if is_whole(costs, case) else "> "
            lines.append(
                f"| {case} | {more}{wall(costs, case):.1f} | {more}{cpu:.1f} | {more}{peak(costs, case):.0f} "
                f"| {more}{wall(costs, case) / floor:.2f} |"
            )
    return "\n".join(lines)


def goals(measured: dict[int, Costs]) -> list[str]:
    """The goals, and whether they are reached."""
    lines: list[str] = []

    def row(what: str, limit: str, value: str, reached: str) -> None:
        lines.append(f"| {what} | {limit} | {value} | {reached} |")

    def goal(what: str, value: float, limit: float) -> None:
        row(what, f"at most {limit:g}", f"{value:.3g}", "yes" if value <= limit else "NO")

    def lead(what: str, case: str, value: float, limit: float) -> None:
        whole = is_whole(costs, case)
        reached = "yes" if value >= limit else "NO" if whole else "not known"
        row(f"{case}: {what}", f"at least {limit:g}", f"{'' if whole else '> '}{value:.3g}", reached)

    if costs := measured.get(SMALL):
        goal("first full sweep: wall ratio to floor", wall(costs, FIRST) / wall(costs, FLOOR), 2.0)
        goal("full sweep again: wall ratio to floor", wall(costs, AGAIN) / wall(costs, FLOOR), 1.2)
        goal("peak MB", max(peak(costs, case) for case in (FIRST, AGAIN, POLL)), 700)
        for case in (case for case in DLT_CASES if case in costs):
            lead("wall ratio to first full sweep", case, wall(costs, case) / wall(costs, FIRST), 25)
            lead("memory ratio to first full sweep", case, peak(costs, case) / peak(costs, FIRST), 15)
        if large := measured.get(LARGE):
            if IN_TURN in large:
                ratio = wall(large, IN_TURN) / wall(costs, IN_TURN)
                goal("poll of 500: wall ratio of 1,700,000 to 170,000", ratio, 1.5)
            goal("first full sweep: peak ratio of 1,700,000 to 170,000", peak(large, FIRST) / peak(costs, FIRST), 1.3)
    header = "## Goals\n\n| | goal | measured | reached |\n| --- | --- | --: | --- |\n"
    return [header + "\n".join(lines)] if lines else []


def wall(costs: Costs, case: str) -> float:
    """The median wall time of a case, in seconds."""
    return statistics.median(cost.wall for cost in costs[case])


def is_whole(costs: Costs, case: str) -> bool:
    """Whether all its runs finished."""
    return all(cost.is_whole for cost in costs[case])


def peak(costs: Costs, case: str) -> float:
    """The median peak of a case, in MB."""
    return statistics.median(cost.peak_mb for cost in costs[case])


if __name__ == "__main__":
    main()
