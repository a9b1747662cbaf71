"""Colours: one per category group in every chart, and colours of text and lines for a light and a dark page."""

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
"""Mid tones, legible on white and on near black; the most frequent groups differ most."""

SPARE_COLOURS = ("#5c6bc0", "#00897b", "#c0862f", "#a85cb8", "#607d8b")
"""For a group that is not listed; always the same colour for the same name."""

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
"""Width of a legend column, so that legends wrap in a narrow window."""
EARLIER, LATER = "#14a39a", "#dc5a62"


def group_colour(group: str) -> str:
    """The colour of a group; a group that is not listed gets one by its name."""
    spare = SPARE_COLOURS[zlib.crc32(group.encode()) % len(SPARE_COLOURS)]
    return GROUP_COLOURS.get(group, spare)


def sorted_groups(groups: Iterable[str]) -> list[str]:
    """Each group once, in the order of GROUP_COLOURS; groups that are not listed come last."""
    known = list(GROUP_COLOURS)
    return sorted(set(groups), key=lambda group: (known.index(group) if group in known else len(known), group))


def group_scale(groups: Iterable[str]) -> alt.Scale:
    """A colour scale for these groups."""
    names = sorted_groups(groups)
    return alt.Scale(domain=names, range=[group_colour(name) for name in names])


def colour_scale(colours: dict[str, str]) -> alt.Scale:
    """A colour scale for fixed names."""
    return alt.Scale(domain=list(colours), range=list(colours.values()))


@dataclass(frozen=True)
class ViewSettings:
    """Settings of the viewer: dark or light, times in UTC or in the viewer's zone."""

    is_dark: bool
    zone: Zone
    in_utc: bool

    @property
    def text_colour(self) -> str:
        """Text in charts."""
        return "#dfe5ee" if self.is_dark else "#1c2430"

    @property
    def muted_colour(self) -> str:
        """Secondary text in charts."""
        return "#8a96a8" if self.is_dark else "#6b7686"

    @property
    def grid_colour(self) -> str:
        """Rules and grids."""
        return "#243044" if self.is_dark else "#e8ebf0"

    @property
    def background(self) -> str:
        """The page."""
        return "#0e1420" if self.is_dark else "#ffffff"

    @property
    def heat_colours(self) -> list[str]:
        """A sequential scale, from few to many."""
        if self.is_dark:
            return ["#14283a", "#125160", "#178581", "#2dd4bf", "#b5f5e8"]
        return ["#e3f4f1", "#a9ddd4", "#5bbcae", "#178a7e", "#0b514c"]

    def time_scale(self, **options: Any) -> alt.Scale:
        """The scale of a time axis; Vega's plain time scale is in the browser's zone."""
        return alt.Scale(type="utc" if self.in_utc else "time", **options)

    @property
    def shown_zone(self) -> Zone:
        """The zone of time axes and time columns."""
        return UTC_ZONE if self.in_utc or self.zone.is_utc else self.zone

    @property
    def zone_name(self) -> str:
        """The short name of that zone."""
        return self.shown_zone.city

    def apply_theme(self, chart: Any, height: int) -> alt.LayerChart:
        """Apply the theme of all charts: no frame, muted axes."""
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
