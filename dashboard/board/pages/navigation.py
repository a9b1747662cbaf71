"""Navigation by clicks: to the page of an event, and to a milestone shown instead of the open page."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from board import widgets

MILESTONE = "milestone"
"""The query parameter that names a milestone: /?milestone=ID is a link to it, on every page."""


def events_page() -> st.Page:
    """The page of events."""
    from board.pages import events  # noqa: PLC0415  # which imports this module

    return st.Page(events.page, title="Events", icon=":material/confirmation_number:", url_path="events")


def open_event(ticker: str) -> NoReturn:
    """Open the page of an event."""
    widgets.reset_selections()
    zone = st.query_params.get("zone")
    st.switch_page(events_page(), query_params={"event": ticker} | ({"zone": zone} if zone else {}))


def open_milestone(milestone_id: str) -> NoReturn:
    """Show a milestone instead of the page.

    The page stays the same, so that the address is a link and the filters are kept for the return.
    """
    widgets.reset_selections()
    st.query_params[MILESTONE] = milestone_id
    st.rerun()


def chosen_milestone() -> str | None:
    """The id in the address, or None."""
    return st.query_params.get(MILESTONE, "").strip() or None


def close_milestone() -> NoReturn:
    """Show the page again."""
    st.query_params.pop(MILESTONE, None)
    st.rerun()
