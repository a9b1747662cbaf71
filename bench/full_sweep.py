"""Time and memory of whole `milestones ingest` processes against the sandbox: `make bench`.

Each case is a process of its own, as a user would start it; the sandbox runs in another one. Prints a Markdown table.
"""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROWS = int(os.environ.get("BENCH_ROWS", "20000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
PORT = 8898
COMMAND = [sys.executable, "-m", "pipelines.cli"]


@dataclass(frozen=True)
class Cost:
    """Of one whole process: wall and CPU seconds, peak memory in MB."""

    wall: float
    cpu: float
    peak_mb: float


def main() -> None:
    """Run every case in every round, print medians."""
    server = subprocess.Popen([*COMMAND, "sandbox", "--rows", str(ROWS), "--port", str(PORT)], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None  # noqa: S101 - for the type checker; PIPE was asked for
        server.stdout.readline()
        costs: dict[str, list[Cost]] = {}
        for _ in range(ROUNDS):
            home = Path(tempfile.mkdtemp(prefix="milestones-bench-"))
            try:
                for case, arguments in (
                    ("first full sweep", ["ingest", "--full"]),
                    ("full sweep, nothing changed", ["ingest", "--full"]),
                    ("incremental sweep, nothing changed", ["ingest"]),
                ):
                    costs.setdefault(case, []).append(measure(arguments, home))
            finally:
                shutil.rmtree(home)
    finally:
        server.terminate()
        server.wait()
    report(costs)


def measure(arguments: list[str], home: Path) -> Cost:
    """One process, from start to exit."""
    environment = os.environ | {
        "MILESTONES_HOME": str(home),
        "KALSHI_BASE_URL": f"http://127.0.0.1:{PORT}/trade-api/v2",
        "KALSHI_REQUESTS_PER_SECOND": "0",
    }
    begun = time.perf_counter()
    process = subprocess.Popen([*COMMAND, *arguments], env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"milestones {' '.join(arguments)} ended with {process.returncode}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def report(costs: dict[str, list[Cost]]) -> None:
    """Medians as a Markdown table."""
    cores = os.cpu_count()
    print(f"{ROWS:,} milestones, {ROUNDS} rounds, medians; Python {platform.python_version()}, {cores} cores\n")
    print("| case | wall s | CPU s | peak MB |")
    print("| --- | --- | --- | --- |")
    for case, of_case in costs.items():
        wall, cpu, peak = (
            statistics.median(getattr(cost, name) for cost in of_case) for name in ("wall", "cpu", "peak_mb")
        )
        print(f"| {case} | {wall:.1f} | {cpu:.1f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
