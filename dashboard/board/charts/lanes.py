"""Where bars and headings of the time line go.

Few milestones get a line each, with their titles; more are packed into lanes below the name of their type, with the
title on bars that are wide enough; of very many the lanes are thin.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from board.queries.now import CurrentMilestone
from board.theme import ViewSettings
from board.times import epoch_ms, in_both, relative, span

TITLED_MAX = 26
"""With more than this the titles would be a second table."""
BARS_MAX = 3_000
LEAD = timedelta(hours=3)
"""How far back the line begins: enough to see what is live."""
LABELLED_MAX = 300
"""With more than this the lanes are too thin for titles: the page would be as long as the table."""
ROW_PX, LANE_PX, HEADING_PX, GAP_PX = 22, 8, 17, 5
LABELLED_LANE_PX = 17
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
    is_labelled: bool = False


def layout(current_milestones: Sequence[CurrentMilestone], window: Window, view: ViewSettings) -> Layout:
    """Where everything goes."""
    if len(current_milestones) <= TITLED_MAX:
        return _titled(current_milestones, window, view)
    return _packed(current_milestones[:BARS_MAX], window, view)


def _titled(current_milestones: Sequence[CurrentMilestone], window: Window, view: ViewSettings) -> Layout:
    bars = []
    for row, milestone in enumerate(current_milestones):
        bar = _bar(milestone, window, view, top=row * ROW_PX + 2, height=ROW_PX - 4)
        part = (bar["from"] - epoch_ms(window.begin)) / (epoch_ms(window.end) - epoch_ms(window.begin))
        bars.append(_with_edge(bar, window) | {"is_left": part < LEFT_PART})
    return Layout(bars, [], max(len(bars), 1) * ROW_PX, is_titled=True)


def _with_edge(bar: dict[str, Any], window: Window) -> dict[str, Any]:
    """A paler bar with a strong left edge, so that a title reads on it."""
    edge = round((window.end - window.begin) / timedelta(milliseconds=1) * EDGE_SHARE)
    return bar | {"strength": bar["strength"] * PALE, "edge": bar["from"] + edge}


def sections(current_milestones: Sequence[CurrentMilestone]) -> list[tuple[str, list[CurrentMilestone]]]:
    """Milestones by type within their category group, the largest group and type first; rare types together."""
    groups: dict[str, dict[str, list[CurrentMilestone]]] = {}
    for milestone in current_milestones:
        groups.setdefault(milestone.category_group, {}).setdefault(milestone.type, []).append(milestone)
    found = []
    for group, types in sorted(groups.items(), key=lambda item: (-sum(map(len, item[1].values())), item[0])):
        rare = [kind for kind, members in types.items() if len(members) < SECTION_MIN]
        apart = set(types) - (set(rare) if len(rare) > 1 else set())
        found += [
            (f"{group}, {kind.replace('_', ' ')}", types[kind])
            for kind in sorted(apart, key=lambda kind: (-len(types[kind]), kind))
        ]
        if others := [
            member for member in current_milestones if member.category_group == group and member.type not in apart
        ]:
            found.append((f"{group}, {'other types' if apart else 'all types'}", others))
    return found


def _packed(current_milestones: Sequence[CurrentMilestone], window: Window, view: ViewSettings) -> Layout:
    bars, headings, top = [], [], 0
    is_labelled = len(current_milestones) <= LABELLED_MAX
    lane_px = LABELLED_LANE_PX if is_labelled else LANE_PX
    for name, members in sections(current_milestones):
        headings.append({"y": top + HEADING_PX / 2, "text": f"{name} · {len(members)}"})
        top += HEADING_PX
        given = lanes([(max(member.starts_at, window.begin), member.ends_at) for member in members])
        for lane, member in zip(given, members, strict=True):
            bar = _bar(member, window, view, top=top + lane * lane_px, height=lane_px - 2)
            bars.append(_with_edge(bar, window) if is_labelled else bar)
        top += (max(given) + 1) * lane_px + GAP_PX
    return Layout(bars, headings, top, is_titled=False, is_labelled=is_labelled)


def _bar(
    milestone: CurrentMilestone, window: Window, view: ViewSettings, *, top: float, height: float
) -> dict[str, Any]:
    begin = max(milestone.starts_at, window.begin)
    length = span(milestone.ends_at - milestone.starts_at)
    return {
        "id": milestone.milestone_id,
        "from": epoch_ms(begin),
        "to": window.within(max(milestone.ends_at, begin + SHORTEST_DRAWN)),
        "y": top,
        "y2": top + height,
        "middle": top + height / 2,
        "group": milestone.category_group,
        "type": milestone.type,
        "league": milestone.league or "–",
        "title": milestone.title,
        "start": f"{in_both(milestone.starts_at, view.zone)}{' (tentative)' if milestone.start_is_tentative else ''}",
        "ends": f"{in_both(milestone.ends_at, view.zone)}{' (a guess)' if milestone.end_is_guessed else ''}",
        "lasts": f"{'about ' if milestone.end_is_guessed else ''}{length}",
        "state": "live" if milestone.is_live else relative(milestone.starts_at, window.now),
        "strength": 0.5 if milestone.end_is_guessed else 1,
    }
