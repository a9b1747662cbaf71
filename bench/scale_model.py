"""What 10 million to 1,000 million milestones would cost, and what breaks first: `python -m bench.scale_model`.

Everything is extrapolated from what was measured: bench/RESULTS.md, and bench/measured.csv for other engines. The
result is the section "The plan upward" of docs/scale.md, between its markers.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.publish.partitions import VERSIONS_PER_RANGE
from pipelines.settings import Settings
from pipelines.warehouse.connection import MEMORY_BYTES, MILESTONES_OF_MEMORY
from schemas.api import PAGE_LIMIT
from tools.figures import Place, results

FOLDER = Path(__file__).parent
RESULTS, MEASURED, DOCUMENT = FOLDER / "RESULTS.md", FOLDER / "measured.csv", FOLDER.parent / "docs" / "scale.md"
_PLAN = re.compile(r"(<!-- plan: [^>]*-->\n).*?(<!-- end of plan -->)", re.DOTALL)

SMALL, LARGE = 170_000, 1_700_000
"""The sizes between which costs are taken to be linear; the second is the largest with every case."""
SIZES = (10_000_000, 100_000_000, 1_000_000_000)
MILLION, GB, HOUR, DAY = 1e6, 1e9, 3_600, 86_400
REQUESTS_PER_SECOND = Settings().requests_per_second
SIGNED_REQUESTS_PER_SECOND = 20
"""What an account with a key may send; the sandbox was measured at this rate too."""


@dataclass(frozen=True)
class Line:
    """A cost that grows with the number of milestones in a straight line."""

    fixed: float
    each: float

    def at(self, milestones: float) -> float:
        """The cost of this many milestones."""
        return self.fixed + self.each * milestones

    def reaches(self, limit: float) -> float:
        """How many milestones cost `limit`."""
        return (limit - self.fixed) / self.each


@dataclass(frozen=True)
class Limit:
    """A cost, the most that is acceptable, and what helps beyond it."""

    name: str
    cost: Line
    most: float
    shown: Callable[[float], str]
    remedy: str


def duration(seconds: float) -> str:
    """Seconds in a unit of which there are not too many."""
    for unit, size in (("days", DAY), ("h", HOUR), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.0f} s"


def amount(bytes_: float) -> str:
    """Bytes in GB or TB."""
    return f"{bytes_ / 1000 / GB:,.1f} TB" if bytes_ >= 1000 * GB else f"{bytes_ / GB:,.0f} GB"


def count(number: float) -> str:
    """A number of milestones, to two digits."""
    millions = number / MILLION
    return f"{round(millions, -1 if millions >= 100 else 0):,.0f} million"


class Model:
    """The costs on one machine, from the figures of RESULTS.md."""

    def __init__(self, measured: Mapping[Place, str]) -> None:
        self._measured = measured
        growth = ("Growth", f"{SMALL:,}")
        parts = ("DuckDB MB", "warehouse MB", "Parquet MB", "raw pages MB")
        self.disk = Line(0, sum(float(measured[*growth, part]) for part in parts) * 2**20 / SMALL)
        self.duckdb = Line(0, float(measured[*growth, "DuckDB bytes a milestone"]))
        self.sweep = self._line("first full sweep")
        self.poll = self._line("poll, 500 changed")
        self.rebuild = self._line("rebuild")
        self.publish = self._line("publish, the first")
        self.memory = self._line("first full sweep", "peak MB")
        self.files = Line(0, 1 / VERSIONS_PER_RANGE)

    def _line(self, case: str, column: str = "wall s") -> Line:
        small, large = (float(self._measured[f"{size:,} milestones", case, column]) for size in (SMALL, LARGE))
        each = (large - small) / (LARGE - SMALL)
        return Line(small - each * SMALL, each)

    def paced(self, requests_per_second: float) -> Line:
        """The seconds of a full sweep whose requests are paced."""
        return Line(0, 1 / (PAGE_LIMIT * requests_per_second))

    def limits(self) -> list[Limit]:
        """What breaks, in any order."""
        return [
            Limit(
                "a poll takes longer than the 5 minutes between two, as every publish copies the DuckDB file and "
                "hashes all files",
                self.poll,
                300,
                duration,
                "poll every hour; readers of Iceberg get the changed ranges only. Beyond that the DuckDB file must go: "
                "views over the Parquet ranges instead of a copy, which is not built",
            ),
            Limit(
                f"a full sweep takes longer than a day at {REQUESTS_PER_SECOND:g} requests a second",
                self.paced(REQUESTS_PER_SECOND),
                DAY,
                duration,
                "sign requests (extra `signed`) and raise `KALSHI_REQUESTS_PER_SECOND` to your account's limit; a full "
                "sweep a week. More machines do not help: the limit is for all together",
            ),
            Limit(
                f"a full sweep takes longer than a day at {SIGNED_REQUESTS_PER_SECOND} requests a second",
                self.paced(SIGNED_REQUESTS_PER_SECOND),
                DAY,
                duration,
                "a higher tier of the API; full sweeps by ranges of starts, the near ones more often",
            ),
            Limit(
                "the home is larger than a disk of 1 TB, one version of each milestone",
                self.disk,
                1000 * GB,
                amount,
                "a larger disk; fewer landed sweeps and snapshots (`MILESTONES_KEEP_SWEEPS`, "
                "`MILESTONES_KEEP_SNAPSHOTS`). The lake does not help: it is a copy, and the home keeps its own",
            ),
            Limit(
                "a rebuild takes longer than a day",
                self.rebuild,
                DAY,
                duration,
                "`milestones rebuild --engine spark --output`",
            ),
            Limit(
                "a table has more than 10,000 Parquet files (an assumed limit of what readers list gladly)",
                self.files,
                10_000,
                lambda files: f"{files:,.0f}",
                "larger ranges (`VERSIONS_PER_RANGE` in `pipelines/publish/partitions.py`)",
            ),
            Limit(
                f"DuckDB's memory limit, which grows beyond {MILESTONES_OF_MEMORY:,} milestones, is more than 16 GB",
                Line(0, MEMORY_BYTES / MILESTONES_OF_MEMORY),
                16 * GB,
                amount,
                "a machine with more memory; comparing and loading a sweep in parts, which is not built",
            ),
        ]


def plan(model: Model, others: Iterable[Mapping[str, str]]) -> str:
    """The text of the section."""
    limits = sorted(model.limits(), key=lambda limit: limit.cost.reaches(limit.most))
    return "\n".join(
        [
            "",
            *_intro(),
            "",
            "<!-- single runs -->",
            "",
            *_engines(model, others),
            "",
            *_sizes(model),
            "",
            "What breaks, in this order, on one machine with 2 cores:",
            "",
            "| breaks at about | what | then |",
            "| --: | --- | --- |",
            *(f"| {count(limit.cost.reaches(limit.most))} | {limit.name} | {limit.remedy} |" for limit in limits),
            "",
            *(f"- **{count(size)}:** {_first(limits, size)}." for size in SIZES),
            _memory(model),
            "",
            "<!-- end of single runs -->",
            "",
            "",
        ]
    )


def _intro() -> list[str]:
    return [
        f"Nothing above {LARGE:,} milestones was run with every case: the rest is a straight line through the figures",
        "of [bench/RESULTS.md](../bench/RESULTS.md), drawn by `python -m bench.scale_model`. The cost of other engines",
        "is in `bench/measured.csv`; the table has the largest run of work that grows with the milestones.",
    ]


def _memory(model: Model) -> str:
    grown = model.memory.at(LARGE) - model.memory.at(SMALL)
    return (
        f"- **Memory** grew by {grown:.0f} MB from {SMALL:,} to {LARGE:,} milestones, as batches bound it. "
        f"Beyond {MILESTONES_OF_MEMORY:,} DuckDB's limit grows by {MEMORY_BYTES / MILESTONES_OF_MEMORY:.0f} bytes a "
        "milestone ([ADR 10](adr/0010-large-queries-in-parts.md))."
    )


def _first(limits: list[Limit], size: float) -> str:
    """What breaks first at a size, and by how much."""
    broken = [limit for limit in limits if limit.cost.at(size) > limit.most]
    if not broken:
        return "nothing breaks; the nearest limit is that " + _with_cost(limits[0], size)
    verb = "is" if len(broken) == 1 else "are"
    return f"first, {_with_cost(broken[0], size)}; of {len(limits)} limits {len(broken)} {verb} exceeded"


def _with_cost(limit: Limit, size: float) -> str:
    return f"{limit.name} (here {limit.shown(limit.cost.at(size))})"


def _engines(model: Model, others: Iterable[Mapping[str, str]]) -> list[str]:
    local = (("first full sweep", model.sweep), ("rebuild", model.rebuild), ("first Parquet publish", model.publish))
    rows = [f"| one machine | {case} | {LARGE:,} | {line.at(LARGE) / LARGE * MILLION:.0f} |" for case, line in local]
    largest: dict[tuple[str, str], Mapping[str, str]] = {}
    for row in (row for row in others if row["grows"] == "yes"):
        key = row["engine"], row["case"]
        if key not in largest or int(row["milestones"]) > int(largest[key]["milestones"]):
            largest[key] = row
    for (engine, case), row in largest.items():
        milestones = int(row["milestones"])
        rows.append(f"| {engine} | {case} | {milestones:,} | {float(row['seconds']) / milestones * MILLION:.0f} |")
    return ["| engine | work | measured with | seconds a million |", "| --- | --- | --: | --: |", *rows]


def _sizes(model: Model) -> list[str]:
    rows: list[tuple[str, Line, Callable[[float], str]]] = [
        (f"full sweep at {REQUESTS_PER_SECOND:g} requests/s", model.paced(REQUESTS_PER_SECOND), duration),
        (f"full sweep at {SIGNED_REQUESTS_PER_SECOND} requests/s", model.paced(SIGNED_REQUESTS_PER_SECOND), duration),
        ("first full sweep, not paced", model.sweep, duration),
        ("poll of 500 changes", model.poll, duration),
        ("rebuild", model.rebuild, duration),
        ("DuckDB file", model.duckdb, amount),
        ("home: warehouse, published file, Parquet, raw", model.disk, amount),
        ("Parquet files of a table", model.files, lambda files: f"{files:,.0f}"),
    ]
    return [
        f"| | {' | '.join(count(size) for size in SIZES)} |",
        "| --- | --: | --: | --: |",
        *(f"| {name} | {' | '.join(shown(line.at(size)) for size in SIZES)} |" for name, line, shown in rows),
    ]


def with_plan(document: str) -> str:
    """The document with the section as it is now. Raises ValueError if its markers are missing."""
    with MEASURED.open(encoding="utf-8", newline="") as opened:
        text = plan(Model(results(RESULTS.read_text(encoding="utf-8"))), csv.DictReader(opened))
    written, found = _PLAN.subn(lambda markers: f"{markers[1]}{text}{markers[2]}", document)
    if found != 1:
        raise ValueError(f"the document must have one section between the comments {_PLAN.pattern}")
    return written


def main() -> None:
    """Write the section."""
    DOCUMENT.write_text(with_plan(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
