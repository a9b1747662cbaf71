"""Events: type a ticker, see its milestones, its best start and the history of its starts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import streamlit as st

from board import parts
from board.answers import ask, ask_now
from board.charts.history import LINES_MAX, start_history
from board.queries import events
from board.theme import Look
from board.times import in_both, relative, signed_span, span

SUGGESTIONS_MAX = 50
EXAMPLES_MAX = 8
WIDTHS = {"Event": st.column_config.Column(width=250), "Milestone": st.column_config.Column(width=270)}

BASES = {
    "main": "it is the main event of the milestone",
    "primary": "it is a primary event of the milestone; none has it as the main one",
    "related": "it is only related to the milestone; none has it as main or primary",
}


def place() -> st.Page:
    """The page, to be switched to from others."""
    return st.Page(page, title="Events", icon=":material/confirmation_number:", url_path="events")


def page() -> None:
    """The whole page."""
    look = parts.head("Events", "When does an event start, and how sure is that?")
    ticker = parts.search("Event ticker", "event", placeholder="Event ticker, or a part of one")
    if not ticker:
        _start_here(look)
        return
    milestones = ask(events.event_milestones, ticker)
    if not milestones:
        _nothing_for(ticker, look)
        return
    _best_start(ticker, look)
    _history(ticker, look)
    _milestones(milestones, look)


def _start_here(look: Look) -> None:
    moved, coming = ask(events.moved, EXAMPLES_MAX), ask_now(events.starting_next, EXAMPLES_MAX)
    if not moved and not coming:
        parts.nothing(
            "Type an event ticker, or a part of one.",
            "It is what Kalshi calls event_ticker, as KXNBAGAME-26NOV25LALBOS.",
            icon="search",
        )
        return
    st.caption("Type an event ticker, or a part of one; or select a row to open it.")
    if moved:
        st.subheader("Starts that moved last", anchor=False)
        chosen = parts.table(
            {
                "Event": [event.event_ticker for event in moved],
                "Milestone": [event.title for event in moved],
                "Moved": [signed_span(event.shift) for event in moved],
                **parts.times("Now", [event.new_start for event in moved], look.zone),
                **parts.times("Before", [event.old_start for event in moved], look.zone),
                **parts.times("Seen", [event.seen_at for event in moved], look.zone),
            },
            look.zone,
            key="moved",
            config=WIDTHS,
            is_selectable=True,
        )
        if chosen is not None:
            _open(moved[chosen].event_ticker)
    if coming:
        st.subheader("Starting next", anchor=False)
        _offer(coming, look, key="coming")


def _nothing_for(ticker: str, look: Look) -> None:
    found = ask(events.suggestions, ticker, SUGGESTIONS_MAX)
    if found:
        more = "+" if len(found) == SUGGESTIONS_MAX else ""
        st.subheader(f"{len(found)}{more} events contain this text", anchor=False)
        st.caption("Select a row to open it.")
        _offer(found, look, key=f"suggestions-{ticker}")
    else:
        parts.nothing(
            "No milestone names an event like this.",
            "Tickers are spelled as Kalshi spells them. If the event is new, fetch what was updated since.",
            icon="search_off",
            command="milestones ingest",
        )


def _offer(found: Sequence[events.Suggestion], look: Look, *, key: str) -> None:
    chosen = parts.table(
        {
            "Event": [event.event_ticker for event in found],
            "Milestone": [event.title for event in found],
            **parts.times("Start", [event.starts_at for event in found], look.zone),
            "Milestones": [event.milestones for event in found],
        },
        look.zone,
        key=key,
        config=WIDTHS,
        is_selectable=True,
    )
    if chosen is not None:
        _open(found[chosen].event_ticker)


def _open(ticker: str) -> NoReturn:
    st.switch_page(place(), query_params={"event": ticker})


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


def _history(ticker: str, look: Look) -> None:
    found = [belief for belief in ask(events.beliefs, ticker) if belief.start_date is not None]
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
            **parts.times("Seen", [after.valid_from for _, after in moved], look.zone),
            "Milestone": [after.title for _, after in moved],
            "Moved": [_shift(before, after) for before, after in moved],
            **parts.times("From", [before.start_date for before, _ in moved], look.zone),
            **parts.times("To", [after.start_date for _, after in moved], look.zone),
        },
        look.zone,
        key="moves",
        rows_max=8,
    )


def _shift(before: events.Belief, after: events.Belief) -> str:
    return signed_span(after.start_date - before.start_date if after.start_date and before.start_date else timedelta(0))


def _milestones(found: Sequence[events.EventMilestone], look: Look) -> None:
    st.subheader("Its milestones" if len(found) > 1 else "Its milestone", anchor=False)
    parts.table(
        {
            "Role": [milestone.role for milestone in found],
            "Milestone": [milestone.title for milestone in found],
            **parts.times("Start", [milestone.start_date for milestone in found], look.zone),
            "Start tentative": [milestone.start_is_tentative for milestone in found],
            **parts.times("End", [milestone.end_date for milestone in found], look.zone),
            "Type": [milestone.type for milestone in found],
            "League": [milestone.league for milestone in found],
            "Category": [milestone.category_group for milestone in found],
            "Status group": [milestone.status_group for milestone in found],
            "Status": [milestone.status for milestone in found],
            "Simulated": [milestone.is_simulated for milestone in found],
            "Vanished UTC": [milestone.vanished_at for milestone in found],
            "Id": [milestone.milestone_id for milestone in found],
        },
        look.zone,
        key="milestones",
        config={"Milestone": st.column_config.Column(width=300)},
    )
