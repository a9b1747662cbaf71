"""The history of an event's starts: the listed start of each milestone over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import altair as alt

from board.charts.axes import time_axis
from board.queries.start_versions import StartVersion
from board.theme import ViewSettings
from board.times import NOTHING, epoch_ms, in_both

HEIGHT_PX = 230
LEGEND_PX = 260
ID_SHOWN = 8
LINES_MAX = 8
"""More lines are not legible: the milestones with the most versions are drawn."""


def steps(start_versions: Sequence[StartVersion], now: datetime) -> list[tuple[StartVersion, datetime, datetime]]:
    """The corners of the step lines: a start is valid from when it was first seen until the next version, or now."""
    return [
        (version, moment, version.start_date)
        for version in start_versions
        if version.start_date is not None
        for moment in (version.valid_from, version.valid_to or now)
    ]


def line_names(start_versions: Sequence[StartVersion]) -> dict[str, str]:
    """The name of each milestone in the legend: its title, with the start of its id if two have the same title."""
    titles = {version.milestone_id: version.title for version in start_versions}
    shared = Counter(titles.values())
    return {
        milestone_id: title if shared[title] == 1 else f"{title} ({milestone_id[:ID_SHOWN]})"
        for milestone_id, title in titles.items()
    }


def start_history(start_versions: Sequence[StartVersion], view: ViewSettings, now: datetime) -> alt.LayerChart:
    """A step line per milestone: x is when a start was listed, y is that start."""
    versions = Counter(version.milestone_id for version in start_versions)
    kept = {milestone_id for milestone_id, _ in versions.most_common(LINES_MAX)}
    names = line_names([version for version in start_versions if version.milestone_id in kept])
    values = [
        {
            "seen": epoch_ms(seen),
            "start": epoch_ms(start),
            "milestone": names[version.milestone_id],
            "title": version.title,
            "participants": version.participants or NOTHING,
            "written": in_both(start, view.zone),
            "from": in_both(version.valid_from, view.zone),
            "begins": seen == version.valid_from,
        }
        for version, seen, start in steps([version for version in start_versions if version.milestone_id in kept], now)
    ]
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("seen:T", scale=view.time_scale(nice=False), axis=time_axis(view, title="seen")),
        y=alt.Y(
            "start:T",
            scale=view.time_scale(nice=True),
            axis=time_axis(view, title="listed start", tickCount=5, labelFlush=False),
        ),
        color=alt.Color(
            "milestone:N",
            legend=None
            if len(names) < 2
            else alt.Legend(labelLimit=LEGEND_PX, columns=alt.ExprRef(f"max(1, floor(width / {LEGEND_PX}))")),
            scale=alt.Scale(
                domain=list(names.values()),
                range=["#14a39a", "#3d7fe0", "#d9982b", "#9a6ee0", "#dc5a62", "#6d86b3", "#7fa83a", "#d968ad"],
            ),
        ),
        tooltip=[
            alt.Tooltip("title:N", title="milestone"),
            alt.Tooltip("participants:N"),
            alt.Tooltip("written:N", title="start"),
            alt.Tooltip("from:N", title="seen from"),
        ],
    )
    line = base.mark_line(interpolate="linear", strokeWidth=2)
    return view.apply_theme(
        alt.layer(line, base.transform_filter("datum.begins").mark_point(filled=True, opacity=1, size=42)), HEIGHT_PX
    )
