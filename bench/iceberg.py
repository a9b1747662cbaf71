"""The cost of publishing to Iceberg: `python -m bench.iceberg`, with `BENCH_ROWS` milestones (17,000).

Publishes a snapshot, the same again, and the snapshot of a poll of 500 changes. Then it writes the changed rows of two
tables with pyiceberg's `upsert`, for comparison: one has a key of one column, one a key of two. Prints lines for
bench/measured.csv.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from bench.processes import CommandFailed, measure
from pipelines.iceberg.catalogue import open_catalogue
from pipelines.kalshi.client import KalshiClient
from pipelines.storage.home import Home
from pipelines.sweep.progress_listener import NullProgress
from pipelines.sweep.request import SweepRequest
from pipelines.sweep.stages import Stages
from sandbox.app import build_app
from sandbox.evolve import Counts, evolve
from sandbox.generate import generate_bodies
from sandbox.server import running
from sandbox.world import World

ROWS = int(os.environ.get("BENCH_ROWS", "17000"))
CHANGES_OF_A_KIND = 125
UPSERT_SECONDS = 240
"""How long an upsert may take before it is given up."""


def main() -> None:
    """Measure each case and print it."""

    def now() -> datetime:
        return datetime.now(UTC)

    world = World(generate_bodies(ROWS, 1, now()), now=now)
    with tempfile.TemporaryDirectory(prefix="milestones-bench-") as name, running(build_app(world)) as server:
        folder = Path(name)
        home = Home(folder / "home")
        home.preflight()
        stages = Stages(home, now=now)

        def sweep(mode: str) -> None:
            with KalshiClient(server.base_url, requests_per_second=0) as api:
                stages.land(api, SweepRequest(mode=mode), NullProgress())
            stages.stage_records()
            stages.stage_tables()
            stages.load()
            stages.publish()

        sweep("full")
        report("first publish", folder, publish(folder, "lake"))
        report("the same again", folder, publish(folder, "lake"))
        measure(publish(folder, "upserted"), variables(folder))
        changes = CHANGES_OF_A_KIND
        evolve(world, 2, Counts(inserts=changes, reschedules=changes, title_edits=changes, tickers_added=changes))
        sweep("incremental")
        report("poll of 500 changes", folder, publish(folder, "lake"))
        for table in ("milestones", "milestone_details"):
            upsert(folder, home, table)


def publish(folder: Path, lake: str) -> list[str]:
    """The command that publishes the home into a lake."""
    url = f"sqlite:///{folder}/{lake}/catalog.db"
    return [sys.executable, "-m", "pipelines.cli", "publish", "--iceberg", url]


def report(case: str, folder: Path, command: list[str], *, seconds: float | None = None) -> None:
    """Run a command, and print its cost and what it added to the folder."""
    before = size(folder)
    grows = "yes" if case.startswith("first") else "no"
    try:
        cost = measure(command, variables(folder), seconds=seconds)
    except CommandFailed as failed:
        spent = f"{failed.cost.wall:.1f},{failed.cost.cpu:.1f},{failed.cost.peak_mb:.0f}"
        print(f"iceberg,{case} (given up),{ROWS},{spent},,{grows}", flush=True)
        return
    added = size(folder) - before
    spent = f"{cost.wall:.1f},{cost.cpu:.1f},{cost.peak_mb:.0f}"
    print(f"iceberg,{case},{ROWS},{spent},{added:.1f},{grows}", flush=True)


def variables(folder: Path) -> dict[str, str]:
    """The environment of the measured commands."""
    return {"MILESTONES_HOME": str(folder / "home")}


def size(folder: Path) -> float:
    """The size of all files below a folder in MB (2^20 bytes)."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


UPSERT = """
import json, sys
from pyiceberg.catalog import load_catalog
import pyarrow.parquet as pq
url, warehouse, table, rows, keys = sys.argv[1:]
table = load_catalog("milestones", uri=url, warehouse=warehouse).load_table(f"milestones.{table}")
table.upsert(pq.read_table(rows).cast(table.schema().as_arrow()), join_cols=json.loads(keys))
"""


def upsert(folder: Path, home: Home, table: str) -> None:
    """Write the changed rows of a table with pyiceberg's upsert."""
    url = f"sqlite:///{folder}/upserted/catalog.db"
    with open_catalogue(url, None) as catalogue, duckdb.connect(str(home.published_duckdb), read_only=True) as rows:
        stored = catalogue.load_table(f"milestones.{table}")
        rows.register("stored", stored.scan().to_arrow())
        columns = ", ".join(f'"{column}"' for column in stored.schema().column_names)
        changed = folder / f"{table}.parquet"
        changes = f"SELECT {columns} FROM {table} EXCEPT ALL FROM stored"  # noqa: S608 - names of our own
        rows.execute(f"COPY ({changes}) TO '{changed}'")
        keys = json.dumps(sorted(stored.schema().identifier_field_names()))
    command = [sys.executable, "-c", UPSERT, url, str(folder / "upserted"), table, str(changed), keys]
    report(f"pyiceberg upsert of the changed rows of {table}", folder, command, seconds=UPSERT_SECONDS)


if __name__ == "__main__":
    main()
