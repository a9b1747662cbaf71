"""Coverage: how many milestones start on each day of a year, and how complete they are."""

from __future__ import annotations

from datetime import UTC, date, datetime

import streamlit as st

from board import parts
from board.answers import ask
from board.charts.calendar import MEASURES, calendar
from board.queries import coverage
from board.queries.coverage import OfType, Scope
from board.theme import Look

YEAR_PX, MEASURE_PX = 110, 220


def page() -> None:
    """The whole page."""
    look = parts.head("Coverage", "How much there is by day, and how complete it is")
    years = ask(coverage.years)
    if not years:
        parts.nothing(
            "There is no milestone with a date yet.",
            "Fetch them all once.",
            icon="calendar_month",
            command="milestones ingest --full",
        )
        return
    today = datetime.now(UTC).date()
    year, measure, groups, types = _filters(years, today)
    scope = Scope(date(year, 1, 1), date(year, 12, 31), groups, types)
    days = ask(coverage.days, scope)
    if not days:
        parts.nothing(
            "No milestone of that year matches these filters.",
            "Take a filter away, or choose another year.",
            icon="filter_alt_off",
        )
        return
    found = ask(coverage.by_type, scope)
    _figures(found, len(days))
    st.subheader(f"{MEASURES[measure]} by UTC day, {year}", anchor=False)
    parts.chart(calendar(days, year, measure, today, look), key="calendar")
    _types(found, look)


def _filters(years: tuple[int, ...], today: date) -> tuple[int, str, tuple[str, ...], tuple[str, ...]]:
    with parts.filters():
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
        groups, types = parts.category_and_type()
    return year, measure, groups, types


def _figures(found: tuple[OfType, ...], days: int) -> None:
    total = sum(kind.milestones for kind in found)
    parts.figures(
        [
            parts.Figure("Milestones", f"{total:,}"),
            parts.Figure("Days with any", f"{days:,}"),
            parts.Figure("With end", f"{sum(kind.with_end for kind in found) / total:.0%}"),
            parts.Figure("With source", f"{sum(kind.with_source for kind in found) / total:.0%}"),
            parts.Figure("With main ticker", f"{sum(kind.with_main_event_ticker for kind in found) / total:.0%}"),
            parts.Figure("With events", f"{sum(kind.with_events for kind in found) / total:.0%}"),
        ]
    )


def _types(found: tuple[OfType, ...], look: Look) -> None:
    st.subheader("By type", anchor=False)
    shares = {
        "End": "with_end",
        "Source": "with_source",
        "Main ticker": "with_main_event_ticker",
        "Events": "with_events",
    }
    parts.table(
        {
            "Type": [kind.type for kind in found],
            "Category": [kind.category_group for kind in found],
            "Milestones": [kind.milestones for kind in found],
            **{
                label: [100 * getattr(kind, field) / kind.milestones for kind in found]
                for label, field in shares.items()
            },
        },
        look,
        key="types",
        rows_max=18,
        config={
            label: st.column_config.ProgressColumn(label, min_value=0, max_value=100, format="%.0f %%")
            for label in shares
        }
        | {"Milestones": st.column_config.NumberColumn(format="localized")},
    )
