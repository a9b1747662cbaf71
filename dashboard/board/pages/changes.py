"""Changes over time: what moved, was edited, added or removed; the largest shifts of starts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from board import widgets
from board.charts.changes import bucket_for, largest, over_time
from board.pages.changes_table import changes_table
from board.pages.navigation import open_milestone
from board.queries import changes, participants
from board.queries.changes import KINDS, Count, Period, Shift
from board.query_cache import run_cached
from board.theme import ViewSettings
from board.times import span

PERIODS = {"24 h": timedelta(days=1), "7 d": timedelta(days=7), "30 d": timedelta(days=30), "All": None}
LATEST_MAX = 500
SHIFTS_MAX = 15
SHIFTS_COUNTED = 100_000


def page() -> None:
    """Show the page."""
    view = widgets.page_header("Changes", "What Kalshi moved and edited after it was first seen")
    first = run_cached(changes.first_change)
    if first is None:
        widgets.empty_state(
            "Nothing has changed yet.",
            "A change is a difference between two sweeps: run another sweep later.",
            icon="history",
            command="milestones ingest",
        )
        return
    period = _filters(first)
    bucket = bucket_for(datetime.now(UTC) - max(period.since, first))
    counted = run_cached(changes.counts, period, bucket)
    if not counted:
        widgets.empty_state(
            "No change matches these filters.", "Remove a filter, or choose a longer period.", icon="filter_alt_off"
        )
        return
    moves = run_cached(changes.shifts, period, SHIFTS_COUNTED)
    _metrics(counted, moves)
    st.subheader(f"Changes per {bucket}", anchor=False)
    widgets.chart(over_time(counted, bucket, view), key="over-time")
    if moves:
        _largest(moves[:SHIFTS_MAX], view)
    _latest(period, view)


def _filters(first: datetime) -> Period:
    with widgets.filters():
        length = widgets.single_choice("Period", PERIODS, "period", default="7 d")
        kinds = widgets.multi_choice("Change of", KINDS, "kind", placeholder="All changes")
        groups, types = widgets.category_and_type()
    # Rounded to the minute, so that a rerun finds the cached result.
    since = first if length is None else (datetime.now(UTC) - length).replace(second=0, microsecond=0)
    return Period(since, groups, types, tuple(sorted(kinds)))


def _metrics(counted: Sequence[Count], moves: Sequence[Shift]) -> None:
    lengths = sorted(abs(move.shift) for move in moves)
    late = sum(move.notice < timedelta(hours=1) for move in moves)
    widgets.metrics(
        [
            widgets.Metric("Changes", f"{sum(count.changes for count in counted):,}"),
            widgets.Metric("Starts moved", f"{len(moves):,}"),
            widgets.Metric("Median shift", span(lengths[len(lengths) // 2]) if lengths else "–"),
            widgets.Metric("Seen late", f"{late:,}", "Seen less than an hour before the old start, or after it."),
            widgets.Metric(
                "Gone or back",
                f"{sum(count.changes for count in counted if count.kind == 'gone or back'):,}",
                "Milestones that vanished from complete sweeps, or returned.",
            ),
        ]
    )


def _largest(moves: Sequence[Shift], view: ViewSettings) -> None:
    st.subheader("Largest shifts", anchor=False)
    named = run_cached(participants.listed, tuple(move.milestone_id for move in moves))
    names = {one.milestone_id: one.participants for one in named}
    if clicked := widgets.clickable_chart(largest(moves, names, view), key="shifts"):
        open_milestone(clicked)


def _latest(period: Period, view: ViewSettings) -> None:
    found = run_cached(changes.latest, period, LATEST_MAX)
    st.subheader("Latest changes", anchor=False)
    chosen = changes_table(found, view, key="latest")
    if chosen is not None:
        open_milestone(found[chosen].milestone_id)
    if len(found) == LATEST_MAX:
        st.caption(f"The newest {LATEST_MAX}; narrow the filters, or query the table milestone_changes for all.")
