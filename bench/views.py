"""The time of every view and macro, read completely with a warm cache: `python -m bench.views`.

It generates BENCH_ROWS milestones (170,000), sweeps them twice with changes in between, adds made-up rows of the other
endpoints, and publishes; BENCH_HOME names a home to use instead. Prints a Markdown table of the times until the result
is in memory as Arrow.
"""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from pipelines.kalshi.client import KalshiClient
from pipelines.publish.views import describe_views
from pipelines.reading.published import open_published
from pipelines.storage.home import Home
from pipelines.sweep.progress_listener import NullProgress
from pipelines.sweep.request import SweepRequest
from pipelines.sweep.stages import Stages
from pipelines.warehouse.database import Warehouse
from sandbox.app import build_app
from sandbox.evolve import Counts, evolve
from sandbox.generate import generate_bodies
from sandbox.server import running
from sandbox.world import World

ROWS = int(os.environ.get("BENCH_ROWS", "170000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "7"))
HOME = os.environ.get("BENCH_HOME")
LIMIT_MS = 300

VALUES = {"hours": "24", "ts": "now() - INTERVAL 1 MINUTE"}
"""Values of parameters without a default."""

CHANGES = Counts(
    inserts=ROWS // 200,
    reschedules=ROWS // 100,
    title_edits=ROWS // 100,
    tickers_added=ROWS // 200,
    status_changes=ROWS // 100,
    removals=ROWS // 2000,
)

OTHER_ENDPOINTS = Path(__file__).with_name("other_endpoints.sql")


def main() -> None:
    """Measure all, the slowest first."""
    with tempfile.TemporaryDirectory(prefix="milestones-bench-") as folder:
        home = Home(Path(HOME or folder).absolute())
        if not HOME:
            make(home)
        with open_published(home) as connection:
            report(connection, {query: measure(connection, query) for query in queries(connection)})


def make(home: Home) -> None:
    """Publish milestones with a history."""

    def now() -> datetime:
        return datetime.now(UTC)

    world = World(generate_bodies(ROWS, 1, now()), now=now)
    home.preflight()
    stages = Stages(home, now=now)
    with running(build_app(world)) as server:
        for changes in (Counts(), CHANGES):
            evolve(world, 1, changes)
            with KalshiClient(server.base_url, requests_per_second=0) as api:
                stages.land(api, SweepRequest(mode="full"), NullProgress())
            stages.stage_records()
            stages.stage_tables()
            stages.load()
    with Warehouse(home).writing() as connection:
        connection.execute(OTHER_ENDPOINTS.read_text(encoding="utf-8"))
    stages.publish()


def queries(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """A query for each view, for each macro with its parameters, and for the best start of one event."""
    ticker = connection.execute("SELECT max(event_ticker) FROM shared_events").fetchall()[0][0]
    asked = [f"FROM event_starts WHERE event_ticker = '{ticker}'"]
    for view in describe_views(connection):
        values = [VALUES[parameter.name] for parameter in view.parameters if parameter.default is None]
        asked.append(f"FROM {view.name}" if view.is_view else f"FROM {view.name}({', '.join(values)})")
    return asked


def measure(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, list[float]]:
    """The number of rows, and the milliseconds of every round after a warm-up."""
    rows, times = 0, []
    for _ in range(ROUNDS + 1):
        begun = time.perf_counter()
        rows = connection.sql(query).to_arrow_table().num_rows
        times.append((time.perf_counter() - begun) * 1_000)
    return rows, times[1:]


def report(connection: duckdb.DuckDBPyConnection, measured: dict[str, tuple[int, list[float]]]) -> None:
    """Print a Markdown table."""
    milestones, events, versions = (
        connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]  # noqa: S608
        for table in ("milestones", "milestone_events", "milestone_versions")
    )
    print(
        f"{milestones:,} milestones, {events:,} of their events, {versions:,} versions; {ROUNDS} rounds; "
        f"DuckDB {duckdb.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores\n"
    )
    print("| query | rows | median ms | slowest ms |")
    print("| --- | --- | --- | --- |")
    for query, (rows, times) in sorted(measured.items(), key=lambda one: -statistics.median(one[1][1])):
        print(f"| `{query}` | {rows:,} | {statistics.median(times):.0f} | {max(times):.0f} |")
    slow = [query for query, (_, times) in measured.items() if statistics.median(times) >= LIMIT_MS]
    if slow:
        raise SystemExit(f"slower than {LIMIT_MS} ms: {', '.join(slow)}")


if __name__ == "__main__":
    main()
