"""The history of starts of one or several milestones: a chart, and a table of the moves."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from board import parts
from board.charts.history import LINES_MAX, start_history
from board.queries.beliefs import Belief
from board.theme import Look
from board.times import in_both, signed_span


def history_of_starts(beliefs: Sequence[Belief], look: Look) -> None:
    """Nothing where no start was ever listed; one sentence where none has moved."""
    found = [belief for belief in beliefs if belief.start_date is not None]
    if not found:
        return
    st.subheader("History of starts", anchor=False)
    moved = [
        (before, after)
        for before, after in itertools.pairwise(found)
        if before.milestone_id == after.milestone_id and before.start_date != after.start_date
    ]
    if not moved:
        first = min(belief.valid_from for belief in found)
        st.caption(f"No start has moved since we first saw it, {in_both(first, look.zone)}.")
        return
    parts.chart(start_history(found, look, datetime.now(UTC)), key="history")
    milestones = len({belief.milestone_id for belief in found})
    if milestones > LINES_MAX:
        st.caption(f"Drawn are {LINES_MAX} of {milestones} milestones, those with the most versions.")
    parts.table(
        {
            **({"Milestone": [after.title for _, after in moved]} if milestones > 1 else {}),
            **parts.times("To", [after.start_date for _, after in moved], look),
            "Moved": [_shift(before, after) for before, after in moved],
            **parts.times("From", [before.start_date for before, _ in moved], look),
            **parts.times("Seen", [after.valid_from for _, after in moved], look),
        },
        look,
        key="moves",
        rows_max=8,
        config={"Milestone": parts.TITLE_COLUMN},
    )


def _shift(before: Belief, after: Belief) -> str:
    return signed_span(after.start_date - before.start_date if after.start_date and before.start_date else timedelta(0))
