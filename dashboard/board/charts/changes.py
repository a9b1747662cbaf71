"""Changes over time by kind, and the largest shifts of starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import altair as alt

from board.charts.axes import click_selection, stacked, time_axis
from board.queries.changes import KINDS, Bucket, Count, Shift
from board.theme import EARLIER, KIND_COLOURS, LATER, ViewSettings, colour_scale
from board.times import NOTHING, epoch_ms, in_both, signed_span, span

HEIGHT_PX = 220
ROW_PX = 24
TITLE_MARGIN_PX = 8
UNITS = (("days", timedelta(days=1)), ("hours", timedelta(hours=1)), ("minutes", timedelta(minutes=1)))
"""Units of the axis of shifts: the largest unit that fits the largest shift at least UNITS_MIN times."""
UNITS_MIN = 2
AXIS_PX = 44
BUCKETS: tuple[tuple[timedelta, Bucket], ...] = (
    (timedelta(hours=3), "minute"),
    (timedelta(days=3), "hour"),
    (timedelta(days=120), "day"),
)
"""The longest period for each size of bucket; longer periods use weeks."""
LENGTHS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}


def bucket_for(period: timedelta) -> Bucket:
    """The size of bucket for a period."""
    return next((bucket for longest, bucket in BUCKETS if period <= longest), "week")


def over_time(counts: Sequence[Count], bucket: Bucket, view: ViewSettings) -> alt.LayerChart:
    """Stacked bars, one colour per kind."""
    values = [
        {
            "from": epoch_ms(count.seen_at),
            "to": epoch_ms(count.seen_at + LENGTHS[bucket]),
            "kind": count.kind,
            "changes": count.changes,
            "milestones": count.milestones,
            "when": in_both(count.seen_at, view.zone),
        }
        for count in counts
    ]
    bars = (
        alt.Chart(alt.InlineData(values=stacked(values, at="from", size="changes", by="kind", order=KINDS)))
        .mark_rect(stroke=view.background, strokeWidth=1)
        .encode(
            x=alt.X("from:T", scale=view.time_scale(), axis=time_axis(view)),
            x2="to:T",
            y=alt.Y("low:Q", axis=alt.Axis(title=None, tickCount=4, domain=False, ticks=False)),
            y2="high:Q",
            color=alt.Color("kind:N", scale=colour_scale(KIND_COLOURS), legend=alt.Legend()),
            tooltip=[
                alt.Tooltip("when:N", title=f"{bucket} from"),
                alt.Tooltip("kind:N", title="change of"),
                alt.Tooltip("changes:Q", format=","),
                alt.Tooltip("milestones:Q", format=","),
            ],
        )
    )
    return view.apply_theme(alt.layer(bars), HEIGHT_PX)


def unit_for(lengths: Sequence[timedelta]) -> tuple[str, timedelta]:
    """The unit of the axis for these shifts."""
    furthest = max((abs(length) for length in lengths), default=timedelta(0))
    return next((unit for unit in UNITS if furthest >= UNITS_MIN * unit[1]), UNITS[-1])


def largest(shifts: Sequence[Shift], participants: Mapping[str, str], view: ViewSettings) -> alt.LayerChart:
    """One bar per shift, to the left if earlier and to the right if later; the title is on the empty side.

    `participants` has the names by the id of the milestone.
    """
    unit, length = unit_for([shift.shift for shift in shifts])
    values = [
        {
            "row": row,
            "by": shift.shift / length,
            "id": shift.milestone_id,
            "title": shift.title,
            "participants": participants.get(shift.milestone_id, NOTHING),
            "moved": signed_span(shift.shift),
            "old": in_both(shift.old_start, view.zone),
            "new": in_both(shift.new_start, view.zone),
            "seen": in_both(shift.seen_at, view.zone),
            "notice": f"{span(shift.notice)} {'before' if shift.notice > timedelta(0) else 'after'} the old start",
        }
        for row, shift in enumerate(shifts)
    ]
    base = alt.Chart(alt.InlineData(values=values)).encode(
        y=alt.Y("row:O", axis=None, scale=alt.Scale(paddingInner=0.35, paddingOuter=0.1)),
        x=alt.X(
            "by:Q",
            scale=_both_ways([shift.shift / length for shift in shifts]),
            axis=alt.Axis(title=f"{unit} moved", tickCount=6, format="+~s", orient="top", domain=False),
        ),
        tooltip=[
            alt.Tooltip("title:N", title="milestone"),
            alt.Tooltip("participants:N"),
            alt.Tooltip("moved:N"),
            alt.Tooltip("old:N", title="from"),
            alt.Tooltip("new:N", title="to"),
            alt.Tooltip("seen:N", title="seen"),
            alt.Tooltip("notice:N", title="notice"),
        ],
    )
    layers = [
        base.mark_bar(cornerRadius=2, opacity=0.85, cursor="pointer")
        .encode(color=alt.condition("datum.by < 0", alt.value(EARLIER), alt.value(LATER)))
        .add_params(click_selection()),
        alt.Chart(alt.InlineData(values=[{}]))
        .mark_rule(color=view.muted_colour)
        .encode(x=alt.datum(0, type="quantitative")),
    ]
    later, earlier = base.transform_filter("datum.by > 0"), base.transform_filter("datum.by < 0")
    text: dict[str, Any] = {
        "fontSize": 11.5,
        "limit": alt.ExprRef(f"width / 2 - {TITLE_MARGIN_PX}"),
        "color": view.text_colour,
        "cursor": "pointer",
    }
    layers += [
        side.encode(x=alt.datum(0, type="quantitative"), text="title:N")
        for side in (later.mark_text(align="right", dx=-6, **text), earlier.mark_text(align="left", dx=6, **text))
    ]
    return view.apply_theme(alt.layer(*layers), max(len(values), 1) * ROW_PX + AXIS_PX)


def _both_ways(lengths: Sequence[float]) -> alt.Scale:
    # Titles use the side without the bar, so the axis always has both sides.
    furthest = max((abs(value) for value in lengths), default=1)
    return alt.Scale(domain=[-furthest, furthest], nice=False)
