"""Widgets that the pages share: page header, tables with times in the chosen zone, metrics, filters, empty states.

Text from the data goes only into widgets that show plain text, never into Markdown or HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

import streamlit as st

from board import query_cache
from board.charts.axes import PICKED
from board.published import Identity, Unavailable, identity_of, published_file
from board.queries import health, types
from board.settings import refresh_seconds
from board.theme import ViewSettings, sorted_groups
from board.times import Zone, in_both, relative

FRESH = timedelta(minutes=15)
"""Two polls, one every five minutes, were missed."""
STALE = timedelta(hours=26)
"""A daily sweep was missed."""
FILTER_PX = 172
"""Two fit side by side in a window of 390 px."""
CHOICE_PX = 240
METRIC_PX = 165
ROW_PX = 31
HEADER_PX = 33
TITLE_PX = 225
"""Leaves space for the start in a window of 390 px."""
TITLE_COLUMN = st.column_config.Column(width=TITLE_PX)
NAMES_COLUMN = st.column_config.Column(width=200)
TIME_FORMAT = "ddd D MMM YYYY HH:mm"
NEAR_FORMAT = "ddd D MMM HH:mm"
"""For times within a few days."""

Option = TypeVar("Option")


def current_view() -> ViewSettings:
    """The settings of this viewer."""
    zone = Zone.named(st.context.timezone)
    return ViewSettings(
        is_dark=st.context.theme.type == "dark",
        zone=zone,
        in_utc=zone.is_utc or st.session_state.get("zone") == "UTC",
    )


def page_header(title: str, lead: str) -> ViewSettings:
    """Show the title, the lead, the freshness of the data, and the choice between UTC and the viewer's zone."""
    zone = Zone.named(st.context.timezone)
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute", gap="small"):
        with st.container(width="content", gap=None):
            st.header(title, anchor=False)
            st.caption(lead)
        with st.container(width="content", horizontal=True, vertical_alignment="center", gap="small", wrap=False):
            _freshness_line(_identity())
            if not zone.is_utc:
                st.segmented_control(
                    "Times in",
                    [zone.city, "UTC"],
                    default=zone.city,
                    required=True,
                    key="zone",
                    label_visibility="collapsed",
                    bind="query-params",
                    persist_state="page",
                    help="The zone of time columns and time axes.",
                )
    return current_view()


def _identity() -> Identity | None:
    try:
        return identity_of(published_file())
    except Unavailable:
        return None


@st.fragment(run_every=refresh_seconds())
def _freshness_line(shown: Identity | None) -> None:
    """Show the age of the data, updated regularly; a new publish reruns the page."""
    if _identity() != shown:
        st.rerun()
    try:
        fresh = query_cache.run_cached(health.freshness)
    except Unavailable:
        st.badge("nothing published", icon=":material/cloud_off:", color="gray")
        return
    if fresh is None or fresh.last_sweep_at is None:
        st.badge("no sweep yet", icon=":material/cloud_off:", color="gray")
        return
    now = datetime.now(UTC)
    age = now - fresh.last_sweep_at
    colour, icon = (
        ("green", "check_circle") if age < FRESH else ("orange", "schedule") if age < STALE else ("red", "error")
    )
    st.badge(
        f"last sweep {relative(fresh.last_sweep_at, now)}" if age >= timedelta(minutes=1) else "last sweep just now",
        icon=f":material/{icon}:",
        color=colour,  # type: ignore[arg-type]  # a literal in three branches
        help=f"At {in_both(fresh.last_sweep_at, current_view().zone)}; {fresh.milestones:,} milestones.",
    )


def empty_state(what: str, advice: str, *, icon: str = "inbox", command: str | None = None) -> None:
    """Show what is missing and what to do."""
    with st.container(border=True, horizontal_alignment="center", gap="small"):
        st.markdown(f":material/{icon}:", text_alignment="center")
        st.text(what, text_alignment="center")
        st.caption(advice, text_alignment="center")
        if command:
            st.code(command, language="sh", width=320)


def all_clear(what: str) -> None:
    """Show that there is no problem. Constant text only: this is Markdown."""
    st.caption(f":material/check_circle: {what}")


def unavailable_state(fault: Unavailable) -> None:
    """Show, on any page, that the published file cannot be read."""
    empty_state(fault.what, fault.advice, icon="cloud_off", command=fault.command)


@dataclass(frozen=True)
class Metric:
    """A number at the top of a page."""

    label: str
    value: str
    help: str | None = None
    note: str | None = None
    """Text from the data, shown below the number."""


def metrics(found: Sequence[Metric]) -> None:
    """Show numbers in a row that wraps."""
    with st.container(horizontal=True, gap="small"):
        for figure in found:
            if figure.note is None:
                st.metric(figure.label, figure.value, help=figure.help, width=METRIC_PX)
                continue
            with st.container(gap=None, width=2 * METRIC_PX, key=f"noted-{figure.label}"):
                st.metric(figure.label, figure.value, help=figure.help)
                st.text(figure.note)


_WHEN_DRAWN = st.components.v2.component(
    "when_drawn", js="export default ({ setTriggerValue }) => setTriggerValue('drawn', true)"
)


def figures_are_drawn() -> bool:
    """Whether this viewer's browser has drawn the figures; if not, the page runs again when it has.

    Figures and charts that a new page gets together appear together: React puts off parts that have just loaded, and
    the charts then occupy the browser's only thread. True from the second run on, whatever started it, so that a
    browser that never reports gets its charts with the next filter.
    """
    if "figures_are_drawn" in st.session_state:
        return True
    st.session_state["figures_are_drawn"] = True
    _WHEN_DRAWN(key="when_drawn", on_drawn_change=_run_again, height=1)
    return False


def _run_again() -> None:
    """Streamlit runs the page after every callback."""


def time_column(label: str, values: Sequence[datetime | None], view: ViewSettings) -> dict[str, list[datetime | None]]:
    """A time column; its name ends with the zone that the viewer chose."""
    return {f"{label} {view.zone_name}": list(values)}


def known(columns: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """The columns that have a value in any row: those of endpoints that were never fetched have none."""
    return {name: values for name, values in columns.items() if any(value is not None for value in values)}


def table(
    columns: Mapping[str, Sequence[Any]],
    view: ViewSettings,
    *,
    key: str,
    rows_max: int = 14,
    time_format: str = TIME_FORMAT,
    config: Mapping[str, Any] | None = None,
    is_selectable: bool = False,
) -> int | None:
    """Show a table as tall as its rows; returns the number of the clicked row, if rows are selectable and one was."""
    rows = len(next(iter(columns.values())))
    configured = {
        name: _time_column(name, view.shown_zone, time_format)
        for name in columns
        if name.endswith(f" {view.zone_name}")
    }
    # Single cells: a click anywhere in the row counts, and no column of checkboxes takes space on a phone.
    options: dict[str, Any] = {"on_select": "rerun", "selection_mode": "single-cell"} if is_selectable else {}
    state = st.dataframe(
        dict(columns),
        column_config={**configured, **(config or {})},
        hide_index=True,
        row_height=ROW_PX,
        height=HEADER_PX + ROW_PX * min(max(rows, 1), rows_max) + 2,
        key=_selection_key(key) if is_selectable else key,
        placeholder="",
        **options,
    )
    chosen = [row for row, _ in state["selection"]["cells"]] if is_selectable else []
    # After a publish the table may be too short for the old selection.
    return chosen[0] if chosen and chosen[0] < rows else None


def reset_selections() -> None:
    """Clear selections in tables and charts: a click that opened another page must not act again on return."""
    st.session_state["clicks"] = st.session_state.get("clicks", 0) + 1


def _selection_key(key: str) -> str:
    return f"{key}-{st.session_state.get('clicks', 0)}"


def _time_column(name: str, zone: Zone, time_format: str) -> Any:
    return st.column_config.DatetimeColumn(
        name, format=time_format, timezone=zone.name, width=165 if time_format == TIME_FORMAT else 130
    )


def chart(drawn: Any, key: str) -> None:
    """Show a chart in the width of the page."""
    st.altair_chart(drawn, width="stretch", key=key)


def clickable_chart(drawn: Any, key: str) -> str | None:
    """As `chart`, for a chart with `click_selection`; returns the id of the milestone that was clicked."""
    state: Any = st.altair_chart(
        drawn, width="stretch", key=_selection_key(key), on_select="rerun", selection_mode=PICKED
    )
    picked = state["selection"][PICKED]
    return picked[0]["id"] if picked else None


def filters() -> AbstractContextManager[Any]:
    """A row of filters that wraps."""
    return st.container(horizontal=True, gap="small", vertical_alignment="center")


def multi_choice(label: str, options: Sequence[str], key: str, *, placeholder: str) -> frozenset[str]:
    """A choice of several options, kept in the address; options that the data no longer has are dropped."""
    kept = st.session_state.get(key)
    if isinstance(kept, list):
        st.session_state[key] = [value for value in kept if value in options]
    return frozenset(
        st.multiselect(
            label,
            options,
            key=key,
            placeholder=placeholder,
            label_visibility="collapsed",
            bind="query-params",
            persist_state="page",
            width=FILTER_PX,
        )
    )


def single_choice(label: str, options: Mapping[str, Option], key: str, *, default: str) -> Option:
    """A choice of one option, kept in the address; returns its value."""
    chosen = st.segmented_control(
        label,
        list(options),
        default=default,
        required=True,
        key=key,
        label_visibility="collapsed",
        width=CHOICE_PX,
        bind="query-params",
        persist_state="page",
    )
    return options[chosen or default]


def search_box(label: str, key: str, *, placeholder: str, width: int | Literal["stretch"] = "stretch") -> str:
    """A text field, kept in the address; returns the text without surrounding spaces."""
    typed = st.text_input(
        label,
        key=key,
        placeholder=placeholder,
        label_visibility="collapsed",
        icon=":material/search:",
        bind="query-params",
        persist_state="page",
        width=width,
    )
    return (typed or "").strip()


def category_and_type() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Two filters over all milestones: category groups, and the types in the chosen groups."""
    known = query_cache.run_cached(types.known_types)
    groups = multi_choice(
        "Category", sorted_groups(kind.category_group for kind in known), "category", placeholder="All categories"
    )
    names = sorted({kind.type for kind in known if not groups or kind.category_group in groups})
    return tuple(sorted(groups)), tuple(sorted(multi_choice("Type", names, "type", placeholder="All types")))
