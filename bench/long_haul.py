"""What 300 polls leave behind: `python -m bench.long_haul`. Fails if anything grows with their number.

One process runs the job repeatedly, as Dagster does over days: each poll brings five changed milestones of
2,000. Measured after every poll: the size of each part of the home, the time of the poll, open file descriptors. At the
end everything is pruned as it will be when the polls are old, every table is derived again, and the same data are
loaded in one sweep into an empty home, for comparison.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from bench.server import change
from pipelines.cli.run_job import run_ingest
from pipelines.orchestration.resources import utc_now
from pipelines.orchestration.run_retention import RunRetention, prune_runs
from pipelines.storage.disk_usage import sizes
from pipelines.storage.home import Home
from pipelines.storage.retention import Retention, prune
from pipelines.sweep.progress_listener import NullProgress
from pipelines.sweep.stages import Stages
from sandbox.app import build_app
from sandbox.generate import generate_bodies
from sandbox.server import running
from sandbox.world import World

POLLS = int(os.environ.get("BENCH_POLLS", "300"))
ROWS = 2_000
CHANGES = 5
SEED = 1
SHOWN = (1, 10, 30, 100, 300, 600, 1_000, 1_500)

MAX_SHARE = 1.5
MAX_MORE_BYTES = 64 * 1024 * 1024
"""Relative to the same data loaded in one sweep."""
MAX_SLOWER = 1.5
"""The median time of the last fifty polls, relative to that of polls 10 to 60."""
MIN_POLLS_TO_TIME = 110
"""With fewer polls these two groups overlap, and a busy machine looks like growth."""
BOUNDED = ("warehouse", "published_duckdb")
BOUNDED_LATER = ("raw", "published_parquet")
"""Parts that grow until their files are old enough to be removed."""
LATER = timedelta(days=15)
"""Older than every age that is kept; 20 sweeps, 3 snapshots and 200 runs of Dagster are kept at any age."""
MAX_DAGSTER_BYTES = 256 * 1024 * 1024
"""Of 200 runs: 0.8 MB each, and free pages of its index."""
MAX_MORE_FILES = 8
"""More file descriptors at the end than after the tenth poll."""


@dataclass
class Poll:
    """Measurements after a poll."""

    number: int
    seconds: float
    sizes: dict[str, int]
    descriptors: int


@dataclass
class Haul:
    """All polls, and the sizes of the same data loaded in one sweep."""

    polls: list[Poll] = field(default_factory=list)
    at_once: dict[str, int] = field(default_factory=dict)
    later: dict[str, int] = field(default_factory=dict)
    """Sizes after pruning as it is when all polls are old."""
    rebuild_seconds: float = 0.0

    def faults(self) -> list[str]:
        """Everything that grows with the number of polls."""
        last = self.polls[-1]
        found = [
            f"{part}: {last.sizes[part]:,} bytes, loaded in one sweep {self.at_once[part]:,}"
            for part in BOUNDED
            if last.sizes[part] > MAX_SHARE * self.at_once[part] + MAX_MORE_BYTES
        ]
        found += [
            f"{part}: {self.later[part]:,} bytes when the polls are old, loaded in one sweep {self.at_once[part]:,}"
            for part in BOUNDED_LATER
            if self.later[part] > MAX_SHARE * self.at_once[part] + MAX_MORE_BYTES
        ]
        if self.later["dagster"] > MAX_DAGSTER_BYTES:
            found.append(f"dagster: {self.later['dagster']:,} bytes when the polls are old")
        if len(self.polls) >= MIN_POLLS_TO_TIME:
            early, late = self._median_seconds(10, 60), self._median_seconds(-50, None)
            if late > MAX_SLOWER * early:
                found.append(f"polls take {late:.2f} s, {early:.2f} s at first")
        first = self.polls[min(10, len(self.polls)) - 1]
        if last.descriptors > first.descriptors + MAX_MORE_FILES:
            found.append(f"{last.descriptors} open files, {first.descriptors} after poll {first.number}")
        return found

    def _median_seconds(self, first: int, last: int | None) -> float:
        return statistics.median(poll.seconds for poll in self.polls[first:last])


def descriptors() -> int:
    """Open file descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def haul(folder: Path, *, polls: int, rows: int, after: Callable[[Poll], None]) -> Haul:
    """Run a full sweep, the polls and a rebuild; then load the same data in one sweep. Call `after` with each poll."""
    found = Haul()
    world = World(generate_bodies(rows, SEED, utc_now()), now=utc_now)
    with running(build_app(world)) as server:
        os.environ |= {"KALSHI_BASE_URL": server.base_url, "KALSHI_REQUESTS_PER_SECOND": "0"}
        home = _home(folder / "polled")
        run_ingest(home, {}, NullProgress())
        for number in range(1, polls + 1):
            change(world, CHANGES)
            begun = time.perf_counter()
            run_ingest(home, {}, NullProgress())
            found.polls.append(Poll(number, time.perf_counter() - begun, sizes(home), descriptors()))
            after(found.polls[-1])
        prune_everything(home)
        found.later = sizes(home)
        begun = time.perf_counter()
        Stages(home, now=utc_now).rebuild()
        found.rebuild_seconds = time.perf_counter() - begun
        fresh = _home(folder / "at-once")
        run_ingest(fresh, {}, NullProgress())
        found.at_once = sizes(fresh)
    return found


def prune_everything(home: Home) -> None:
    """Remove what the default retention removes when all polls are old."""
    later = utc_now() + LATER
    prune(home, Retention(), now=later)
    while prune_runs(home.dagster, RunRetention(), now=later):
        continue


def _home(root: Path) -> Home:
    home = Home(root)
    home.preflight()
    return home


def show(poll: Poll) -> None:
    """Print a row of the table at once: a haul of hours that is interrupted has shown what it measured."""
    if poll.number == 1:
        print(f"| poll | s | {' | '.join(part.replace('_', ' ') for part in poll.sizes)} | open files |")
        print(f"| --- {'| ---: ' * (len(poll.sizes) + 2)}|")
    if poll.number in SHOWN or poll.number == POLLS:
        print(f"| {poll.number} | {poll.seconds:.2f} | {megabytes(poll.sizes)} | {poll.descriptors} |", flush=True)


def megabytes(sizes: dict[str, int]) -> str:
    """The cells of a row, one for each part of the home."""
    return " | ".join(f"{size / 1e6:.1f}" for size in sizes.values())


def medians_of_tenths(seconds: list[float]) -> list[float]:
    """The median of each tenth of the polls, in order: their slope."""
    tenth = max(1, len(seconds) // 10)
    return [statistics.median(seconds[first : first + tenth]) for first in range(0, len(seconds), tenth)]


def main() -> None:
    """Poll and measure; print a Markdown table and the faults."""
    print(f"{ROWS:,} milestones, {CHANGES} changes per poll; MB\n")
    with tempfile.TemporaryDirectory(prefix="milestones-long-haul-") as folder:
        found = haul(Path(folder), polls=POLLS, rows=ROWS, after=show)
    print(f"| {LATER.days} days later | | {megabytes(found.later)} | |")
    print(f"| at once | | {megabytes(found.at_once)} | |")
    seconds = [poll.seconds for poll in found.polls]
    print(f"\nmedian poll of each tenth: {', '.join(f'{each:.2f}' for each in medians_of_tenths(seconds))} s")
    print(f"rebuild afterwards: {found.rebuild_seconds:.1f} s")
    faults = found.faults()
    for fault in faults:
        print(f"- {fault}")
    if faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
