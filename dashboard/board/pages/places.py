"""Where one goes from a click: the pages of one event and of one milestone."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st


def events_page() -> st.Page:
    """The page of events."""
    from board.pages import events

    return st.Page(events.page, title="Events", icon=":material/confirmation_number:", url_path="events")


def milestone_page() -> st.Page:
    """The page of one milestone, which is reached by links and clicks only."""
    from board.pages import milestone

    return st.Page(milestone.page, title="Milestone", icon=":material/flag:", url_path="milestone", visibility="hidden")


def open_event(ticker: str) -> NoReturn:
    """Go to an event; what is set of the page that is left, its filters, stays in the browser's history."""
    st.switch_page(events_page(), query_params={"event": ticker} | _zone())


def open_milestone(milestone_id: str) -> NoReturn:
    """Go to a milestone."""
    st.switch_page(milestone_page(), query_params={"milestone": milestone_id} | _zone())


def _zone() -> dict[str, str]:
    zone = st.query_params.get("zone")
    return {"zone": zone} if zone else {}
