"""The history of starts of one or several milestones: a chart, and a table of the shifts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from board import widgets
from board.charts.history import LINES_MAX, start_history
from board.queries.start_versions import StartVersion
from board.theme import ViewSettings
from board.times import in_both, signed_span


def history_of_starts(start_versions: Sequence[StartVersion], view: ViewSettings) -> None:
    """Show nothing if no start was ever listed, and one sentence if none has moved."""
    found = [version for version in start_versions if version.start_date is not None]
    if not found:
        return
    st.subheader("History of starts", anchor=False)
    moved = [
        (before, after)
        for before, after in itertools.pairwise(found)
        if before.milestone_id == after.milestone_id and before.start_date != after.start_date
    ]
    if not moved:
        first = min(version.valid_from for version in found)
        st.caption(f"No start has moved since {in_both(first, view.zone)}, when it was first seen.")
        return
    widgets.chart(start_history(found, view, datetime.now(UTC)), key="history")
    milestones = len({version.milestone_id for version in found})
    if milestones > LINES_MAX:
        st.caption(f"The chart shows {LINES_MAX} of {milestones} milestones: those with the most versions.")
    widgets.table(
        {
            **({"Milestone": [after.title for _, after in moved]} if milestones > 1 else {}),
            **widgets.time_column("To", [after.start_date for _, after in moved], view),
            "Moved": [_shift(before, after) for before, after in moved],
            **widgets.time_column("From", [before.start_date for before, _ in moved], view),
            **widgets.time_column("Seen", [after.valid_from for _, after in moved], view),
        },
        view,
        key="moves",
        rows_max=8,
        config={"Milestone": widgets.TITLE_COLUMN},
    )


def _shift(before: StartVersion, after: StartVersion) -> str:
    return signed_span(after.start_date - before.start_date if after.start_date and before.start_date else timedelta(0))
