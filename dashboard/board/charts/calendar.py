"""The calendar of coverage: a year as weeks by weekdays; a darker day has more milestones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import altair as alt

from board.queries.coverage import Day
from board.theme import ViewSettings

CELL_PX = 17
AROUND_PX = 62
"""Months above, legend below."""
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

MEASURES = {
    "milestones": "Milestones",
    "with_end": "Share with end",
    "with_source": "Share with source",
    "with_main_event_ticker": "Share with main ticker",
    "with_events": "Share with events",
}
"""Measures of the calendar: a count, and shares of it."""


def cells(days: Sequence[Day], year: int, measure: str) -> list[dict[str, Any]]:
    """Every day of the year with its cell; `value` is None for a day without milestones."""
    known = {day.day: day for day in days}
    first = date(year, 1, 1)
    begin = first - timedelta(days=first.weekday())
    found = []
    for number in range((date(year, 12, 31) - first).days + 1):
        day = first + timedelta(days=number)
        of_day = known.get(day)
        found.append(
            {
                "week": (day - begin).days // 7,
                "weekday": day.weekday(),
                "date": f"{WEEKDAYS[day.weekday()]} {day.day} {day:%b %Y}",
                "milestones": of_day.milestones if of_day else 0,
                "value": _value(of_day, measure),
            }
        )
    return found


def _value(day: Day | None, measure: str) -> float | None:
    if day is None or not day.milestones:
        return None
    return day.milestones if measure == "milestones" else getattr(day, measure) / day.milestones


def months(year: int) -> list[dict[str, Any]]:
    """Each month's name above the week of its first day."""
    first = date(year, 1, 1)
    begin = first - timedelta(days=first.weekday())
    return [
        {"week": (date(year, month, 1) - begin).days // 7, "month": f"{date(year, month, 1):%b}"}
        for month in range(1, 13)
    ]


def calendar(days: Sequence[Day], year: int, measure: str, today: date, view: ViewSettings) -> alt.LayerChart:
    """The heat map, with a frame around today."""
    values = cells(days, year, measure)
    weeks = max(cell["week"] for cell in values)
    is_share = measure != "milestones"
    x = alt.X("week:O", axis=None, scale=alt.Scale(domain=list(range(weeks + 1)), paddingInner=0.14))
    y = alt.Y(
        "weekday:O",
        scale=alt.Scale(domain=list(range(7)), paddingInner=0.14),
        axis=alt.Axis(
            title=None,
            domain=False,
            ticks=False,
            values=[0, 2, 4, 6],
            labelPadding=6,
            labelExpr=f"{list(WEEKDAYS)}[datum.value]",
        ),
    )
    tooltip = [
        alt.Tooltip("date:N", title="UTC day"),
        alt.Tooltip("milestones:Q", format=","),
        *([alt.Tooltip("value:Q", title=MEASURES[measure].lower(), format=".0%")] if is_share else []),
    ]
    base = alt.Chart(alt.InlineData(values=values)).encode(x=x, y=y, tooltip=tooltip)
    scale = (
        alt.Scale(range=view.heat_colours, domain=[0, 1])
        if is_share
        else alt.Scale(range=view.heat_colours, type="sqrt")
    )
    layers = [
        base.transform_filter("datum.value === null").mark_rect(cornerRadius=2, color=view.grid_colour, opacity=0.55),
        base.transform_filter("datum.value !== null")
        .mark_rect(cornerRadius=2)
        .encode(
            color=alt.Color(
                "value:Q",
                scale=scale,
                legend=alt.Legend(
                    title=None if is_share else "milestones (square-root scale)",
                    titleFontWeight="normal",
                    titleColor=view.muted_colour,
                    type="gradient",
                    gradientLength=140,
                    gradientThickness=8,
                    format=".0%" if is_share else "~s",
                    tickCount=4,
                    orient="bottom",
                ),
            )
        ),
        alt.Chart(alt.InlineData(values=months(year)))
        .mark_text(align="left", baseline="bottom", fontSize=11, color=view.muted_colour)
        .encode(x=alt.X("week:O", axis=None), y=alt.value(-4), text="month:N"),
    ]
    if today.year == year:
        here = f"datum.date === '{WEEKDAYS[today.weekday()]} {today.day} {today:%b %Y}'"
        layers.append(
            base.transform_filter(here).mark_rect(
                filled=False, stroke=view.text_colour, strokeWidth=1.5, cornerRadius=2
            )
        )
    return view.apply_theme(alt.layer(*layers), 7 * CELL_PX + AROUND_PX)
