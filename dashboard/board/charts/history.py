"""The history of an event's starts: what each milestone's listed start was, over the time it was listed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import altair as alt

from board.queries.events import Belief
from board.theme import Look
from board.times import epoch_ms, in_both

HEIGHT_PX = 230
LINES_MAX = 8
"""More milestones than this make a thicket; the table below the chart has them all."""


def steps(beliefs: Sequence[Belief], now: datetime) -> list[dict[str, object]]:
    """The corners of the step lines: a start holds from when it was first seen until the next version, or now."""
    corners: list[dict[str, object]] = []
    for belief in beliefs:
        if belief.start_date is None:
            continue
        for moment in (belief.valid_from, belief.valid_to or now):
            corners.append({"seen": moment, "start": belief.start_date, "belief": belief})
    return corners


def start_history(beliefs: Sequence[Belief], look: Look, now: datetime) -> alt.LayerChart:
    """Left to right when it was believed, upwards which start was believed."""
    kept = list(dict.fromkeys(belief.milestone_id for belief in beliefs))[:LINES_MAX]
    values = [
        {
            "seen": epoch_ms(corner["seen"]),
            "start": epoch_ms(corner["start"]),
            "milestone": corner["belief"].milestone_id,
            "title": corner["belief"].title,
            "written": in_both(corner["start"], look.zone),
            "from": in_both(corner["belief"].valid_from, look.zone),
        }
        for corner in steps([belief for belief in beliefs if belief.milestone_id in kept], now)
    ]
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X("seen:T", scale=look.time_scale(nice=False), axis=alt.Axis(title="seen", labelOverlap=True, tickCount=6)),
        y=alt.Y("start:T", scale=look.time_scale(nice=True, zero=False), axis=alt.Axis(title="listed start", tickCount=5)),
        color=alt.Color("milestone:N", legend=None, scale=alt.Scale(range=["#14a39a", "#3d7fe0", "#d9982b", "#9a6ee0",
                                                                           "#dc5a62", "#6d86b3", "#7fa83a", "#d968ad"])),
        tooltip=[
            alt.Tooltip("title:N", title="milestone"),
            alt.Tooltip("written:N", title="start"),
            alt.Tooltip("from:N", title="seen from"),
        ],
    )
    line = base.mark_line(interpolate="linear", strokeWidth=2)
    return look.dress(alt.layer(line, base.mark_point(filled=True, size=42)), HEIGHT_PX)
