"""Events: type a ticker or a title, see the event's milestones, its best start and the history of its starts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from board import parts
from board.answers import ask, ask_now
from board.pages.places import open_event, open_milestone
from board.pages.starts import history_of_starts
from board.queries import events
from board.theme import Look
from board.times import in_both, relative, signed_span, span

SUGGESTIONS_MAX = 50
EXAMPLES_MAX = 8
WIDTHS = {"Event": st.column_config.Column(width=250), "Milestone": parts.TITLE_COLUMN}

BASES = {
    "main": "it is the main event of the milestone",
    "primary": "it is a primary event of the milestone; none has it as the main one",
    "related": "it is only related to the milestone; none has it as main or primary",
}


def page() -> None:
    """The whole page."""
    look = parts.head("Events", "When does an event start, and how sure is that?")
    ticker = parts.search("Event", "event", placeholder="Event ticker or title, or a part of one")
    if not ticker:
        _start_here(look)
        return
    milestones = ask(events.event_milestones, ticker)
    if not milestones:
        _nothing_for(ticker, look)
        return
    _best_start(ticker, look)
    history_of_starts(ask(events.beliefs, ticker), look)
    _milestones(milestones, look)


def _start_here(look: Look) -> None:
    moved, coming = ask(events.moved, EXAMPLES_MAX), ask_now(events.starting_next, EXAMPLES_MAX)
    if not moved and not coming:
        parts.nothing(
            "Type an event ticker or a title, or a part of one.",
            "A ticker is what Kalshi calls event_ticker, as KXNBAGAME-26NOV25LALBOS.",
            icon="search",
        )
        return
    st.caption("Type an event ticker or a title, or a part of one; or click a row to open it.")
    if moved:
        st.subheader("Starts that moved last", anchor=False)
        chosen = parts.table(
            {
                "Milestone": [event.title for event in moved],
                **parts.times("Now", [event.new_start for event in moved], look),
                "Moved": [signed_span(event.shift) for event in moved],
                "Event": [event.event_ticker for event in moved],
                **parts.times("Before", [event.old_start for event in moved], look),
                **parts.times("Seen", [event.seen_at for event in moved], look),
            },
            look,
            key="moved",
            config=WIDTHS,
            is_selectable=True,
        )
        if chosen is not None:
            open_event(moved[chosen].event_ticker)
    if coming:
        st.subheader("Starting next", anchor=False)
        _offer(coming, look, key="coming")


def _nothing_for(ticker: str, look: Look) -> None:
    found = ask(events.suggestions, ticker, SUGGESTIONS_MAX)
    if found:
        more = "+" if len(found) == SUGGESTIONS_MAX else ""
        st.subheader(f"{len(found)}{more} {'event' if len(found) == 1 else 'events'} found", anchor=False)
        st.caption("Click a row to open it.")
        _offer(found, look, key=f"suggestions-{ticker}")
    else:
        parts.nothing(
            "No ticker of an event and no title of a milestone contains this.",
            "Titles and tickers are spelled as Kalshi spells them. If the event is new, fetch what was updated since.",
            icon="search_off",
            command="milestones ingest",
        )


def _offer(found: Sequence[events.Suggestion], look: Look, *, key: str) -> None:
    chosen = parts.table(
        {
            "Milestone": [event.title for event in found],
            **parts.times("Start", [event.starts_at for event in found], look),
            "Event": [event.event_ticker for event in found],
            "Milestones": [event.milestones for event in found],
        },
        look,
        key=key,
        config=WIDTHS,
        is_selectable=True,
    )
    if chosen is not None:
        open_event(found[chosen].event_ticker)


def _best_start(ticker: str, look: Look) -> None:
    best = ask(events.event_start, ticker)
    now = datetime.now(UTC)
    if best is None:
        parts.nothing(
            "There is no start to rely on: every milestone of this event is simulated or has vanished.",
            "They are listed below.",
            icon="visibility_off",
        )
        return
    if best.is_shared:
        _shared(best, look)
        return
    with st.container(border=True, gap="xsmall", key="best-start"):
        st.caption("Best start")
        st.subheader(in_both(best.starts_at, look.zone), anchor=False)
        st.text(best.title)
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.badge(relative(best.starts_at, now), icon=":material/schedule:", color="blue")
            st.badge(
                f"by its {best.basis} milestone",
                icon=":material/anchor:",
                color="gray",
                help=f"Taken because {BASES.get(best.basis, 'it is the best there is')}.",
            )
            if best.is_ambiguous:
                st.badge(
                    "ambiguous",
                    icon=":material/call_split:",
                    color="orange",
                    help="Several milestones of this rank name different starts; the earliest is taken.",
                )
            if best.has_placeholder_dates:
                st.badge(
                    "placeholder",
                    icon=":material/event_busy:",
                    color="orange",
                    help="The only start there is is a placeholder, no date at all.",
                )
            elif best.start_is_tentative:
                st.badge(
                    "tentative",
                    icon=":material/event_repeat:",
                    color="orange",
                    help="This start is not settled: the milestone's status says that it may still move.",
                )
            if best.spread:
                st.badge(
                    f"starts {span(best.spread)} apart",
                    icon=":material/unfold_more:",
                    color="gray",
                    help=f"{in_both(best.earliest_start, look.zone)} to {in_both(best.latest_start, look.zone)}.",
                )


def _shared(best: events.EventStart, look: Look) -> None:
    with st.container(border=True, gap="xsmall", key="shared-event"):
        st.subheader("No start of its own", anchor=False)
        st.text(
            f"This event is shared by {best.milestones} milestones, which start from "
            f"{in_both(best.earliest_start, look.zone)} to {in_both(best.latest_start, look.zone)}."
        )
        st.badge(f"starts {span(best.spread or timedelta(0))} apart", icon=":material/unfold_more:", color="gray")


def _milestones(found: Sequence[events.EventMilestone], look: Look) -> None:
    st.subheader("Its milestones" if len(found) > 1 else "Its milestone", anchor=False)
    chosen = parts.table(
        {
            "Milestone": [milestone.title for milestone in found],
            **parts.times("Start", [milestone.start_date for milestone in found], look),
            "Role": [milestone.role for milestone in found],
            "Start tentative": [milestone.start_is_tentative for milestone in found],
            **parts.times("End", [milestone.end_date for milestone in found], look),
            "Type": [milestone.type for milestone in found],
            "League": [milestone.league for milestone in found],
            "Category": [milestone.category_group for milestone in found],
            "Status group": [milestone.status_group for milestone in found],
            "Status": [milestone.status for milestone in found],
            "Simulated": [milestone.is_simulated for milestone in found],
            **parts.times("Vanished", [milestone.vanished_at for milestone in found], look),
            "Id": [milestone.milestone_id for milestone in found],
        },
        look,
        key="milestones",
        config={"Milestone": parts.TITLE_COLUMN},
        is_selectable=True,
    )
    if chosen is not None:
        open_milestone(found[chosen].milestone_id)
