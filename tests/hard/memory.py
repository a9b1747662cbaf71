"""The peak memory of a process that meets what is large: `python -m tests.hard.memory NAME ROWS` runs one of them."""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from pipelines.kalshi.client import KalshiClient
from pipelines.kalshi.errors import TooLarge
from pipelines.kalshi.query import MilestoneQuery
from pipelines.records.decode import decode_page
from pipelines.storage.home import Home
from pipelines.sweep.progress_listener import NullProgress
from pipelines.sweep.request import SweepRequest
from pipelines.sweep.stages import Stages
from tests.hard.campaign import Campaign, Case, Judge, Totals
from tests.kalshi.fault_server import FaultServer, answer
from tests.records.samples import encoded, milestone, page

MIB = 1024 * 1024
BOMB_MIB = 300
GZIP = 31
"""What zlib calls a stream with the header and the trailer of gzip."""
MANY = int(os.environ.get("HARD_MILESTONES", "1000000"))
SMALL_LIMIT_MIB, LARGE_LIMIT_MIB = 250, 900
"""More than a process that only imports the pipeline: of one page, and of a whole first sweep."""


def nothing(_: str) -> None:
    """Only the imports."""


def bomb(_: str) -> None:
    """A gzip answer that decodes to much more than the limit of a page."""
    packer = zlib.compressobj(wbits=GZIP)
    body = b"".join(packer.compress(bytes(MIB)) for _ in range(BOMB_MIB)) + packer.flush()
    with (
        FaultServer(answer(body, Content_Encoding="gzip")) as server,
        KalshiClient(server.url) as api,
        contextlib.suppress(TooLarge),
    ):
        api.list_page(MilestoneQuery())
        raise RuntimeError("the bomb was read")


def long_text(_: str) -> None:
    """A record with 10 MB of text."""
    decode_page(page(encoded(milestone(title="x" * 10 * MIB))))


def tickers(_: str) -> None:
    """A record with 100,000 tickers."""
    decode_page(page(encoded(milestone(related_event_tickers=[f"KXGAME-{number}" for number in range(100_000)]))))


def sweep(base_url: str) -> None:
    """A first sweep of many milestones, without Dagster."""
    with tempfile.TemporaryDirectory(prefix="milestones-memory-") as folder:
        home = Home(Path(folder))
        home.preflight()
        stages = Stages(home, now=lambda: datetime.now(UTC))
        with KalshiClient(base_url, requests_per_second=0, connections=4) as api:
            stages.land(api, SweepRequest(mode="full"), NullProgress())
        stages.stage_records()
        stages.stage_tables()
        stages.load()
        stages.publish()


WORK: dict[str, Callable[[str], None]] = {
    "nothing": nothing,
    "bomb of 300 MB": bomb,
    "text of 10 MB": long_text,
    "100,000 tickers": tickers,
    "sweep": sweep,
}


@contextlib.contextmanager
def prepared(seed: int) -> Iterator[Judge]:
    """No set-up: the server of the sweep is a process of its own."""
    del seed
    yield functools.partial(_measured)


def _measured(number: int) -> Case:
    name = list(WORK)[number % len(WORK)]
    with contextlib.ExitStack() as stack:
        base_url = stack.enter_context(_sandbox()) if name == "sweep" else ""
        done = subprocess.run(
            [sys.executable, "-m", __name__, name, base_url], capture_output=True, text=True, check=False
        )
    case = Case(number, name)
    if done.returncode:
        case.faults.append(done.stderr.strip()[-300:])
        return case
    peak, baseline = msgspec.json.decode(done.stdout.splitlines()[-1], type=tuple[float, float])
    case.peaks = {name: peak}
    limit = LARGE_LIMIT_MIB if name == "sweep" else SMALL_LIMIT_MIB
    if peak > baseline + limit:
        case.faults.append(f"{peak:.0f} MiB, {baseline:.0f} before, at most {limit} more are allowed")
    return case


@contextlib.contextmanager
def _sandbox() -> Iterator[str]:
    command = [sys.executable, "-m", "bench.server", str(MANY)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.communicate()


def main(name: str, base_url: str) -> None:
    """Do one piece of work; write the peak of this process or of its largest child, and the peak before, in MiB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    WORK[name](base_url)
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    sys.stdout.write(msgspec.json.encode((peak / 1024, before / 1024)).decode() + "\n")


def _summary(totals: Totals) -> str:
    peaks = [
        f"{name.replace('sweep', f'first sweep of {MANY:,} milestones')} {peak:.0f} MiB"
        for name, peak in totals.peaks.items()
    ]
    return f"peak of the process: {', '.join(peaks)}"


MEMORY = Campaign(
    name="memory",
    title="9. Bounds of memory",
    unit="processes",
    cases=len(WORK),
    fewest=len(WORK) - 1,
    prepared=prepared,
    summary=_summary,
    bound=None,
    alone=True,
)

if __name__ == "__main__":
    main(*sys.argv[1:])
