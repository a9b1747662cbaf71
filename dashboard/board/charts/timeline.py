"""The time line of the page Now: starts per hour, and every milestone as a bar from its start to its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import altair as alt
import pyarrow as pa

from board.charts.axes import click_selection, stacked, time_axis
from board.charts.lanes import Layout, Window, layout
from board.queries.now import CurrentMilestone
from board.theme import ViewSettings, group_scale, sorted_groups
from board.times import epoch_ms, in_both

AXIS_PX = 46
"""Height of the axis and of Streamlit's padding."""
STARTS_PX = 200
"""Height of the chart; in a narrow window the legend takes half of it."""
TITLE_SHARE = 0.4
"""The largest width of a title, as a share of the line."""
LABEL_MIN_PX = 70
"""A narrower bar has no title."""
LABEL_PADDING_PX = 9

TOOLTIP = [
    alt.Tooltip(f"{field}:N", title=title)
    for field, title in (
        ("title", "milestone"),
        ("participants", "participants"),
        ("state", "starts"),
        ("score", "score"),
        ("start", "start"),
        ("ends", "end"),
        ("lasts", "lasts"),
        ("type", "type"),
        ("league", "league"),
        ("group", "category"),
    )
]


def timeline(milestones: Sequence[CurrentMilestone], window: Window, view: ViewSettings) -> alt.LayerChart:
    """Every milestone as a clickable bar, and a line for now."""
    placed = layout(milestones, window, view)
    # As Arrow: Altair copies a list of rows each time that it copies a chart.
    rows = pa.Table.from_pylist(placed.bars)
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[placed.height, 0], nice=False))
    x = _time("from", view, axis=time_axis(view, orient="top", grid=True))
    colour = alt.Color("group:N", scale=group_scale(h.category_group for h in milestones), legend=None)
    bars = alt.Chart(rows).encode(x=x, y=y, y2="y2:Q", color=colour, tooltip=TOOLTIP)
    strength = alt.Opacity("strength:Q", scale=None)
    layers: list[alt.Chart] = [
        bars.mark_rect(clip=True, cornerRadius=2, cursor="pointer")
        .encode(x2="to:T", opacity=strength)
        .add_params(click_selection())
    ]
    if placed.is_titled or placed.is_labelled:
        layers.append(bars.mark_rect(clip=True, cursor="pointer").encode(x2="edge:T"))
    if placed.is_titled:
        layers += [_titles(rows, view, is_left=is_left) for is_left in (True, False)]
    else:
        if placed.is_labelled:
            layers.append(_labels(rows, window, view))
        # With a halo in the page's colour, because grid lines run behind.
        layers += [_headings(placed, stroke=view.background, strokeWidth=5), _headings(placed, color=view.muted_colour)]
    layers.insert(1, _now_rule(window, view))
    layers.append(_edges(window, view))
    return view.apply_theme(alt.layer(*layers), placed.height + AXIS_PX)


def _headings(placed: Layout, **ink: Any) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=placed.headings))
        .mark_text(align="left", baseline="middle", fontSize=11, dx=2, **ink)
        .encode(x=alt.value(0), y=alt.Y("y:Q", axis=None), text="text:N")
    )
    return chart


def _labels(rows: pa.Table, window: Window, view: ViewSettings) -> alt.Chart:
    """The title in its bar, cut to the bar's width."""
    wide = f"width * (datum.to - datum.from) / {epoch_ms(window.end) - epoch_ms(window.begin)}"
    chart: alt.Chart = (
        alt.Chart(rows)
        .mark_text(
            align="left",
            baseline="middle",
            dx=LABEL_PADDING_PX,
            fontSize=10.5,
            clip=True,
            cursor="pointer",
            limit=alt.ExprRef(f"max(1, {wide} - {2 * LABEL_PADDING_PX})"),
            opacity=alt.ExprRef(f"{wide} >= {LABEL_MIN_PX} ? 1 : 0"),
        )
        .encode(
            x=_time("from", view),
            y=alt.Y("middle:Q", axis=None),
            text="title:N",
            color=alt.value(view.text_colour),
            tooltip=TOOLTIP,
        )
    )
    return chart


def _titles(rows: pa.Table, view: ViewSettings, *, is_left: bool) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(rows)
        .transform_filter(f"datum.is_left === {str(is_left).lower()}")
        .mark_text(
            align="left" if is_left else "right",
            dx=7 if is_left else -5,
            baseline="middle",
            cursor="pointer",
            fontSize=11.5,
            limit=alt.ExprRef(f"width * {TITLE_SHARE}"),
        )
        .encode(
            x=_time("from", view),
            y=alt.Y("middle:Q", axis=None),
            text="title:N",
            color=alt.value(view.text_colour),
            tooltip=TOOLTIP,
        )
    )
    return chart


def _time(field: str, view: ViewSettings, **options: Any) -> alt.X:
    return alt.X(f"{field}:T", scale=view.time_scale(nice=False), **options)


def starts_by_hour(milestones: Sequence[CurrentMilestone], window: Window, view: ViewSettings) -> alt.LayerChart:
    """Starts per hour, by category group."""
    hours = Counter(
        (milestone.starts_at.replace(minute=0, second=0, microsecond=0), milestone.category_group)
        for milestone in milestones
        if milestone.starts_at >= window.begin.replace(minute=0, second=0, microsecond=0)
    )
    groups = sorted_groups(milestone.category_group for milestone in milestones)
    values = [
        {
            "from": window.within(hour),
            "to": window.within(hour + timedelta(hours=1)),
            "group": group,
            "starts": count,
            "hour": in_both(hour, view.zone),
        }
        for (hour, group), count in sorted(hours.items())
    ]
    bars = (
        alt.Chart(alt.InlineData(values=stacked(values, at="from", size="starts", by="group", order=groups)))
        .mark_rect(clip=True, stroke=view.background, strokeWidth=1)
        .encode(
            x=_time("from", view, axis=None),
            x2="to:T",
            y=alt.Y(
                "low:Q",
                axis=alt.Axis(
                    orient="right",
                    tickCount=2,
                    tickMinStep=1,
                    title=None,
                    domain=False,
                    ticks=False,
                    labelAlign="right",
                    labelPadding=-3,
                    labelBaseline="bottom",
                    format="d",
                ),
            ),
            y2="high:Q",
            color=alt.Color("group:N", scale=group_scale(groups), legend=alt.Legend()),
            tooltip=[
                alt.Tooltip("hour:N", title="from"),
                alt.Tooltip("group:N", title="category"),
                alt.Tooltip("starts:Q", title="starts"),
            ],
        )
    )
    return view.apply_theme(alt.layer(bars, _now_rule(window, view), _edges(window, view)), STARTS_PX)


def _now_rule(window: Window, view: ViewSettings) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=[{"now": epoch_ms(window.now)}]))
        .mark_rule(color="#dc5a62", strokeWidth=1.5)
        .encode(x=_time("now", view))
    )
    return chart


def _edges(window: Window, view: ViewSettings) -> alt.Chart:
    """Invisible marks that stretch the axis from edge to edge.

    A domain on the scale would be set by every layer, and Vega warns when it merges them.
    """
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=[{"from": epoch_ms(window.begin)}, {"from": epoch_ms(window.end)}]))
        .mark_rule(opacity=0)
        .encode(x=_time("from", view))
    )
    return chart
