"""Colours: one a category group wherever it is drawn, and inks for a light and a dark page."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import altair as alt

from board.times import UTC_ZONE, Zone

GROUP_COLOURS = {
    "Sports": "#3d7fe0",
    "Mentions": "#9a6ee0",
    "Esports": "#14a39a",
    "Financials": "#4aa564",
    "Economics": "#d9982b",
    "Elections": "#dc5a62",
    "Entertainment": "#d968ad",
    "Companies": "#6d86b3",
    "Commodities": "#b07c4f",
    "Science and Technology": "#35a3cc",
    "Politics": "#bb4f46",
    "Climate and Weather": "#7fa83a",
    "Crypto": "#e2793f",
    "World": "#8793a3",
}
"""Mid tones, which read on white and on near black; the frequent groups lie furthest apart."""

SPARE_COLOURS = ("#5c6bc0", "#00897b", "#c0862f", "#a85cb8", "#607d8b")
"""For a group that comes new, always the same one."""

KIND_COLOURS = {
    "start": "#dc5a62",
    "end": "#d9982b",
    "title": "#3d7fe0",
    "events": "#14a39a",
    "status": "#9a6ee0",
    "gone or back": "#6d86b3",
    "other": "#8793a3",
}

OUTCOME_COLOURS = {"new": "#14a39a", "changed": "#3d7fe0", "quarantined": "#dc5a62", "vanished": "#8793a3"}
MODE_COLOURS = {
    "full": "#3d7fe0",
    "incremental": "#14a39a",
    "by_id": "#9a6ee0",
    "partial": "#d9982b",
    "retry": "#6d86b3",
    "failed": "#dc5a62",
}
LEGEND_COLUMN_PX = 105
"""Legends wrap in a narrow window."""
EARLIER, LATER = "#14a39a", "#dc5a62"


def group_colour(group: str) -> str:
    """A group's colour, here and on every other day."""
    spare = SPARE_COLOURS[zlib.crc32(group.encode()) % len(SPARE_COLOURS)]
    return GROUP_COLOURS.get(group, spare)


def sorted_groups(groups: Iterable[str]) -> list[str]:
    """Each group once, in the order of GROUP_COLOURS, new ones behind."""
    known = list(GROUP_COLOURS)
    return sorted(set(groups), key=lambda group: (known.index(group) if group in known else len(known), group))


def group_scale(groups: Iterable[str]) -> alt.Scale:
    """The colour scale of the groups at hand."""
    names = sorted_groups(groups)
    return alt.Scale(domain=names, range=[group_colour(name) for name in names])


def colour_scale(colours: dict[str, str]) -> alt.Scale:
    """A colour scale of fixed names."""
    return alt.Scale(domain=list(colours), range=list(colours.values()))


@dataclass(frozen=True)
class ViewSettings:
    """How the viewer sees the page: dark or light, times in UTC or in the viewer's zone."""

    is_dark: bool
    zone: Zone
    in_utc: bool

    @property
    def text_colour(self) -> str:
        """Of text in charts."""
        return "#dfe5ee" if self.is_dark else "#1c2430"

    @property
    def muted_colour(self) -> str:
        """Of what stands back."""
        return "#8a96a8" if self.is_dark else "#6b7686"

    @property
    def grid_colour(self) -> str:
        """Of rules and grids."""
        return "#243044" if self.is_dark else "#e8ebf0"

    @property
    def background(self) -> str:
        """Of the page."""
        return "#0e1420" if self.is_dark else "#ffffff"

    @property
    def heat_colours(self) -> list[str]:
        """From little to much."""
        if self.is_dark:
            return ["#14283a", "#125160", "#178581", "#2dd4bf", "#b5f5e8"]
        return ["#e3f4f1", "#a9ddd4", "#5bbcae", "#178a7e", "#0b514c"]

    def time_scale(self, **options: Any) -> alt.Scale:
        """Of a time axis; Vega's plain time scale is in the browser's zone."""
        return alt.Scale(type="utc" if self.in_utc else "time", **options)

    @property
    def shown_zone(self) -> Zone:
        """The zone of time axes and of columns of times."""
        return UTC_ZONE if self.in_utc or self.zone.is_utc else self.zone

    @property
    def zone_name(self) -> str:
        """The short name of the zone of axes and columns."""
        return self.shown_zone.city

    def apply_theme(self, chart: Any, height: int) -> alt.LayerChart:
        """The common dress of every chart: no frame, quiet axes."""
        themed: alt.LayerChart = (
            chart.properties(height=height, background="transparent")
            .configure_view(stroke=None)
            .configure_axis(
                labelColor=self.muted_colour,
                titleColor=self.muted_colour,
                gridColor=self.grid_colour,
                domainColor=self.grid_colour,
                tickColor=self.grid_colour,
                labelFontSize=11,
                titleFontSize=11,
                titleFontWeight="normal",
                labelFontWeight="normal",
            )
            .configure_legend(
                columns=alt.ExprRef(f"max(2, floor(width / {LEGEND_COLUMN_PX}))"),
                orient="top",
                direction="horizontal",
                title=None,
                labelColor=self.muted_colour,
                labelFontSize=11,
                symbolType="square",
                symbolSize=70,
                offset=4,
                padding=0,
                columnPadding=10,
            )
        )
        return themed
