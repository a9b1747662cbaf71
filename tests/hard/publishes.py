"""Publishes under readers: each reader sees one complete state, never an error, and never waits.

Two reader processes, `python -m tests.hard.publishes HOME`, open the published file again and again, and write a line
for each read: the seconds to open it, and what was wrong.
"""

from __future__ import annotations

import contextlib
import functools
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb

from pipelines.errors import MilestonesError
from pipelines.reading.connection import open_reader
from pipelines.storage.home import Home
from pipelines.warehouse.database import open_warehouse
from tests.hard.campaign import Campaign, Case, Judge, Totals
from tests.support import Shell, milestone, serving_shells

ROWS = 100
READERS = 2
READS_MIN = 1
"""Of each reader, in the time of a publish."""
WAIT_SECONDS_MAX = 60


@contextlib.contextmanager
def prepared(_: int) -> Iterator[Judge]:
    """A published home, and readers that run until the end."""
    with serving_shells() as shells, tempfile.TemporaryDirectory(prefix="milestones-publishes-") as folder:
        shell = shells(Path(folder) / "home", [milestone(number) for number in range(ROWS)])
        shell.sweep(mode="full")
        _mark(shell.home, -1)
        shell.stages.publish()
        with contextlib.ExitStack() as stack:
            readers = [
                stack.enter_context(_reader(shell.home, Path(folder) / f"reads-{one}")) for one in range(READERS)
            ]
            yield functools.partial(_published, shell, readers)


@contextlib.contextmanager
def _reader(home: Home, log: Path) -> Iterator[Path]:
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen([sys.executable, "-m", __name__, str(home.root)], stdout=output)
        try:
            yield log
        finally:
            process.kill()
            process.wait()


def _mark(home: Home, number: int) -> None:
    """Write the number of the publish into every milestone: a torn read would see two numbers."""
    with open_warehouse(home.warehouse_file) as connection:
        connection.execute("UPDATE milestones SET notification_message = ?", [str(number)])


def _published(shell: Shell, readers: list[Path], number: int) -> Case:
    # A minute on: the retention then removes old snapshots.
    shell.clock.forward(minutes=1)
    _mark(shell.home, number)
    before = [log.stat().st_size for log in readers]
    begun = time.perf_counter()
    shell.stages.publish()
    took = time.perf_counter() - begun
    case = Case(number, "publish", counts={"reads": 0}, samples={"publish": [took], "open": []})
    for log, offset in zip(readers, before, strict=True):
        lines = _lines_after(log, offset)
        case.counts["reads"] += len(lines)
        case.samples["open"] += [float(line.partition(" ")[0]) for line in lines]
        case.faults += [fault for line in lines if (fault := line.partition(" ")[2])]
        if len(lines) < READS_MIN:
            case.faults.append("a reader did not read")
    return case


def _lines_after(log: Path, offset: int) -> list[str]:
    """The complete lines of reads since the publish began: at least one, if the reader is alive."""
    give_up_at = time.monotonic() + WAIT_SECONDS_MAX
    while True:
        with log.open(encoding="utf-8") as file:
            file.seek(offset)
            lines = file.read().split("\n")[:-1]
        # The first line may begin in the middle of one that was being written.
        if len(lines) > READS_MIN or time.monotonic() > give_up_at:
            return lines[1:]
        time.sleep(0.01)


def read_once(home: Home) -> tuple[float, str]:
    """The seconds to open the published file, and what is wrong with its content."""
    begun = time.perf_counter()
    try:
        with open_reader(home.published_duckdb) as connection:
            opened = time.perf_counter() - begun
            counted = connection.execute("SELECT count(*), count(DISTINCT notification_message) FROM milestones")
            found = counted.fetchall()
    except (duckdb.Error, OSError, MilestonesError) as error:
        return time.perf_counter() - begun, " ".join(f"{type(error).__name__}: {error}".split())
    return opened, "" if found == [(ROWS, 1)] else f"torn: {found}"


def main() -> None:
    """Read until killed."""
    home = Home(Path(sys.argv[1]))
    while True:
        seconds, fault = read_once(home)
        sys.stdout.write(f"{seconds:.6f} {fault}".rstrip() + "\n")
        sys.stdout.flush()


def _summary(totals: Totals) -> str:
    opened, slow = (1000 * totals.percentile("open", share) for share in (0.5, 0.99))
    usual, longest = (totals.percentile("publish", share) for share in (0.5, 0.99))
    reads = totals.counts["reads"]
    return (
        f"{len(totals.faults)} torn reads or errors in {reads:,} reads by {READERS} processes. Opening: "
        f"{opened:.1f} ms, 99 % within {slow:.1f} ms. Publishing: {usual:.2f} s, 99 % within {longest:.2f} s"
    )


PUBLISHES = Campaign(
    name="publishes",
    title="10. Consistency of readers during publishes",
    unit="publishes",
    cases=1_000,
    fewest=3,
    prepared=prepared,
    summary=_summary,
    bound="reads",
    alone=True,
)

if __name__ == "__main__":
    main()
