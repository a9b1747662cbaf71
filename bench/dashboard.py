"""The dashboard in a real browser: `cd dashboard && PYTHONPATH=.. .venv/bin/python -m bench.dashboard`.

It measures the first page with BENCH_ROWS milestones (170,000), BENCH_ROUNDS times (5), and how BENCH_PUBLISHES
publishes (200) and a dashboard with all pages open slow each other down. Prints Markdown tables. The browser always
runs already.

cold start    from starting the command; the browser has cached nothing
first visit   from opening the page of a dashboard that has shown it to another viewer; the browser has cached nothing
next visit    the same, in a browser that has cached Streamlit's files

It runs in the dashboard's environment; a process in the pipeline's environment publishes.
"""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
from board.published import Unavailable, identity_of, reading
from playwright.sync_api import Browser, BrowserContext, expect
from tests.browsing import PATIENCE_MS, Viewer, browsing, chromium, dashboard
from tests.publishing import Publisher, publishing

ROWS = int(os.environ.get("BENCH_ROWS", "170000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
PUBLISHES = int(os.environ.get("BENCH_PUBLISHES", "200"))
PUBLISHED_ROWS = int(os.environ.get("BENCH_PUBLISHED_ROWS", "5000"))
READ_PAUSE_SECONDS = 0.02
FIRST_PAINT_SECONDS = 3.0
COLD, FIRST_VISIT, NEXT_VISIT = "cold start", "first visit", "next visit"
PAGES = {"": "Now", "events": "Events", "changes": "Changes", "coverage": "Coverage", "health": "Health"}

MOMENTS = ("first paint", "first figures", "time line drawn", "table drawn")
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
# The page itself notes when something appears: this process sees it later, in its own order. The second chart is the
# time line; Vega draws thousands of marks on a canvas, and few marks as SVG.
NOTE_MOMENTS = """
    const moments = {
        "first figures": () => document.querySelector("[data-testid=stMetricValue]"),
        "time line drawn": () => document.querySelectorAll(".marks")[1],
        "table drawn": () => document.querySelector("[data-testid=stDataFrame] [role=gridcell]"),
    };
    window.moments = {};
    new MutationObserver(() => {
        for (const name in moments)
            if (!(name in window.moments) && moments[name]()) window.moments[name] = performance.now();
    }).observe(document, {childList: true, subtree: true});
"""


def main() -> None:
    """Measure both and print them."""
    executable = chromium()
    if executable is None:
        raise SystemExit("there is no Chromium: install Debian's package chromium")
    print(f"Python {platform.python_version()}, DuckDB {duckdb.__version__}, {os.cpu_count()} cores\n")
    with browsing(executable) as browser:
        first_pages(browser)
        if PUBLISHES:
            many_publishes(browser)


def first_pages(browser: Browser) -> None:
    """Print the times of the first page in all three cases; a round starts the command once."""
    with tempfile.TemporaryDirectory(prefix="milestones-bench-") as folder, publishing(Path(folder)) as publisher:
        publisher.past(rows=ROWS, sweeps=2, days=1, changes=ROWS // 200)
        rounds = [one_start(browser, publisher.home) for _ in range(ROUNDS)]
    cases = list(rounds[0])
    print(f"The page Now on {ROWS:,} milestones, {ROUNDS} rounds. Seconds: a cold start from starting the command, a")
    print("visit of the running dashboard from opening the page, without and with its files in the browser's cache.\n")
    print(f"| moment | {' | '.join(f'{case}, median | {case}, slowest' for case in cases)} |")
    print(f"| --- {'| --: | --: ' * len(cases)}|")
    for moment in rounds[0][COLD]:
        seconds = [[times[case][moment] for times in rounds] for case in cases]
        print(f"| {moment} | {' | '.join(f'{statistics.median(of):.2f} | {max(of):.2f}' for of in seconds)} |")
    painted = statistics.median(times[COLD]["first paint"] for times in rounds)
    print(
        f"\ncold start, first paint within {FIRST_PAINT_SECONDS:.0f} s: "
        f"{'yes' if painted < FIRST_PAINT_SECONDS else 'NO'}\n"
    )


def one_start(browser: Browser, home: Path) -> dict[str, dict[str, float]]:
    """Seconds to each moment of one start of the command, and of two visits after it."""
    with browser.new_context() as viewer, browser.new_context() as another:
        begun = time.time()
        with dashboard(home) as url:
            return {
                COLD: first_page(viewer, url, begun),
                FIRST_VISIT: first_page(another, url, time.time()),
                NEXT_VISIT: first_page(another, url, time.time()),
            }


def first_page(context: BrowserContext, url: str, begun: float) -> dict[str, float]:
    """Seconds from `begun` to each moment of a new window."""
    viewer = Viewer.of(context, url)
    page = viewer.page
    page.add_init_script(NOTE_MOMENTS)
    page.goto(url, wait_until="commit")
    served = time.time() - begun
    page.wait_for_function("Object.keys(window.moments).length === 3", timeout=PATIENCE_MS)
    viewer.settled()
    opened = page.evaluate("performance.timeOrigin") / 1000 - begun
    moments = {"first paint": page.evaluate(FIRST_PAINT)} | page.evaluate("window.moments")
    page.close()
    raise_faults([viewer])
    return {"server answers": served} | {name: opened + moments[name] / 1000 for name in MOMENTS}


@dataclass
class Reads:
    """Results of a reader that opens the published file repeatedly."""

    seconds: list[float] = field(default_factory=list)
    publishes: set[object] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


@contextmanager
def reader(file: Path) -> Iterator[Reads]:
    """Read as the pages do, continuously."""
    reads, ended = Reads(), threading.Event()

    def read() -> None:
        while not ended.wait(READ_PAUSE_SECONDS):
            begun = time.perf_counter()
            try:
                reads.publishes.add(identity_of(file))
                with reading(file) as connection:
                    connection.execute("FROM freshness").fetchall()
            except (Unavailable, duckdb.Error) as fault:
                reads.faults.append(str(fault))
            reads.seconds.append(time.perf_counter() - begun)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield reads
    finally:
        ended.set()
        thread.join()


def many_publishes(browser: Browser) -> None:
    """The same publishes without readers, and with all pages open and another reader."""
    with tempfile.TemporaryDirectory(prefix="milestones-bench-") as folder, publishing(Path(folder)) as publisher:
        publisher.past(rows=PUBLISHED_ROWS, sweeps=4, days=3, changes=20)
        alone = publisher.publish(PUBLISHES)
        with dashboard(publisher.home) as url:
            contexts = [browser.new_context() for _ in PAGES]
            viewers = [
                Viewer.of(context, url).open(path, heading)
                for context, (path, heading) in zip(contexts, PAGES.items(), strict=True)
            ]
            with reader(publisher.file) as reads:
                watched = publish_watched(publisher, viewers)
            for viewer in viewers:
                viewer.settled()
                expect(viewer.exceptions()).to_have_count(0)
            for context in contexts:
                context.close()
            raise_faults(viewers)
    report(alone, watched, reads)


def publish_watched(publisher: Publisher, viewers: list[Viewer]) -> list[float]:
    """Publish while the browser works: Playwright handles its events only while we wait for it."""
    publisher.begin_publishing(PUBLISHES)
    seconds: list[float] = []
    waiting = threading.Thread(target=lambda: seconds.extend(publisher.finish_publishing()))
    waiting.start()
    while waiting.is_alive():
        viewers[0].page.wait_for_timeout(200)
    return seconds


def raise_faults(viewers: list[Viewer]) -> None:
    """End with the errors of all windows, if there are any."""
    if faults := [fault for viewer in viewers for fault in viewer.faults]:
        raise SystemExit("\n".join(faults))


def report(alone: list[float], watched: list[float], reads: Reads) -> None:
    """Print the times of the writer and of the reader."""
    print(f"{PUBLISHES} publishes of {PUBLISHED_ROWS:,} milestones; {len(PAGES)} open pages and one more reader:\n")
    print("| ms | median | 99 of 100 within | slowest |")
    print("| --- | --- | --- | --- |")
    for case, seconds in (
        ("publish, without readers", alone),
        ("publish, with open pages", watched),
        (f"read ({len(reads.seconds):,})", reads.seconds),
    ):
        milliseconds = [second * 1000 for second in seconds]
        nearly_all = statistics.quantiles(milliseconds, n=100, method="inclusive")[-1]
        print(f"| {case} | {statistics.median(milliseconds):.0f} | {nearly_all:.0f} | {max(milliseconds):.0f} |")
    print(
        f"\nthe reader saw {len(reads.publishes)} publishes and {len(reads.faults)} errors; the windows had no errors"
    )
    for fault in sorted(set(reads.faults)):
        print(f"\n{fault}")


if __name__ == "__main__":
    main()
