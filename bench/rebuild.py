"""The time to derive every table again: `python -m bench.rebuild`, 50,000 milestones with three versions each."""

from __future__ import annotations

import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from pipelines.kalshi.client import KalshiClient
from pipelines.storage.home import Home
from pipelines.sweep.progress_listener import NullProgress
from pipelines.sweep.request import SweepRequest
from pipelines.sweep.stages import Stages
from pipelines.warehouse.database import open_warehouse
from sandbox.app import build_app
from sandbox.generate import generate_bodies
from sandbox.server import running
from sandbox.world import World
from schemas.sql import quote
from schemas.tables import DERIVED_TABLES

ROWS = int(os.environ.get("BENCH_ROWS", "50000"))
VERSIONS = 3


def main() -> None:
    """Load three versions of all milestones, rebuild, compare."""

    def now() -> datetime:
        return datetime.now(UTC)

    world = World(generate_bodies(ROWS, 1, now()), now=now)
    with tempfile.TemporaryDirectory(prefix="milestones-bench-") as folder, running(build_app(world)) as server:
        home = Home(Path(folder))
        home.preflight()
        stages = Stages(home, now=now)
        for version in range(VERSIONS):
            if version:
                for milestone_id in world.ids():
                    world.edit_title(milestone_id, f"Title {version}")
            with KalshiClient(server.base_url, requests_per_second=0) as api:
                stages.land(api, SweepRequest(mode="full"), NullProgress())
            stages.stage_records()
            stages.stage_tables()
            stages.load()
        before = fingerprint(home)
        begun = time.perf_counter()
        rows = stages.rebuild()
        seconds = time.perf_counter() - begun
        is_equal = fingerprint(home) == before
    versions, milestones = rows["milestone_versions"], rows["milestones"]
    print(f"{versions:,} versions of {milestones:,} milestones: {seconds:.1f} s, equal: {is_equal}")


def fingerprint(home: Home) -> dict[str, object]:
    """The row count and an order-independent hash of every derived table, typed tables included."""
    with open_warehouse(home.warehouse_file) as connection:
        typed = connection.execute("SELECT DISTINCT table_name FROM details_fields").fetchall()
        names = [*(table.name for table in DERIVED_TABLES), *(row[0] for row in typed)]
        hashes = "count(*), bit_xor(hash(t)), sum(hash(t)::HUGEINT)"
        return {
            name: connection.execute(f"SELECT {hashes} FROM {quote(name)} AS t").fetchall()  # noqa: S608
            for name in names
        }


if __name__ == "__main__":
    main()
