"""The time line of Now: how many start in each hour, and every milestone as a bar from its start to its end.

Few milestones get a line each, with their titles; many are packed into lanes below the name of their type.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import altair as alt

from board.queries.now import Happening
from board.theme import Look, group_scale
from board.times import epoch_ms, in_both, relative, span

TITLED_MAX = 26
"""With more than this the titles would be a second table."""
BARS_MAX = 3_000
LEAD = timedelta(hours=3)
"""How far back the line begins: enough to see what is live."""
ROW_PX, LANE_PX, HEADING_PX, GAP_PX = 22, 8, 17, 5
LEFT_HALF = 0.6
"""A bar that starts beyond this part of the line has its title to the left."""
GAP_SECONDS = 600
"""Between two bars of a lane, so that they can be told apart."""


@dataclass(frozen=True)
class Window:
    """What the line shows."""

    now: datetime
    hours: int

    @property
    def begin(self) -> datetime:
        """Its left edge."""
        return self.now - LEAD

    @property
    def end(self) -> datetime:
        """Its right edge."""
        return self.now + timedelta(hours=self.hours)

    def scale(self, look: Look) -> alt.Scale:
        """Of the time axis."""
        return look.time_scale(domain=[epoch_ms(self.begin), epoch_ms(self.end)], nice=False)


def lanes(spans: Sequence[tuple[datetime, datetime]]) -> list[int]:
    """A lane for each span, in order of start: the lowest lane that is free by then."""
    free: list[int] = []
    busy: list[tuple[datetime, int]] = []
    given = []
    opened = 0
    for start, end in spans:
        while busy and busy[0][0] <= start:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if free:
            lane = heapq.heappop(free)
        else:
            lane, opened = opened, opened + 1
        given.append(lane)
        heapq.heappush(busy, (end + timedelta(seconds=GAP_SECONDS), lane))
    return given


@dataclass(frozen=True)
class Layout:
    """Bars and headings with their places in pixels from the top."""

    bars: list[dict[str, Any]]
    headings: list[dict[str, Any]]
    height: int
    is_titled: bool


def layout(happenings: Sequence[Happening], window: Window, look: Look) -> Layout:
    """Where everything goes."""
    if len(happenings) <= TITLED_MAX:
        return _titled(happenings, window, look)
    return _packed(happenings[:BARS_MAX], window, look)


def _titled(happenings: Sequence[Happening], window: Window, look: Look) -> Layout:
    bars = []
    for row, happening in enumerate(happenings):
        bar = _bar(happening, window, look, top=row * ROW_PX + 2, height=ROW_PX - 4)
        part = (bar["from"] - epoch_ms(window.begin)) / (epoch_ms(window.end) - epoch_ms(window.begin))
        bar["is_left"] = part < LEFT_HALF
        bars.append(bar)
    return Layout(bars, [], max(len(bars), 1) * ROW_PX, is_titled=True)


def _packed(happenings: Sequence[Happening], window: Window, look: Look) -> Layout:
    sections: dict[tuple[str, str], list[Happening]] = {}
    for happening in happenings:
        sections.setdefault((happening.category_group, happening.type), []).append(happening)
    sizes = Counter(happening.category_group for happening in happenings)
    bars, headings, top = [], [], 0
    for (group, kind), members in sorted(
        sections.items(), key=lambda item: (-sizes[item[0][0]], item[0][0], -len(item[1]), item[0][1])
    ):
        headings.append({"y": top + HEADING_PX / 2, "text": f"{kind}  {len(members)}", "group": group})
        top += HEADING_PX
        given = lanes([(max(member.starts_at, window.begin), member.ends_at) for member in members])
        for lane, member in zip(given, members, strict=True):
            bars.append(_bar(member, window, look, top=top + lane * LANE_PX, height=LANE_PX - 2))
        top += (max(given) + 1) * LANE_PX + GAP_PX
    return Layout(bars, headings, top, is_titled=False)


def _bar(happening: Happening, window: Window, look: Look, *, top: float, height: float) -> dict[str, Any]:
    begin, end = max(happening.starts_at, window.begin), min(happening.ends_at, window.end)
    length = span(happening.ends_at - happening.starts_at)
    return {
        "from": epoch_ms(begin),
        "to": epoch_ms(max(end, begin + timedelta(minutes=12))),
        "y": top,
        "y2": top + height,
        "middle": top + height / 2,
        "group": happening.category_group,
        "type": happening.type,
        "league": happening.league or "–",
        "title": happening.title,
        "start": in_both(happening.starts_at, look.zone),
        "ends": f"{in_both(happening.ends_at, look.zone)}{' (a guess)' if happening.end_is_guessed else ''}",
        "lasts": f"{'about ' if happening.end_is_guessed else ''}{length}",
        "state": "live" if happening.is_live else relative(happening.starts_at, window.now),
        "solid": 0.55 if happening.end_is_guessed else 1,
    }


TOOLTIP = [
    alt.Tooltip(f"{field}:N", title=title)
    for field, title in (
        ("title", "milestone"), ("state", "starts"), ("start", "start"), ("ends", "end"), ("lasts", "lasts"),
        ("type", "type"), ("league", "league"), ("group", "category"),
    )
]


def timeline(happenings: Sequence[Happening], window: Window, look: Look) -> alt.LayerChart:
    """Every milestone as a bar, a rule for now."""
    placed = layout(happenings, window, look)
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[placed.height, 0], nice=False))
    x = alt.X("from:T", scale=window.scale(look), axis=_time_axis(look, orient="top", grid=True))
    colour = alt.Color("group:N", scale=group_scale(h.category_group for h in happenings), legend=None)
    solid = alt.Opacity("solid:Q", scale=None)
    bars = alt.Chart(alt.Data(values=placed.bars)).encode(x=x, y=y, color=colour, tooltip=TOOLTIP)
    layers: list[Any] = []
    if placed.is_titled:
        # A pale bar with a strong edge: the title reads on it and beyond it.
        layers.append(
            bars.mark_rect(clip=True, cornerRadius=3).encode(
                x2="to:T", y2="y2:Q", opacity=alt.Opacity("pale:Q", scale=None)
            ).transform_calculate(pale="datum.solid * 0.3")
        )
        layers.append(bars.mark_rect(clip=True, align="left").encode(y2="y2:Q", x2="edge:T").transform_calculate(
            edge=f"datum.from + {(window.end - window.begin) / timedelta(milliseconds=1) / 260:.0f}"))
        for is_left, align, dx in ((True, "left", 7), (False, "right", -5)):
            layers.append(
                bars.mark_text(align=align, dx=dx, baseline="middle", fontSize=11.5, limit=420, clip=False)
                .encode(y=alt.Y("middle:Q", axis=None), text="title:N", color=alt.value(look.ink))
                .transform_filter(f"datum.is_left === {str(is_left).lower()}")
            )
    else:
        layers.append(bars.mark_rect(clip=True, cornerRadius=1.5).encode(x2="to:T", y2="y2:Q", opacity=solid))
        layers.append(
            alt.Chart(alt.Data(values=placed.headings))
            .mark_text(align="left", baseline="middle", fontSize=11, dx=2)
            .encode(x=alt.value(0), y=y, text="text:N", color=alt.value(look.muted))
        )
    layers.append(_now_rule(window, look))
    return look.dress(alt.layer(*layers), placed.height)


def starts_by_hour(happenings: Sequence[Happening], window: Window, look: Look) -> alt.LayerChart:
    """How many start in each hour, by category group."""
    hours = Counter(
        (happening.starts_at.replace(minute=0, second=0, microsecond=0), happening.category_group)
        for happening in happenings
        if happening.starts_at >= window.begin.replace(minute=0, second=0, microsecond=0)
    )
    values = [
        {
            "from": epoch_ms(max(hour, window.begin)),
            "to": epoch_ms(hour + timedelta(hours=1)),
            "group": group,
            "starts": count,
            "hour": in_both(hour, look.zone),
        }
        for (hour, group), count in sorted(hours.items())
    ]
    bars = (
        alt.Chart(alt.Data(values=values))
        .mark_bar(clip=True, stroke=look.ground, strokeWidth=1)
        .encode(
            x=alt.X("from:T", scale=window.scale(look), axis=None),
            x2="to:T",
            y=alt.Y(
                "starts:Q",
                stack="zero",
                axis=alt.Axis(orient="right", tickCount=2, title=None, grid=True, domain=False, ticks=False,
                              labelAlign="right", labelPadding=-3, labelBaseline="bottom", format="d"),
            ),
            color=alt.Color("group:N", scale=group_scale(h.category_group for h in happenings), legend=alt.Legend()),
            tooltip=[
                alt.Tooltip("hour:N", title="from"),
                alt.Tooltip("group:N", title="category"),
                alt.Tooltip("starts:Q", title="starts"),
            ],
        )
    )
    return look.dress(alt.layer(bars, _now_rule(window, look)), 84)


def _now_rule(window: Window, look: Look) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(alt.Data(values=[{"now": epoch_ms(window.now)}]))
        .mark_rule(color="#dc5a62", strokeWidth=1.5)
        .encode(x=alt.X("now:T", scale=window.scale(look)))
    )
    return chart


def _time_axis(look: Look, **options: Any) -> alt.Axis:
    return alt.Axis(title=None, labelOverlap=True, tickSize=3, labelFlush=True, **options)

