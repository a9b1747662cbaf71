"""Events: search by ticker, title or name; shows an event's titles, best start, history of starts and milestones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from board import widgets
from board.pages.navigation import open_event, open_milestone
from board.pages.starts import history_of_starts
from board.queries import events
from board.query_cache import run_cached, run_cached_for_a_minute
from board.theme import ViewSettings
from board.times import in_both, relative, signed_span, span

SUGGESTIONS_MAX = 50
EXAMPLES_MAX = 8
WIDTHS = {
    "Event": st.column_config.Column(width=250),
    "Milestone": widgets.TITLE_COLUMN,
    "Event title": widgets.TITLE_COLUMN,
    "Participants": widgets.NAMES_COLUMN,
}

BASES = {
    "main": "it is the main event of the milestone",
    "primary": "it is a primary event of the milestone, and the main event of none",
    "related": "it is a related event of the milestone, and the main or primary event of none",
}


def page() -> None:
    """Show the page."""
    view = widgets.page_header("Events", "When does an event start, and how certain is that?")
    ticker = widgets.search_box("Event", "event", placeholder="Event ticker, title or name, or a part of one")
    if not ticker:
        _start_here(view)
        return
    described = run_cached(events.event, ticker)
    milestones = run_cached(events.event_milestones, ticker)
    if not milestones and not described:
        _nothing_for(ticker, view)
        return
    if described:
        _facts(described)
    if not milestones:
        st.caption("No milestone names this event.")
        return
    _best_start(ticker, view)
    history_of_starts(run_cached(events.start_versions, ticker), view)
    _milestones(milestones, view)


def _start_here(view: ViewSettings) -> None:
    moved, coming = run_cached(events.moved, EXAMPLES_MAX), run_cached_for_a_minute(events.starting_next, EXAMPLES_MAX)
    if not moved and not coming:
        widgets.empty_state(
            "Type an event ticker, a title or a name, or a part of one.",
            "A ticker is what Kalshi calls event_ticker, for example KXNBAGAME-26NOV25LALBOS.",
            icon="search",
        )
        return
    st.caption("Type an event ticker, a title or a name, or a part of one; or click a row to open it.")
    if moved:
        st.subheader("Latest shifts of starts", anchor=False)
        chosen = widgets.table(
            {
                "Milestone": [event.title for event in moved],
                **widgets.time_column("Now", [event.new_start for event in moved], view),
                "Moved": [signed_span(event.shift) for event in moved],
                "Event": [event.event_ticker for event in moved],
                **widgets.known({"Event title": [event.event_title for event in moved]}),
                **widgets.time_column("Before", [event.old_start for event in moved], view),
                **widgets.time_column("Seen", [event.seen_at for event in moved], view),
            },
            view,
            key="moved",
            config=WIDTHS,
            is_selectable=True,
        )
        if chosen is not None:
            open_event(moved[chosen].event_ticker)
    if coming:
        st.subheader("Starting next", anchor=False)
        _offer(coming, view, key="coming")


def _nothing_for(ticker: str, view: ViewSettings) -> None:
    found = run_cached(events.suggestions, ticker, SUGGESTIONS_MAX)
    if found:
        more = "+" if len(found) == SUGGESTIONS_MAX else ""
        st.subheader(f"{len(found)}{more} {'event' if len(found) == 1 else 'events'} found", anchor=False)
        st.caption("Click a row to open it.")
        _offer(found, view, key=f"suggestions-{ticker}")
    else:
        widgets.empty_state(
            "No event ticker, title or participant's name contains this.",
            "They are spelled as Kalshi spells them. If the event is new, fetch the latest updates.",
            icon="search_off",
            command="milestones ingest",
        )


def _offer(found: Sequence[events.Suggestion], view: ViewSettings, *, key: str) -> None:
    chosen = widgets.table(
        {
            "Milestone": [event.title for event in found],
            **widgets.time_column("Start", [event.starts_at for event in found], view),
            "Event": [event.event_ticker for event in found],
            **widgets.known(
                {
                    "Event title": [event.event_title for event in found],
                    "Participants": [event.participants for event in found],
                }
            ),
            "Milestones": [event.milestones for event in found],
        },
        view,
        key=key,
        config=WIDTHS,
        is_selectable=True,
    )
    if chosen is not None:
        open_event(found[chosen].event_ticker)


def _facts(event: events.Event) -> None:
    with st.container(border=True, gap="xsmall", key="event-facts"):
        with st.container(key="event-title"):
            st.text(event.event_title or event.event_ticker)
        series = " – ".join(text for text in (event.series_title, event.series_ticker) if text)
        scope = f" ({event.competition_scope})" if event.competition_scope else ""
        lines = (
            ("Sub title", event.sub_title),
            ("Series", series),
            ("Competition", f"{event.competition}{scope}" if event.competition else event.competition_scope),
        )
        st.text("\n".join(f"{name}: {value}" for name, value in lines if value))


def _best_start(ticker: str, view: ViewSettings) -> None:
    best = run_cached(events.event_start, ticker)
    now = datetime.now(UTC)
    if best is None:
        widgets.empty_state(
            "There is no reliable start: every milestone of this event is simulated or has vanished.",
            "They are listed below.",
            icon="visibility_off",
        )
        return
    if best.is_shared:
        _shared(best, view)
        return
    with st.container(border=True, gap="xsmall", key="best-start"):
        st.caption("Best start")
        st.subheader(in_both(best.starts_at, view.zone), anchor=False)
        st.text(best.title)
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.badge(relative(best.starts_at, now), icon=":material/schedule:", color="blue")
            st.badge(
                f"from a {best.basis} milestone",
                icon=":material/anchor:",
                color="gray",
                help=f"Chosen because {BASES.get(best.basis, 'there is no better one')}.",
            )
            if best.is_ambiguous:
                st.badge(
                    "ambiguous",
                    icon=":material/call_split:",
                    color="orange",
                    help="Several milestones of this rank have different starts; this is the earliest.",
                )
            if best.has_placeholder_dates:
                st.badge(
                    "placeholder",
                    icon=":material/event_busy:",
                    color="orange",
                    help="The only listed start is a placeholder, not a real date.",
                )
            elif best.start_is_tentative:
                st.badge(
                    "tentative",
                    icon=":material/event_repeat:",
                    color="orange",
                    help="The start is not final: the status of the milestone says that it may still move.",
                )
            if best.spread:
                st.badge(
                    f"starts {span(best.spread)} apart",
                    icon=":material/unfold_more:",
                    color="gray",
                    help=f"{in_both(best.earliest_start, view.zone)} to {in_both(best.latest_start, view.zone)}.",
                )


def _shared(best: events.EventStart, view: ViewSettings) -> None:
    with st.container(border=True, gap="xsmall", key="shared-event"):
        st.subheader("No start of its own", anchor=False)
        st.text(
            f"This event is shared by {best.milestones} milestones, which start from "
            f"{in_both(best.earliest_start, view.zone)} to {in_both(best.latest_start, view.zone)}."
        )
        st.badge(f"starts {span(best.spread or timedelta(0))} apart", icon=":material/unfold_more:", color="gray")


def _milestones(found: Sequence[events.EventMilestone], view: ViewSettings) -> None:
    st.subheader("Its milestones" if len(found) > 1 else "Its milestone", anchor=False)
    chosen = widgets.table(
        {
            "Milestone": [milestone.title for milestone in found],
            **widgets.time_column("Start", [milestone.start_date for milestone in found], view),
            "Role": [milestone.role for milestone in found],
            **widgets.known({"Participants": [milestone.participants for milestone in found]}),
            "Start tentative": [milestone.start_is_tentative for milestone in found],
            **widgets.time_column("End", [milestone.end_date for milestone in found], view),
            "Type": [milestone.type for milestone in found],
            "League": [milestone.league for milestone in found],
            "Category": [milestone.category_group for milestone in found],
            "Status group": [milestone.status_group for milestone in found],
            "Status": [milestone.status for milestone in found],
            "Simulated": [milestone.is_simulated for milestone in found],
            **widgets.time_column("Vanished", [milestone.vanished_at for milestone in found], view),
            "Id": [milestone.milestone_id for milestone in found],
        },
        view,
        key="milestones",
        config=WIDTHS,
        is_selectable=True,
    )
    if chosen is not None:
        open_milestone(found[chosen].milestone_id)
