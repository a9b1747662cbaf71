"""What the endpoints beside milestones cost: `python -m bench.endpoints`.

A sandbox of BENCH_ROWS milestones (170,000) on loopback, without pacing. First sweeps of every endpoint are timed, then
polls of milestones without news are alternated: with and without the other endpoints. Prints Markdown tables.
"""

from __future__ import annotations

import os
import statistics
import time
from datetime import UTC, datetime

from bench.processes import measure
from bench.whole_runs import MILESTONES, folder, machine, ours, serving
from pipelines.kalshi.client import KalshiClient
from pipelines.orchestration.endpoints import refresh_of
from pipelines.storage.home import Home
from schemas.endpoints import ENDPOINTS

ROWS = int(os.environ.get("BENCH_ROWS", "170000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "7"))
MAX_REQUESTS = 100_000
"""No limit: the whole of an endpoint in one sweep."""


def main() -> None:
    """Run the benchmark."""
    print(f"{machine()}; {ROWS:,} milestones; {datetime.now(UTC):%Y-%m-%d}\n")
    with serving(ROWS) as server, folder() as place:
        home = Home(place / "home")
        alone = ours(server, home.root) | {"MILESTONES_ENDPOINTS": "none"}
        measure([MILESTONES, "ingest", "--full"], alone)
        os.environ |= alone | {"KALSHI_ENDPOINT_REQUESTS": str(MAX_REQUESTS)}
        print("| first sweep of | records | requests | seconds, load and publish included | records a second |")
        print("| --- | --: | --: | --: | --: |")
        for endpoint in ENDPOINTS:
            first_sweep(server.base_url, home, endpoint.name)
        print("\n| poll of milestones without news | seconds, median | CPU |\n| --- | --: | --: |")
        costs: dict[str, list[float]] = {}
        cpus: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for kept in ("none", ""):
                cost = measure([MILESTONES, "ingest"], alone | {"MILESTONES_ENDPOINTS": kept})
                costs.setdefault(kept, []).append(cost.wall)
                cpus.setdefault(kept, []).append(cost.cpu)
        for kept, name in (("none", "milestones only"), ("", "with all endpoints")):
            print(f"| {name} | {statistics.median(costs[kept]):.2f} | {statistics.median(cpus[kept]):.2f} |")
        share = statistics.median(costs[""]) / statistics.median(costs["none"]) - 1
        print(f"\nThe other endpoints cost {share:.1%} of such a poll (at most 10 % wanted).")


def first_sweep(base_url: str, home: Home, name: str) -> None:
    """Time the first sweep of one endpoint."""
    endpoint = next(one for one in ENDPOINTS if one.name == name)
    begun = time.perf_counter()
    with KalshiClient(base_url, requests_per_second=0, deadline_seconds=60) as api:
        result = refresh_of(home, endpoint).run(api)
    seconds = time.perf_counter() - begun
    if result is None:
        print(f"| {endpoint.title} | nothing to request | | {seconds:.1f} | |")
        return
    row, _ = result
    print(
        f"| {endpoint.title} | {row.records:,} | {row.requests:,} | {seconds:.1f} | {row.records / seconds:,.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
