"""Sums a flame graph by stage: `python -m bench.flame FILE`, a profile of a whole run by `py-spy record -s -f raw`.

A sample counts for the innermost frame that belongs to a stage; helpers that all stages use belong to none. A thread
that waits for Python's lock counts as working, for py-spy cannot see it. Prints a Markdown table.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

OTHER = "between processes and threads"
STAGES = {
    "importing": ("(<frozen importlib", "<frozen runpy"),
    "fetching and landing": ("pipelines/kalshi/", "pipelines/storage/landing", "pipelines/storage/page_files"),
    "decoding": ("pipelines/records/", "pipelines/staging/stage_records"),
    "flattening": ("pipelines/flatten/", "pipelines/staging/stage_tables"),
    "audits": ("pipelines/warehouse/audits", "pipelines/orchestration/checks"),
    "loading": ("pipelines/warehouse/",),
    "publishing": ("pipelines/publish/",),
    "Dagster, its storage and our glue": ("/dagster/", "(dagster/", "pipelines/orchestration/", "pipelines/cli/"),
}


def stage_of(stack: str) -> str:
    """The stage of one folded stack, its frames from the outermost to the innermost separated by semicolons."""
    frames = stack.split(";")
    if any(mark in frame for frame in frames for mark in STAGES["importing"]):
        return "importing"
    for frame in reversed(frames):
        for stage, marks in STAGES.items():
            if any(mark in frame for mark in marks):
                return stage
    return OTHER


def summed(lines: Iterable[str]) -> Counter[str]:
    """The samples by stage of lines such as `outer;inner 12`."""
    samples = Counter[str]()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        samples[stage_of(stack)] += int(count)
    return samples


def main() -> None:
    """Print the shares of the stages, the largest first."""
    samples = summed(Path(sys.argv[1]).read_text().splitlines())
    print("| stage | share |\n| --- | --: |")
    for stage, count in samples.most_common():
        print(f"| {stage} | {100 * count / samples.total():.0f} % |")


if __name__ == "__main__":
    main()
