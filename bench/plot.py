"""Draws how a first full sweep grows: `python bench/plot.py FILE.png`, with the data of `bench.report.growth` as JSON.

Runs in an environment with matplotlib.
"""

from __future__ import annotations

import json
import sys

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import EngFormatter, FuncFormatter

INK, OURS, FLOOR = "#2b2b2b", "#0b6e4f", "#9a9a9a"


def main(file: str) -> None:
    """Read the data from standard input and write the picture."""
    data = {name: {int(rows): value for rows, value in points.items()} for name, points in json.load(sys.stdin).items()}
    figure, (time, memory, disk) = plt.subplots(1, 3, figsize=(11, 3.4), dpi=110, layout="constrained")
    line(time, data["seconds"], OURS, "first full sweep")
    line(time, data["seconds of the floor"], FLOOR, "floor script")
    time.set(title="seconds", xscale="log", yscale="log")
    time.legend(frameon=False)
    line(memory, data["peak MB"], OURS, "")
    memory.set(title="peak memory of all processes, MB", xscale="log")
    line(disk, data["bytes a milestone"], OURS, "")
    disk.set(title="published DuckDB file, bytes a milestone", xscale="log")
    for axes in (memory, disk):
        # Room for the highest value.
        axes.set_ylim(0, 1.15 * axes.get_ylim()[1])
    for axes in (time, memory, disk):
        axes.set_xlabel("milestones")
        axes.set_xticks(sorted(data["seconds"]))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.title.set_color(INK)
        axes.title.set_size(10)
        axes.margins(x=0.15)
    figure.savefig(file)


def line(axes: plt.Axes, points: dict[int, float], colour: str, label: str) -> None:
    """One line, with its values."""
    rows = sorted(points)
    axes.plot(rows, [points[one] for one in rows], marker="o", markersize=4, color=colour, label=label)
    for one in rows:
        axes.annotate(
            f"{points[one]:,.0f}",
            (one, points[one]),
            xytext=(-4, 7),
            ha="center",
            textcoords="offset points",
            fontsize=8,
        )


if __name__ == "__main__":
    main(sys.argv[1])
