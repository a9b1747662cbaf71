"""Whole processes, as a user starts them: `milestones`, the floor script and dlt with one server: `make bench`.

All programs read the same data from the same sandbox, which runs in its own process on the same machine; rounds are
interleaved, so that a busy moment affects all. Compare the ratios of one run: machines differ and are noisy. Writes
bench/RESULTS.md after every size, and docs/images/growth.png. Environment variables:

BENCH_SIZES     milestones, 17000,170000,1700000,5000000
BENCH_ROUNDS    3; sizes of a million and more are measured once, from 5,000,000 on only first sweeps
BENCH_DLT       the Python of dlt's environment, .environments/bench/dlt/bin/python; dlt is left out if it is missing or
                would not fit into memory; it runs once per size
BENCH_BEFORE    a checkout of earlier code; its polls with nothing new run in turn with ours, in the same environment,
                below a million milestones
BENCH_PLOT      the Python of the plot's environment, .environments/bench/plot/bin/python
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from bench.processes import MIB, CommandFailed, measure
from bench.report import (
    AGAIN,
    CHANGE_ALL,
    DLT,
    DLT_AGAIN,
    EMPTY_POLL,
    FIRST,
    FLOOR,
    IN_TURN,
    LARGE,
    POLL,
    POLL_BEFORE,
    PUBLISH_ALL,
    PUBLISH_NONE,
    REBUILD,
    SMALL,
    SQL,
    TINY,
    Costs,
    Measured,
    growth,
    report,
)
from pipelines.project_files import CHECKOUT
from pipelines.storage.durable import write_durably
from pipelines.storage.home import Home
from pipelines.storage.landing import Landing

SIZES = [int(size) for size in os.environ.get("BENCH_SIZES", "17000,170000,1700000,5000000").split(",")]
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
ONCE_FROM = 1_000_000
ONLY_FIRST_FROM = 5_000_000
ENVIRONMENTS = CHECKOUT / ".environments" / "bench"
DLT_PYTHON = Path(os.environ.get("BENCH_DLT", ENVIRONMENTS / "dlt" / "bin" / "python"))
BEFORE = os.environ.get("BENCH_BEFORE")
PLOT_PYTHON = Path(os.environ.get("BENCH_PLOT", ENVIRONMENTS / "plot" / "bin" / "python"))
DASHBOARD = CHECKOUT / "dashboard"
RESULTS = CHECKOUT / "bench" / "RESULTS.md"
PLOT = CHECKOUT / "docs" / "images" / "growth.png"

MILESTONES = str(Path(sys.executable).with_name("milestones"))
PUBLISH = (
    "from datetime import UTC, datetime; from pipelines.storage.home import Home; "
    "from pipelines.sweep.stages import Stages; "
    "Stages(Home.from_environment(), now=lambda: datetime.now(UTC)).publish()"
)

DLT_BYTES_A_MILESTONE = 90_000
"""What dlt needed at 170,000, rounded up: it makes a column of every id that is a key."""

DLT_SECONDS = 1_200
NO_DASHBOARD = "Not measured: it needs Chromium and `make dashboard/.venv/.dev`, or it failed."
CHANGED = 500
POLLS = 3
TURNS = 5
"""Polls of two sizes are compared alternating: otherwise minutes pass between them, and the machine may slow down."""

WARM_UP = 2
"""Polls that are not counted: the first ones after a rebuild publish every file again."""

PACED_ROWS, PACED_LATENCY, PACED_RATE = SMALL, 0.2, 20.0
PAGE = 500


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
    measured = Measured()
    for rows in SIZES:
        with serving(rows) as server:
            measure_size(server, rows, measured)
        if rows == PACED_ROWS:
            measured.paced = time_paced()
            measured.dashboard = time_dashboard()
        text = report(begun, ROUNDS, machine(), measured)
        write_durably(RESULTS, lambda part: part.write_text(text))  # noqa: B023
        plot(measured)
    print(RESULTS.read_text())


def measure_size(server: Server, rows: int, measured: Measured) -> None:
    """Measure every case of one size."""
    costs = measured.costs.setdefault(rows, {})
    rounds = 1 if rows >= ONCE_FROM else ROUNDS
    for number in range(rounds):
        with folder() as place:
            first(server, place, costs)
            measured.disk[rows] = disk(place / "home")
            if rows >= ONLY_FIRST_FROM:
                continue
            others(server, place, costs, is_large=rows >= ONCE_FROM)
            if not number and fits_dlt(rows):
                run_dlt(server, place, costs, again=rows <= TINY)
            if rows == LARGE and SMALL in measured.costs:
                in_turn(server, place / "home", measured.costs)
            if rows in (SMALL, LARGE) and not number:
                measured.views[rows] = time_views(place / "home")
            if number == rounds - 1:
                # Last of all: the polls after it would fetch everything that has just changed.
                server.change(rows)
                note(costs, CHANGE_ALL, [MILESTONES, "ingest", "--full"], **ours(server, place / "home"))


def in_turn(large: Server, home: Path, costs: dict[int, Costs]) -> None:
    """Measure polls of both sizes, alternating."""
    with serving(SMALL) as small, folder() as place:
        worlds = {SMALL: (small, ours(small, place)), LARGE: (large, ours(large, home))}
        measure([MILESTONES, "ingest", "--full"], worlds[SMALL][1])
        for turn in range(WARM_UP + TURNS):
            for rows, (server, environment) in worlds.items():
                server.change(CHANGED)
                ignored: Costs = {}
                note(costs[rows] if turn >= WARM_UP else ignored, IN_TURN, [MILESTONES, "ingest"], **environment)


def ours(server: Server, home: Path) -> dict[str, str]:
    """The environment of our runs: milestones only, no pacing."""
    return {
        "MILESTONES_HOME": str(home),
        "MILESTONES_ENDPOINTS": "none",
        "KALSHI_BASE_URL": server.base_url,
        "KALSHI_REQUESTS_PER_SECOND": "0",
    }


def note(costs: Costs, case: str, command: list[str], *, seconds: float | None = None, **environment: str) -> None:
    """Measure a command. One that is killed for lack of memory or time gives a lower bound."""
    try:
        cost = measure(command, environment, seconds=seconds)
    except CommandFailed as failure:
        if failure.status != -signal.SIGKILL or seconds is None:
            raise
        cost = failure.cost
    costs.setdefault(case, []).append(cost)
    print(f"{case}: {cost.wall:.1f} s, CPU {cost.cpu:.1f} s, {cost.peak_mb:.0f} MB", file=sys.stderr, flush=True)


def first(server: Server, place: Path, costs: Costs) -> None:
    """Measure the floor and a first full sweep."""
    note(costs, FLOOR, [sys.executable, "-m", "bench.floor", server.base_url, str(place / "floor")])
    shutil.rmtree(place / "floor")
    note(costs, FIRST, [MILESTONES, "ingest", "--full"], **ours(server, place / "home"))


def others(server: Server, place: Path, costs: Costs, *, is_large: bool) -> None:
    """Measure every other case of ours once, and polls a few times, because they are short."""
    environment = ours(server, place / "home")
    note(costs, AGAIN, [MILESTONES, "ingest", "--full"], **environment)
    worlds = {EMPTY_POLL: environment}
    if BEFORE and not is_large:
        worlds[POLL_BEFORE] = ours(server, place / "home-before") | {"PYTHONPATH": BEFORE}
        measure([MILESTONES, "ingest", "--full"], worlds[POLL_BEFORE])
    for _ in range(POLLS):
        for case, of_case in worlds.items():
            note(costs, case, [MILESTONES, "ingest"], **of_case)
    for _ in range(POLLS):
        server.change(CHANGED)
        note(costs, POLL, [MILESTONES, "ingest"], **environment)
    for _ in range(POLLS):
        note(costs, SQL, [MILESTONES, "sql", "select count(*) from milestones"], **environment)
    note(costs, PUBLISH_NONE, [sys.executable, "-c", PUBLISH], **environment)
    shutil.rmtree(place / "home" / "published")
    note(costs, PUBLISH_ALL, [sys.executable, "-c", PUBLISH], **environment)
    note(costs, REBUILD, [MILESTONES, "rebuild"], **environment)


def run_dlt(server: Server, place: Path, costs: Costs, *, again: bool) -> None:
    """Measure dlt: a first run, and with few milestones one after it with nothing changed, which merges all again."""
    command = [str(DLT_PYTHON), str(CHECKOUT / "bench" / "dlt_pipeline.py"), server.base_url, str(place / "dlt")]
    for case in (DLT, DLT_AGAIN) if again else (DLT,):
        note(costs, case, command, seconds=DLT_SECONDS, RUNTIME__DLTHUB_TELEMETRY="false")


def fits_dlt(rows: int) -> bool:
    """Whether dlt is installed and should fit into free memory."""
    available = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    return DLT_PYTHON.exists() and rows * DLT_BYTES_A_MILESTONE < int(available.split()[1]) * 1024


def disk(home: Path) -> dict[str, int]:
    """Bytes on disk by kind of file."""
    published = Home(home)
    return {
        "DuckDB": published.published_duckdb.stat().st_size,
        "Parquet": _size(published.latest_snapshot.resolve()),
        "warehouse": published.warehouse_file.stat().st_size,
        "raw pages": _size(published.raw),
    }


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def plot(measured: Measured) -> None:
    """Draw how a first full sweep grows, if the plot's environment is installed."""
    if PLOT_PYTHON.exists():
        script, data = str(CHECKOUT / "bench" / "plot.py"), json.dumps(growth(measured))
        subprocess.run([str(PLOT_PYTHON), script, str(PLOT)], input=data, check=True, text=True)


def time_dashboard() -> str:
    """The dashboard's first page, or why it could not be measured."""
    python = DASHBOARD / ".venv" / "bin" / "python"
    if not (python.with_name("playwright").exists() and shutil.which("chromium")):
        return NO_DASHBOARD
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT), "BENCH_PUBLISHES": "0"}
    command = [str(python), "-m", "bench.dashboard"]
    finished = subprocess.run(command, cwd=DASHBOARD, env=environment, check=False, stdout=subprocess.PIPE, text=True)
    return finished.stdout.strip() if finished.returncode == 0 else NO_DASHBOARD


def time_views(home: Path) -> str:
    """The table with the times of the views, and those that are too slow: a goal, and no reason to stop."""
    command = [sys.executable, "-m", "bench.views"]
    environment = os.environ | {"BENCH_HOME": str(home)}
    return subprocess.run(command, env=environment, check=False, stdout=subprocess.PIPE, text=True).stdout.strip()


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


def machine() -> str:
    """The machine and the versions."""
    cpu = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / MIB / 1024
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("dagster", "duckdb", "pyarrow"))
    if DLT_PYTHON.exists():
        ask = "import importlib.metadata as m; print('dlt', m.version('dlt'), 'with duckdb', m.version('duckdb'))"
        versions += f", {subprocess.check_output([DLT_PYTHON, '-c', ask], text=True).strip()}"
    name = cpu.partition(":")[2].strip()
    return f"{name}, {os.cpu_count()} cores, {memory:.0f} GiB; Python {platform.python_version()}, {versions}."


if __name__ == "__main__":
    main()
