"""Rebuilds on Spark next to rebuilds on this machine: `python -m bench.spark`, in the environment of `make spark`.

BENCH_SIZES=17000,170000 and BENCH_MASTER=local[2] choose. A fifth of the milestones has a second version. BENCH_HOME
is a home to rebuild instead, in place.
"""

from __future__ import annotations

import os
import statistics
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from bench.processes import Cost, measure
from bench.whole_runs import folder
from pipelines.kalshi.client import KalshiClient
from pipelines.storage.home import Home
from pipelines.sweep.progress_listener import NullProgress
from pipelines.sweep.request import SweepRequest
from pipelines.sweep.stages import Stages
from pipelines.warehouse.database import Warehouse
from sandbox.app import build_app
from sandbox.generate import generate_bodies
from sandbox.server import running
from sandbox.world import World

SIZES = tuple(map(int, os.environ.get("BENCH_SIZES", "17000,170000").split(",")))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "1"))
MASTER = os.environ.get("BENCH_MASTER", "local[2]")

REBUILD = (sys.executable, "-m", "pipelines.cli", "rebuild")
LOCAL, SPARK, TABLES = "rebuild", "rebuild --engine spark", "rebuild --engine spark --output"


def main() -> None:
    """Print a table of all sizes."""
    print(f"{MASTER}, rounds: {ROUNDS}\n")
    print("| milestones | versions | case | wall s | CPU s | peak MB | wall ratio to local | equal |")
    print("| --: | --: | --- | --: | --: | --: | --: | --- |")
    if given := os.environ.get("BENCH_HOME"):
        with folder() as place:
            _measure(place, Home(Path(given)))
        return
    for rows in SIZES:
        with folder() as place:
            _measure(place, _filled(place / "home", rows))


def _measure(place: Path, home: Home) -> None:
    with Warehouse(home).reading() as connection:
        rows, versions = (
            connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]  # noqa: S608
            for table in ("milestones", "milestone_versions")
        )
    environment = {"MILESTONES_HOME": str(home.root)}
    costs: dict[str, list[Cost]] = {LOCAL: [], SPARK: [], TABLES: []}
    equal: dict[str, bool] = {}
    for number in range(ROUNDS):
        costs[LOCAL].append(measure(REBUILD, environment))
        before = home.latest_snapshot.resolve()
        output = place / f"tables-{number}"
        on_spark = (*REBUILD, "--engine", "spark", "--master", MASTER)
        costs[TABLES].append(measure((*on_spark, "--output", str(output)), environment))
        equal[TABLES] = is_equal(before, output)
        costs[SPARK].append(measure(on_spark, environment))
        equal[SPARK] = is_equal(before, home.latest_snapshot.resolve())
    local = statistics.median(cost.wall for cost in costs[LOCAL])
    for case, of_case in costs.items():
        wall = statistics.median(cost.wall for cost in of_case)
        cpu = statistics.median(cost.cpu for cost in of_case)
        peak = statistics.median(cost.peak_mb for cost in of_case)
        checked = {True: "yes", False: "NO", None: ""}[equal.get(case)]
        figures = f"{wall:.1f} | {cpu:.1f} | {peak:.0f} | {wall / local:.2f}"
        print(f"| {rows:,} | {versions:,} | {case} | {figures} | {checked} |", flush=True)


def _filled(root: Path, rows: int) -> Home:
    """A home after two full sweeps; a fifth of the titles change in between."""
    home = Home(root)

    def now() -> datetime:
        return datetime.now(UTC)

    world = World(generate_bodies(rows, 1, now()), now=now)
    home.preflight()
    stages = Stages(home, now=now)
    with running(build_app(world)) as server:
        for sweep in range(2):
            for milestone_id in world.ids()[::5] if sweep else ():
                world.edit_title(milestone_id, "Another title")
            with KalshiClient(server.base_url, requests_per_second=0) as api:
                stages.land(api, SweepRequest(mode="full"), NullProgress())
            stages.stage_records()
            stages.stage_tables()
            stages.load()
    return home


def is_equal(folder: Path, other: Path) -> bool:
    """Whether the tables of `other` that follow from the log have the rows of those in `folder`."""
    names = [path.name for path in other.iterdir() if path.is_dir() and (folder / path.name).is_dir()]
    return bool(names) and all(_fingerprint(folder / name) == _fingerprint(other / name) for name in names)


def _fingerprint(folder: Path) -> list[tuple[object, ...]]:
    """The columns, the row count and an order-independent hash of the Parquet files below a folder."""
    with duckdb.connect() as connection:
        files = f"read_parquet('{folder}/**/*.parquet', hive_partitioning = false)"
        columns = connection.execute(f"DESCRIBE FROM {files}").fetchall()
        rows = f"SELECT count(*), bit_xor(hash(t)), sum(hash(t)::HUGEINT) FROM {files} AS t"  # noqa: S608
        return [*columns, *connection.execute(rows).fetchall()]


if __name__ == "__main__":
    main()
