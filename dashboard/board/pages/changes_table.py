"""A table of changes for people: what moved, was edited, vanished or returned, with times in the chosen zone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from board import widgets
from board.queries.changes import Change
from board.theme import ViewSettings
from board.times import in_zone, signed_span

KINDS_OF_TIMES = ("start", "end", "gone or back")
FIELDS = {"start_date": "start", "end_date": "end", "details.status": "status"}
"""Labels of fields; other fields are shown by name."""


def changes_table(found: Sequence[Change], view: ViewSettings, *, key: str, is_of_one: bool = False) -> int | None:
    """Show changes in order; returns the number of the clicked one. `is_of_one` leaves out the milestone's title."""
    others = {
        "Type": [change.type for change in found],
        "Category": [change.category_group for change in found],
    }
    return widgets.table(
        {
            **({} if is_of_one else {"Milestone": [change.title for change in found]}),
            "Change": [change_label(change) for change in found],
            "Moved": [_shift(change) for change in found],
            "Old": [format_value(change, change.old, view) for change in found],
            "New": [format_value(change, change.new, view) for change in found],
            **widgets.time_column("Seen", [change.seen_at for change in found], view),
            **({} if is_of_one else others),
        },
        view,
        key=key,
        config={
            "Milestone": widgets.TITLE_COLUMN,
            "Old": st.column_config.Column(width=175),
            "New": st.column_config.Column(width=175),
        },
        is_selectable=not is_of_one,
    )


def change_label(change: Change) -> str:
    """The label of a change: `gone` or `back` for a milestone that vanished or returned, else its field."""
    if change.kind == "gone or back":
        return "gone" if change.new else "back"
    return FIELDS.get(change.field, change.field)


def format_value(change: Change, value: str | None, view: ViewSettings) -> str | None:
    """A time in the chosen zone; any other value as Kalshi sent it."""
    moment = _moment(value) if change.kind in KINDS_OF_TIMES else None
    return in_zone(moment, view.shown_zone) if moment else value


def _shift(change: Change) -> str | None:
    old, new = (_moment(value) for value in (change.old, change.new))
    return signed_span(new - old) if change.kind in ("start", "end") and old and new else None


def _moment(value: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if value else None
    except ValueError:
        return None
    # A date without a zone is plain text.
    return moment if moment and moment.tzinfo else None
