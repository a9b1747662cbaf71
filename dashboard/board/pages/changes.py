"""Changes: what was moved, edited, added and taken away, over time; the largest shifts of starts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from board import parts
from board.answers import ask
from board.charts.changes import bucket_for, largest, over_time
from board.pages.changed import changes_table
from board.pages.places import open_milestone
from board.queries import changes
from board.queries.changes import KINDS, Count, Period, Shift
from board.theme import Look
from board.times import span

PERIODS = {"24 h": timedelta(days=1), "7 d": timedelta(days=7), "30 d": timedelta(days=30), "All": None}
LATEST_MAX = 500
SHIFTS_MAX = 15
SHIFTS_COUNTED = 100_000


def page() -> None:
    """The whole page."""
    look = parts.head("Changes", "What Kalshi moved and edited since we first saw it")
    first = ask(changes.first_change)
    if first is None:
        parts.nothing(
            "Nothing has changed yet.",
            "Changes are what a sweep finds different from the one before: run another one later.",
            icon="history",
            command="milestones ingest",
        )
        return
    period = _filters(first)
    bucket = bucket_for(datetime.now(UTC) - max(period.since, first))
    counted = ask(changes.counts, period, bucket)
    if not counted:
        parts.nothing(
            "No change matches these filters.", "Take a filter away, or look further back.", icon="filter_alt_off"
        )
        return
    moves = ask(changes.shifts, period, SHIFTS_COUNTED)
    _figures(counted, moves)
    st.subheader(f"Changes a {bucket}", anchor=False)
    parts.chart(over_time(counted, bucket, look), key="over-time")
    if moves:
        st.subheader("Largest shifts of starts", anchor=False)
        if clicked := parts.clickable_chart(largest(moves[:SHIFTS_MAX], look), key="shifts"):
            open_milestone(clicked)
    _latest(period, look)


def _filters(first: datetime) -> Period:
    with parts.filters():
        length = parts.switch("Period", PERIODS, "period", default="7 d")
        kinds = parts.choices("Change of", KINDS, "kind", placeholder="All changes")
        groups, types = parts.category_and_type()
    # To the minute, so that a rerun asks the same question and finds its answer kept.
    since = first if length is None else (datetime.now(UTC) - length).replace(second=0, microsecond=0)
    return Period(since, groups, types, tuple(sorted(kinds)))


def _figures(counted: Sequence[Count], moves: Sequence[Shift]) -> None:
    lengths = sorted(abs(move.shift) for move in moves)
    late = sum(move.notice < timedelta(hours=1) for move in moves)
    parts.figures(
        [
            parts.Figure("Changes", f"{sum(count.changes for count in counted):,}"),
            parts.Figure("Starts moved", f"{len(moves):,}"),
            parts.Figure("Median shift", span(lengths[len(lengths) // 2]) if lengths else "–"),
            parts.Figure("Seen late", f"{late:,}", "Seen less than an hour before the old start, or after it."),
            parts.Figure(
                "Gone or back",
                f"{sum(count.changes for count in counted if count.kind == 'gone or back'):,}",
                "Milestones that vanished from complete sweeps, or came back.",
            ),
        ]
    )


def _latest(period: Period, look: Look) -> None:
    found = ask(changes.latest, period, LATEST_MAX)
    st.subheader("Latest changes", anchor=False)
    chosen = changes_table(found, look, key="latest")
    if chosen is not None:
        open_milestone(found[chosen].milestone_id)
    if len(found) == LATEST_MAX:
        st.caption(f"The newest {LATEST_MAX}; narrow the filters, or ask the table milestone_changes for all.")
