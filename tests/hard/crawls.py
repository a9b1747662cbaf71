"""Full sweeps over data that change between two pages, simulated: see `bench.completeness`."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

from bench.completeness import in_shards, one_scan, simulate, then_incremental, with_catch_ups
from tests.hard.campaign import Campaign, Case, Judge, Totals

COMPLETE = {
    "scan and catch-ups": with_catch_ups,
    "four requests in flight": in_shards,
    "full, then incremental": then_incremental,
}


@contextlib.contextmanager
def prepared(seed: int) -> Iterator[Judge]:
    """No set-up: a simulation is made of the seed and the number."""
    yield functools.partial(_crawled, seed)


def _crawled(seed: int, number: int) -> Case:
    case = Case(number, "crawl", counts={"milestones": 0, "missed": 0, "baseline": 0, "endless": 0})
    for name, crawl in COMPLETE.items():
        found = simulate(crawl, f"{seed} {number}")
        case.counts["milestones"] += found.milestones
        case.counts["endless"] += not found.has_ended
        if found.has_ended and found.total:
            case.counts["missed"] += found.total
            case.faults.append(f"{name}: {found.absent} never read, {found.outdated} outdated")
    case.counts["baseline"] = int(simulate(one_scan, f"{seed} {number}").total > 0)
    return case


def _summary(totals: Totals) -> str:
    counts = totals.counts
    return (
        f"{counts['missed']} of {counts['milestones']:,} milestones missed, in three kinds of full sweep; "
        f"{counts['endless']} sweeps failed as the changes did not end. One scan alone missed some in "
        f"{counts['baseline']:,} of {totals.cases:,}"
    )


CRAWLS = Campaign(
    name="crawls",
    title="4. Completeness while the data change",
    unit="crawls",
    cases=1_000,
    fewest=5,
    prepared=prepared,
    summary=_summary,
)
