"""The layout of bars and headings on the time line.

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
from board.times import NOTHING, epoch_ms, in_both, relative, span

TITLED_MAX = 26
"""With more, the titles would be a second table."""
BARS_MAX = 3_000
LEAD = timedelta(hours=3)
"""How long before now the line begins: enough to show what is live."""
LABELLED_MAX = 300
"""With more, lanes are too thin for titles; otherwise the chart would be as long as the table."""
ROW_PX, LANE_PX, HEADING_PX, GAP_PX = 22, 8, 17, 5
LABELLED_LANE_PX = 17
LEFT_PART = 0.6
"""A bar that starts after this part of the line has its title on the left."""
PALE = 0.3
"""Opacity of a bar behind a title."""
EDGE_SHARE = 0.004
"""Width of the strong edge of a pale bar, as a share of the line."""
SECTION_MIN = 4
"""Types with fewer milestones share a section within their category group."""
SHORTEST_DRAWN = timedelta(minutes=12)
GAP_SECONDS = 600
"""Between two bars of a lane, to keep them distinct."""


@dataclass(frozen=True)
class Window:
    """The period that the line shows."""

    now: datetime
    hours: int

    @property
    def begin(self) -> datetime:
        """The left edge."""
        return self.now - LEAD

    @property
    def end(self) -> datetime:
        """The right edge."""
        return self.now + timedelta(hours=self.hours)

    def within(self, moment: datetime) -> int:
        """A moment in epoch milliseconds, clipped to the window."""
        return epoch_ms(min(max(moment, self.begin), self.end))


def lanes(spans: Sequence[tuple[datetime, datetime]]) -> list[int]:
    """A lane for each span, in order of start: the lowest lane that is free at its start."""
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
    """Bars and headings with their positions in pixels from the top."""

    bars: list[dict[str, Any]]
    headings: list[dict[str, Any]]
    height: int
    is_titled: bool
    is_labelled: bool = False


def layout(milestones: Sequence[CurrentMilestone], window: Window, view: ViewSettings) -> Layout:
    """The positions of all bars and headings."""
    if len(milestones) <= TITLED_MAX:
        return _titled(milestones, window, view)
    return _packed(milestones[:BARS_MAX], window, view)


def _titled(milestones: Sequence[CurrentMilestone], window: Window, view: ViewSettings) -> Layout:
    bars = []
    for row, milestone in enumerate(milestones):
        bar = _bar(milestone, window, view, top=row * ROW_PX + 2, height=ROW_PX - 4)
        part = (bar["from"] - epoch_ms(window.begin)) / (epoch_ms(window.end) - epoch_ms(window.begin))
        bars.append(_with_edge(bar, window) | {"is_left": part < LEFT_PART})
    return Layout(bars, [], max(len(bars), 1) * ROW_PX, is_titled=True)


def _with_edge(bar: dict[str, Any], window: Window) -> dict[str, Any]:
    """A paler bar with a strong left edge, on which a title is legible."""
    edge = round((window.end - window.begin) / timedelta(milliseconds=1) * EDGE_SHARE)
    return bar | {"strength": bar["strength"] * PALE, "edge": bar["from"] + edge}


def sections(milestones: Sequence[CurrentMilestone]) -> list[tuple[str, list[CurrentMilestone]]]:
    """Milestones by type in their category group, the largest group and type first; rare types share a section."""
    groups: dict[str, dict[str, list[CurrentMilestone]]] = {}
    for milestone in milestones:
        groups.setdefault(milestone.category_group, {}).setdefault(milestone.type, []).append(milestone)
    found = []
    for group, types in sorted(groups.items(), key=lambda item: (-sum(map(len, item[1].values())), item[0])):
        rare = [kind for kind, members in types.items() if len(members) < SECTION_MIN]
        apart = set(types) - (set(rare) if len(rare) > 1 else set())
        found += [
            (f"{group}, {kind.replace('_', ' ')}", types[kind])
            for kind in sorted(apart, key=lambda kind: (-len(types[kind]), kind))
        ]
        if others := [member for member in milestones if member.category_group == group and member.type not in apart]:
            found.append((f"{group}, {'other types' if apart else 'all types'}", others))
    return found


def _packed(milestones: Sequence[CurrentMilestone], window: Window, view: ViewSettings) -> Layout:
    bars, headings, top = [], [], 0
    is_labelled = len(milestones) <= LABELLED_MAX
    lane_px = LABELLED_LANE_PX if is_labelled else LANE_PX
    for name, members in sections(milestones):
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
        "league": milestone.league or NOTHING,
        "title": milestone.title,
        "participants": milestone.participants or NOTHING,
        "score": milestone.score or NOTHING,
        "start": f"{in_both(milestone.starts_at, view.zone)}{' (tentative)' if milestone.start_is_tentative else ''}",
        "ends": f"{in_both(milestone.ends_at, view.zone)}{' (guessed)' if milestone.end_is_guessed else ''}",
        "lasts": f"{'about ' if milestone.end_is_guessed else ''}{length}",
        "state": "live" if milestone.is_live else relative(milestone.starts_at, window.now),
        "strength": 0.5 if milestone.end_is_guessed else 1,
    }
