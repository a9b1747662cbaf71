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

from board.charts.axes import stacked, time_axis
from board.queries.now import Happening
from board.theme import Look, group_scale, in_order
from board.times import epoch_ms, in_both, relative, span

TITLED_MAX = 26
"""With more than this the titles would be a second table."""
BARS_MAX = 3_000
LEAD = timedelta(hours=3)
"""How far back the line begins: enough to see what is live."""
ROW_PX, LANE_PX, HEADING_PX, GAP_PX = 22, 8, 17, 5
AXIS_PX = 26
STARTS_PX = 200
"""In a narrow window the legend takes half of it."""
TITLE_SHARE = 0.4
"""Of the line: what a title may take, which is there on either side."""
LEFT_PART = 0.6
"""A bar that starts beyond this part of the line has its title to the left."""
PALE = 0.3
"""Of a bar below a title."""
EDGE_SHARE = 0.004
"""Of the line: the strong edge of a pale bar."""
SECTION_MIN = 4
"""Types with fewer milestones share a section within their category group."""
SHORTEST_DRAWN = timedelta(minutes=12)
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

    def within(self, moment: datetime) -> int:
        """A moment as charts take it, moved to the edge that it lies beyond."""
        return epoch_ms(min(max(moment, self.begin), self.end))

    def edges(self, look: Look) -> alt.Chart:
        """Nothing to be seen: it makes the axis reach from edge to edge.

        A domain given to the scale would be given by every layer, and Vega warns when it unites them.
        """
        chart: alt.Chart = (
            alt.Chart(alt.InlineData(values=[{"from": epoch_ms(self.begin)}, {"from": epoch_ms(self.end)}]))
            .mark_rule(opacity=0)
            .encode(x=_time("from", look))
        )
        return chart


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
    edge = round((window.end - window.begin) / timedelta(milliseconds=1) * EDGE_SHARE)
    for row, happening in enumerate(happenings):
        bar = _bar(happening, window, look, top=row * ROW_PX + 2, height=ROW_PX - 4)
        part = (bar["from"] - epoch_ms(window.begin)) / (epoch_ms(window.end) - epoch_ms(window.begin))
        bar |= {"is_left": part < LEFT_PART, "strength": bar["strength"] * PALE, "edge": bar["from"] + edge}
        bars.append(bar)
    return Layout(bars, [], max(len(bars), 1) * ROW_PX, is_titled=True)


def sections(happenings: Sequence[Happening]) -> list[tuple[str, list[Happening]]]:
    """Milestones by type within their category group, the largest group and type first; rare types together."""
    groups: dict[str, dict[str, list[Happening]]] = {}
    for happening in happenings:
        groups.setdefault(happening.category_group, {}).setdefault(happening.type, []).append(happening)
    found = []
    for group, types in sorted(groups.items(), key=lambda item: (-sum(map(len, item[1].values())), item[0])):
        rare = [kind for kind, members in types.items() if len(members) < SECTION_MIN]
        apart = set(types) - (set(rare) if len(rare) > 1 else set())
        found += [
            (f"{group}, {kind.replace('_', ' ')}", types[kind])
            for kind in sorted(apart, key=lambda kind: (-len(types[kind]), kind))
        ]
        if others := [member for member in happenings if member.category_group == group and member.type not in apart]:
            found.append((f"{group}, {'other types' if apart else 'all types'}", others))
    return found


def _packed(happenings: Sequence[Happening], window: Window, look: Look) -> Layout:
    bars, headings, top = [], [], 0
    for name, members in sections(happenings):
        headings.append({"y": top + HEADING_PX / 2, "text": f"{name} · {len(members)}"})
        top += HEADING_PX
        given = lanes([(max(member.starts_at, window.begin), member.ends_at) for member in members])
        for lane, member in zip(given, members, strict=True):
            bars.append(_bar(member, window, look, top=top + lane * LANE_PX, height=LANE_PX - 2))
        top += (max(given) + 1) * LANE_PX + GAP_PX
    return Layout(bars, headings, top, is_titled=False)


def _bar(happening: Happening, window: Window, look: Look, *, top: float, height: float) -> dict[str, Any]:
    begin = max(happening.starts_at, window.begin)
    length = span(happening.ends_at - happening.starts_at)
    return {
        "from": epoch_ms(begin),
        "to": window.within(max(happening.ends_at, begin + SHORTEST_DRAWN)),
        "y": top,
        "y2": top + height,
        "middle": top + height / 2,
        "group": happening.category_group,
        "type": happening.type,
        "league": happening.league or "–",
        "title": happening.title,
        "start": f"{in_both(happening.starts_at, look.zone)}{' (tentative)' if happening.start_is_tentative else ''}",
        "ends": f"{in_both(happening.ends_at, look.zone)}{' (a guess)' if happening.end_is_guessed else ''}",
        "lasts": f"{'about ' if happening.end_is_guessed else ''}{length}",
        "state": "live" if happening.is_live else relative(happening.starts_at, window.now),
        "strength": 0.5 if happening.end_is_guessed else 1,
    }


TOOLTIP = [
    alt.Tooltip(f"{field}:N", title=title)
    for field, title in (
        ("title", "milestone"),
        ("state", "starts"),
        ("start", "start"),
        ("ends", "end"),
        ("lasts", "lasts"),
        ("type", "type"),
        ("league", "league"),
        ("group", "category"),
    )
]


def timeline(happenings: Sequence[Happening], window: Window, look: Look) -> alt.LayerChart:
    """Every milestone as a bar, a rule for now."""
    placed = layout(happenings, window, look)
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[placed.height, 0], nice=False))
    x = _time("from", look, axis=time_axis(look, orient="top", grid=True))
    colour = alt.Color("group:N", scale=group_scale(h.category_group for h in happenings), legend=None)
    bars = alt.Chart(alt.InlineData(values=placed.bars)).encode(x=x, y=y, y2="y2:Q", color=colour, tooltip=TOOLTIP)
    strength = alt.Opacity("strength:Q", scale=None)
    layers: list[alt.Chart] = [bars.mark_rect(clip=True, cornerRadius=2).encode(x2="to:T", opacity=strength)]
    if placed.is_titled:
        # A strong edge on a pale bar: the title reads on it and beyond it.
        layers.append(bars.mark_rect(clip=True).encode(x2="edge:T"))
        layers += [_titles(placed, look, is_left=is_left) for is_left in (True, False)]
    else:
        # On a halo of the page's colour, since the lines of the axis run behind.
        layers += [_headings(placed, stroke=look.ground, strokeWidth=5), _headings(placed, color=look.muted)]
    layers.insert(1, _now_rule(window, look))
    layers.append(window.edges(look))
    return look.dress(alt.layer(*layers), placed.height + AXIS_PX)


def _headings(placed: Layout, **ink: Any) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=placed.headings))
        .mark_text(align="left", baseline="middle", fontSize=11, dx=2, **ink)
        .encode(x=alt.value(0), y=alt.Y("y:Q", axis=None), text="text:N")
    )
    return chart


def _titles(placed: Layout, look: Look, *, is_left: bool) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=[bar for bar in placed.bars if bar["is_left"] is is_left]))
        .mark_text(
            align="left" if is_left else "right",
            dx=7 if is_left else -5,
            baseline="middle",
            fontSize=11.5,
            limit=alt.ExprRef(f"width * {TITLE_SHARE}"),
        )
        .encode(
            x=_time("from", look),
            y=alt.Y("middle:Q", axis=None),
            text="title:N",
            color=alt.value(look.ink),
            tooltip=TOOLTIP,
        )
    )
    return chart


def _time(field: str, look: Look, **options: Any) -> alt.X:
    return alt.X(f"{field}:T", scale=look.time_scale(nice=False), **options)


def starts_by_hour(happenings: Sequence[Happening], window: Window, look: Look) -> alt.LayerChart:
    """How many start in each hour, by category group."""
    hours = Counter(
        (happening.starts_at.replace(minute=0, second=0, microsecond=0), happening.category_group)
        for happening in happenings
        if happening.starts_at >= window.begin.replace(minute=0, second=0, microsecond=0)
    )
    groups = in_order(happening.category_group for happening in happenings)
    values = [
        {
            "from": window.within(hour),
            "to": window.within(hour + timedelta(hours=1)),
            "group": group,
            "starts": count,
            "hour": in_both(hour, look.zone),
        }
        for (hour, group), count in sorted(hours.items())
    ]
    bars = (
        alt.Chart(alt.InlineData(values=stacked(values, at="from", size="starts", by="group", order=groups)))
        .mark_rect(clip=True, stroke=look.ground, strokeWidth=1)
        .encode(
            x=_time("from", look, axis=None),
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
    return look.dress(alt.layer(bars, _now_rule(window, look), window.edges(look)), STARTS_PX)


def _now_rule(window: Window, look: Look) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=[{"now": epoch_ms(window.now)}]))
        .mark_rule(color="#dc5a62", strokeWidth=1.5)
        .encode(x=_time("now", look))
    )
    return chart
