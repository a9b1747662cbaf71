"""The report of `make bench`: cases, tables, goals, and the data of the plot. No measuring here."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bench.processes import MIB, Cost
from tools.figures import Place, results

FLOOR, DLT, DLT_AGAIN = "floor script", "dlt", "dlt again, nothing changed"
FIRST, AGAIN, REBUILD = "first full sweep", "full sweep again, nothing changed", "rebuild"
EMPTY_POLL, POLL = "poll, nothing changed", "poll, 500 changed"
IN_TURN = "poll, 500 changed, alternating with the other size"
POLL_BEFORE = "poll, nothing changed, earlier code"
CHANGE_ALL = "full sweep again, every milestone changed"
PUBLISH_ALL, PUBLISH_NONE = "publish, the first", "publish, nothing changed"
SQL = "milestones sql, a first answer"
CASES = (
    *(FLOOR, FIRST, AGAIN, EMPTY_POLL, POLL_BEFORE, POLL, IN_TURN, PUBLISH_NONE, PUBLISH_ALL, REBUILD, CHANGE_ALL),
    *(SQL, DLT, DLT_AGAIN),
)
TINY, SMALL, LARGE = 17_000, 170_000, 1_700_000
"""The sizes of the goals."""

METHOD = (
    "Whole processes from start to exit, Dagster included, with a sandbox on the same machine that uses some of the "
    "cores; only milestones, without the other endpoints. Values are medians. A poll brings 500 milestones that start "
    "about now. Memory is the peak of a process and all its descendants together. Compare the ratios of one run; polls "
    "of two sizes are run alternately. The floor is bench/floor.py: the tightest single process that does the same "
    "reading and writes three tables, without safety. dlt runs once per size, with its Parquet loader, its fastest, "
    "where it should fit into memory. A row with `>` was killed for lack of memory or after twenty minutes, "
    "and would have cost more."
)

Costs = dict[str, list[Cost]]


@dataclass
class Measured:
    """What one run of the bench measured, by number of milestones; texts are Markdown."""

    costs: dict[int, Costs] = field(default_factory=dict)
    disk: dict[int, dict[str, int]] = field(default_factory=dict)
    """Bytes after the first full sweep, by kind of file."""
    views: dict[int, str] = field(default_factory=dict)
    paced: str = ""
    dashboard: str = ""


def report(begun: datetime, rounds: int, machine: str, measured: Measured) -> str:
    """Everything measured so far."""
    parts = [
        "# Results",
        f"`make bench`, begun {begun:%Y-%m-%d %H:%M} UTC, rounds: {rounds} (1 for a million and more). {machine}",
        METHOD,
    ]
    if goals := "\n".join(_goals(measured)):
        parts.append(f"## Goals\n\n| | goal | measured | reached |\n| --- | --- | --: | --- |\n{goals}")
    parts += [_table(rows, costs) for rows, costs in measured.costs.items()]
    if measured.disk:
        parts += ["## Growth", _growth(measured), "![Time, memory and bytes by size](../docs/images/growth.png)"]
    if measured.paced:
        parts += ["## Limited by the rate, not by latency", measured.paced]
    for rows, views in measured.views.items():
        parts += [f"## Views at {rows:,}", views]
    if measured.dashboard:
        parts += ["## Dashboard", measured.dashboard]
    return "\n\n".join(parts) + "\n"


def growth(measured: Measured) -> dict[str, dict[int, float]]:
    """The data of the plot: what a first full sweep costs, by number of milestones."""
    of = measured.costs
    return {
        "seconds": {rows: wall(costs, FIRST) for rows, costs in of.items()},
        "seconds of the floor": {rows: wall(costs, FLOOR) for rows, costs in of.items()},
        "peak MB": {rows: peak(costs, FIRST) for rows, costs in of.items()},
        "bytes a milestone": {rows: disk["DuckDB"] / rows for rows, disk in measured.disk.items()},
    }


def _table(rows: int, costs: Costs) -> str:
    """The table of one size."""
    floor = wall(costs, FLOOR)
    lines = [
        f"## {rows:,} milestones\n",
        "| case | wall s | CPU s | peak MB | wall ratio to floor |",
        "| --- | --: | --: | --: | --: |",
    ]
    for case in CASES:
        if of_case := costs.get(case):
            cpu = statistics.median(cost.cpu for cost in of_case)
            more = "" if is_whole(costs, case) else "> "
            lines.append(
                f"| {case} | {more}{wall(costs, case):.2f} | {more}{cpu:.1f} | {more}{peak(costs, case):.0f} "
                f"| {more}{wall(costs, case) / floor:.2f} |"
            )
    return "\n".join(lines)


def _growth(measured: Measured) -> str:
    """The table of the first full sweep by size, with bytes on disk."""
    kinds = list(next(iter(measured.disk.values())))
    columns = ["wall s", "microseconds a milestone", "peak MB", *(f"{kind} MB" for kind in kinds)]
    columns.append("DuckDB bytes a milestone")
    lines = [f"| milestones | {' | '.join(columns)} |", f"| --- {'| --: ' * len(columns)}|"]
    for rows, disk in measured.disk.items():
        seconds = wall(measured.costs[rows], FIRST)
        sizes = " | ".join(f"{disk[kind] / MIB:.0f}" for kind in kinds)
        lines.append(
            f"| {rows:,} | {seconds:.1f} | {seconds / rows * 1e6:.0f} | {peak(measured.costs[rows], FIRST):.0f} "
            f"| {sizes} | {disk['DuckDB'] / rows:.0f} |"
        )
    return "\n".join(lines)


def _goals(measured: Measured) -> Iterator[str]:
    """The goals, and whether they are reached: a row for each whose cases were measured."""
    tiny, small, large = (measured.costs.get(rows, {}) for rows in (TINY, SMALL, LARGE))
    if DLT in tiny:
        yield _at_most("17,000: first full sweep, wall ratio to dlt", 1, wall(tiny, FIRST) / wall(tiny, DLT))
        yield _at_most("17,000: first poll, wall ratio to dlt again", 1, tiny[POLL][0].wall / wall(tiny, DLT_AGAIN))
    if small:
        yield _at_most("170,000: first full sweep, wall ratio to floor", 2.5, wall(small, FIRST) / wall(small, FLOOR))
        yield _at_most("170,000: peak MB", 600, max(peak(small, case) for case in (FIRST, AGAIN, POLL)))
        yield _at_most("170,000: poll with nothing new, wall s", 2.2, wall(small, EMPTY_POLL))
        if POLL_BEFORE in small:
            ratio = wall(small, EMPTY_POLL) / wall(small, POLL_BEFORE)
            yield _at_most("170,000: poll with nothing new, wall ratio to earlier code", 0.69, ratio)
        yield _at_most("170,000: milestones sql, first answer, wall s", 0.3, wall(small, SQL))
    if DLT in small:
        whole = is_whole(small, DLT)
        yield _at_least("170,000: dlt, wall ratio to ours", 5, wall(small, DLT) / wall(small, FIRST), is_whole=whole)
        yield _at_least("170,000: dlt, memory ratio to ours", 6, peak(small, DLT) / peak(small, FIRST), is_whole=whole)
    if measured.dashboard:
        yield from _goals_of_dashboard(results(measured.dashboard))
    if large:
        yield from _goals_of_large(measured, small, large)


def _goals_of_dashboard(figures: Mapping[Place, str]) -> Iterator[str]:
    """Of a table of `bench.dashboard`; there is none where it could not be measured."""
    for case, meaning in (("cold start", "from starting the command"), ("first visit", "of the running dashboard")):
        if median := figures.get(("", "first figures", f"{case}, median")):
            yield _at_most(f"170,000: dashboard, first figures, {case} {meaning}, s", 2, float(median))


def _goals_of_large(measured: Measured, small: Costs, large: Costs) -> Iterator[str]:
    yield _at_most("1,700,000: first full sweep, wall ratio to floor", 2, wall(large, FIRST) / wall(large, FLOOR))
    if LARGE in measured.views:
        yield _at_most("1,700,000: slowest view, warm, ms", 1_000, slowest_view(measured.views[LARGE]))
    if IN_TURN in large:
        ratio = wall(large, IN_TURN) / wall(small, IN_TURN)
        yield _at_most("poll of 500: wall ratio of 1,700,000 to 170,000", 1.5, ratio)
    if small:
        ratio = peak(large, FIRST) / peak(small, FIRST)
        yield _at_most("first full sweep: peak ratio of 1,700,000 to 170,000", 1.3, ratio)


def _at_most(what: str, limit: float, value: float) -> str:
    return f"| {what} | at most {limit:g} | {_short(value)} | {'yes' if value <= limit else 'NO'} |"


def _at_least(what: str, limit: float, value: float, *, is_whole: bool) -> str:
    reached = "yes" if value >= limit else "NO" if is_whole else "not known"
    return f"| {what} | at least {limit:g} | {'' if is_whole else '> '}{_short(value)} | {reached} |"


def _short(value: float) -> str:
    """Three digits, or all of those before the point."""
    return f"{value:.0f}" if value >= 1_000 else f"{value:.3g}"


def slowest_view(table: str) -> float:
    """The largest median in a table of `bench.views`, in ms."""
    return max(float(cell) for (_, _, column), cell in results(table).items() if column == "median ms")


def wall(costs: Costs, case: str) -> float:
    """The median wall time of a case, in seconds."""
    return statistics.median(cost.wall for cost in costs[case])


def is_whole(costs: Costs, case: str) -> bool:
    """Whether all its runs finished."""
    return all(cost.is_whole for cost in costs[case])


def peak(costs: Costs, case: str) -> float:
    """The median peak of a case, in MB."""
    return statistics.median(cost.peak_mb for cost in costs[case])
