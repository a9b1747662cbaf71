"""Shared by the charts: 24-hour time axes, click selections, stacked bars."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt

from board.theme import ViewSettings

PICKED = "picked"
"""The name of the click selection of a chart."""
TICK_PX = 90
"""Space per label; a narrow window gets fewer labels."""


def time_axis(view: ViewSettings, **options: Any) -> alt.Axis:
    """Clock times, dates at midnight, month and year at new year, seconds on very short axes."""
    kind = "utc" if view.in_utc else "time"
    prefix = "utc" if view.in_utc else ""
    day = f"{prefix}hours(datum.value) + {prefix}minutes(datum.value) + {prefix}seconds(datum.value) === 0"
    minute = f"{prefix}seconds(datum.value) === 0"
    year = f"{prefix}month(datum.value) === 0 && {prefix}date(datum.value) === 1"
    return alt.Axis(
        **{
            "title": None,
            "labelOverlap": True,
            "labelFlush": True,
            "tickSize": 3,
            "tickCount": alt.ExprRef(f"max(2, floor(width / {TICK_PX}))"),
            "labelExpr": (
                f"{kind}Format(datum.value, {day} ? ({year} ? '%b %Y' : '%a %-d %b') : {minute} ? '%H:%M' : '%H:%M:%S')"
            ),
        }
        | options
    )


def click_selection() -> alt.Parameter:
    """A selection by click, which gives the field `id` of the mark's data."""
    return alt.selection_point(name=PICKED, fields=["id"], on="click", toggle=False)


def stacked(
    values: Iterable[dict[str, Any]], *, at: str, size: str, order: Sequence[str], by: str
) -> list[dict[str, Any]]:
    """Stack values at the same position in the given order: adds `low` and `high` to each value.

    Vega-Lite does not stack bars with two ends.
    """
    tops: dict[Any, float] = defaultdict(float)
    placed = []
    for value in sorted(values, key=lambda value: (value[at], order.index(value[by]))):
        low = tops[value[at]]
        tops[value[at]] = low + value[size]
        placed.append(value | {"low": low, "high": low + value[size]})
    return placed
