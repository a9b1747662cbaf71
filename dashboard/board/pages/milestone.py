"""One milestone: its start and how it moved, its live data, participants, events, changes and details.

Its address is a link to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import streamlit as st

from board import widgets
from board.pages.changes_table import changes_table
from board.pages.navigation import close_milestone, open_event
from board.pages.starts import history_of_starts
from board.queries import changes, live_data, milestone, participants
from board.queries.live_data import LiveData
from board.queries.milestone import Milestone
from board.query_cache import run_cached
from board.theme import ViewSettings
from board.times import in_both, relative

CHANGES_MAX = 200


def show(milestone_id: str, *, instead_of: str) -> None:
    """Show a milestone instead of the page with this title."""
    view = widgets.page_header("Milestone", "When does it start, and what has changed?")
    if st.button(f"Back to {instead_of}", icon=":material/arrow_back:"):
        close_milestone()
    found = run_cached(milestone.milestone, milestone_id)
    if found is None:
        widgets.empty_state(
            "No milestone has this id.",
            "Search for its title or ticker on the page Events. If it is new, fetch the latest updates.",
            icon="search_off",
            command="milestones ingest",
        )
        return
    _facts(found, run_cached(live_data.of_milestone, milestone_id), view)
    _participants(milestone_id, view)
    _events(found.milestone_id, view)
    history_of_starts(run_cached(milestone.start_versions, found.milestone_id), view)
    _changes(found.milestone_id, view)
    if found.details and found.details != "{}":
        st.subheader("Details", anchor=False)
        st.json(found.details, expanded=2)


def _facts(found: Milestone, live: LiveData | None, view: ViewSettings) -> None:
    with st.container(border=True, gap="xsmall", key="facts"):
        with st.container(key="facts-title"):
            st.text(found.title)
        st.subheader(in_both(found.start_date, view.zone) if found.start_date else "Start unknown", anchor=False)
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            for label, icon, colour, meaning in _badges(found, datetime.now(UTC)):
                st.badge(label, icon=f":material/{icon}:", color=colour, help=meaning)  # type: ignore[arg-type]
        lines = (*_lines(found, view), *(_live_lines(live, view) if live else ()))
        st.text("\n".join(f"{name}: {value}" for name, value in lines if value))
        st.code(found.milestone_id, language=None)


def _badges(found: Milestone, now: datetime) -> Iterator[tuple[str, str, str, str | None]]:
    """Label, icon, colour and meaning; labels are constant text, because they are Markdown."""
    if found.start_date and not found.has_placeholder_dates:
        yield relative(found.start_date, now), "schedule", "blue", None
    if found.has_placeholder_dates:
        yield "placeholder", "event_busy", "orange", "The start or the end is a placeholder, not a real date."
    elif found.start_is_tentative:
        yield "tentative", "event_repeat", "orange", "The start is not final: it may still move."
    if found.is_simulated:
        yield "simulated", "smart_toy", "gray", "A simulated game: other pages leave it out."
    if found.vanished_at:
        yield f"vanished {relative(found.vanished_at, now)}", "visibility_off", "red", "Kalshi no longer lists it."


def _lines(found: Milestone, view: ViewSettings) -> Iterator[tuple[str, str | None]]:
    yield "End", in_both(found.end_date, view.zone) if found.end_date else None
    yield "Type", found.type
    yield "League", found.league
    yield "Category", found.category_group
    yield "Status", _with_group(found.status, found.status_group)


def _live_lines(live: LiveData, view: ViewSettings) -> Iterator[tuple[str, str | None]]:
    yield "Score", live.score
    yield "Winner", live.winner
    yield "Live status", _with_group(live.live_status, live.live_status_group)
    yield "Observed", in_both(live.observed_at, view.zone)


def _with_group(status: str | None, group: str | None) -> str | None:
    return f"{status} ({group})" if status and group and group != status else status


def _participants(milestone_id: str, view: ViewSettings) -> None:
    found = run_cached(participants.of_milestone, milestone_id)
    if not found:
        return
    st.subheader("Participants", anchor=False)
    widgets.table(
        {
            "Role": [one.role for one in found],
            "Name": [one.name for one in found],
            **widgets.known(
                {
                    "Note": [one.note for one in found],
                    "Abbreviation": [one.abbreviation for one in found],
                    "Type": [one.type for one in found],
                }
            ),
            "Id": [one.entity_id for one in found],
        },
        view,
        key="participants",
        rows_max=8,
        config={"Name": widgets.TITLE_COLUMN, "Note": widgets.TITLE_COLUMN},
    )


def _events(milestone_id: str, view: ViewSettings) -> None:
    found = run_cached(milestone.tickers, milestone_id)
    if not found:
        st.caption("This milestone has no event.")
        return
    st.subheader("Its events" if len(found) > 1 else "Its event", anchor=False)
    chosen = widgets.table(
        {
            "Event": [ticker.event_ticker for ticker in found],
            **widgets.known({"Title": [ticker.event_title for ticker in found]}),
            "Role": [ticker.role for ticker in found],
        },
        view,
        key="events",
        rows_max=8,
        config={"Title": widgets.TITLE_COLUMN},
        is_selectable=True,
    )
    if chosen is not None:
        open_event(found[chosen].event_ticker)


def _changes(milestone_id: str, view: ViewSettings) -> None:
    found = run_cached(changes.of_milestone, milestone_id, CHANGES_MAX)
    st.subheader("Its changes", anchor=False)
    if found:
        changes_table(found, view, key="changes", is_of_one=True)
    else:
        st.caption("No changes since it was first seen.")
