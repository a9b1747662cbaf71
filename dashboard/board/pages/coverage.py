"""Coverage: how many milestones start on each day of a year, and how complete they are."""

from __future__ import annotations

from datetime import UTC, date, datetime

import streamlit as st

from board import widgets
from board.charts.calendar import MEASURES, calendar
from board.queries import coverage
from board.queries.coverage import OfType, Scope
from board.query_cache import run_cached
from board.theme import ViewSettings

YEAR_PX, MEASURE_PX = 110, 220


def page() -> None:
    """Show the page."""
    view = widgets.page_header("Coverage", "Milestones by day, and how complete they are")
    years = run_cached(coverage.years)
    if not years:
        widgets.empty_state(
            "No milestone has a date yet.",
            "Fetch all milestones once.",
            icon="calendar_month",
            command="milestones ingest --full",
        )
        return
    today = datetime.now(UTC).date()
    year, measure, groups, types = _filters(years, today)
    scope = Scope(date(year, 1, 1), date(year, 12, 31), groups, types)
    days = run_cached(coverage.days, scope)
    if not days:
        widgets.empty_state(
            "No milestone of this year matches these filters.",
            "Remove a filter, or choose another year.",
            icon="filter_alt_off",
        )
        return
    found = run_cached(coverage.by_type, scope)
    _metrics(found, len(days))
    st.subheader(f"{MEASURES[measure]} by UTC day, {year}", anchor=False)
    widgets.chart(calendar(days, year, measure, today, view), key="calendar")
    _types(found, view)


def _filters(years: tuple[int, ...], today: date) -> tuple[int, str, tuple[str, ...], tuple[str, ...]]:
    with widgets.filters():
        year = st.selectbox(
            "Year",
            years,
            index=years.index(today.year) if today.year in years else 0,
            key="year",
            label_visibility="collapsed",
            bind="query-params",
            persist_state="page",
            width=YEAR_PX,
        )
        measure = st.selectbox(
            "Measure",
            list(MEASURES),
            format_func=MEASURES.__getitem__,
            key="measure",
            label_visibility="collapsed",
            bind="query-params",
            persist_state="page",
            width=MEASURE_PX,
        )
        groups, types = widgets.category_and_type()
    return year, measure, groups, types


def _metrics(found: tuple[OfType, ...], days: int) -> None:
    total = sum(kind.milestones for kind in found)
    widgets.metrics(
        [
            widgets.Metric("Milestones", f"{total:,}"),
            widgets.Metric("Days with milestones", f"{days:,}"),
            widgets.Metric("With end", f"{sum(kind.with_end for kind in found) / total:.0%}"),
            widgets.Metric("With source", f"{sum(kind.with_source for kind in found) / total:.0%}"),
            widgets.Metric("With main ticker", f"{sum(kind.with_main_event_ticker for kind in found) / total:.0%}"),
            widgets.Metric("With events", f"{sum(kind.with_events for kind in found) / total:.0%}"),
        ]
    )


def _types(found: tuple[OfType, ...], view: ViewSettings) -> None:
    st.subheader("By type", anchor=False)
    shares = {
        "End": "with_end",
        "Source": "with_source",
        "Main ticker": "with_main_event_ticker",
        "Events": "with_events",
    }
    widgets.table(
        {
            "Type": [kind.type for kind in found],
            "Category": [kind.category_group for kind in found],
            "Milestones": [kind.milestones for kind in found],
            **{
                label: [100 * getattr(kind, field) / kind.milestones for kind in found]
                for label, field in shares.items()
            },
        },
        view,
        key="types",
        rows_max=18,
        config={
            label: st.column_config.ProgressColumn(label, min_value=0, max_value=100, format="%.0f %%")
            for label in shares
        }
        | {"Milestones": st.column_config.NumberColumn(format="localized")},
    )
