"""Where one goes from a click: the page of an event, and one milestone in place of the page that is open."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from board import parts

MILESTONE = "milestone"
"""The parameter of an address that names a milestone: /?milestone=ID is a link to it, on every page."""


def events_page() -> st.Page:
    """The page of events."""
    from board.pages import events  # noqa: PLC0415  # which imports this module

    return st.Page(events.page, title="Events", icon=":material/confirmation_number:", url_path="events")


def open_event(ticker: str) -> NoReturn:
    """Go to an event."""
    parts.forget_clicks()
    zone = st.query_params.get("zone")
    st.switch_page(events_page(), query_params={"event": ticker} | ({"zone": zone} if zone else {}))


def open_milestone(milestone_id: str) -> NoReturn:
    """Show a milestone in place of the page.

    In place, so that the address is a link and the filters of the page are kept for the way back.
    """
    parts.forget_clicks()
    st.query_params[MILESTONE] = milestone_id
    st.rerun()


def chosen_milestone() -> str | None:
    """The id in the address; None where it names none."""
    return st.query_params.get(MILESTONE, "").strip() or None


def close_milestone() -> NoReturn:
    """Show the page again."""
    st.query_params.pop(MILESTONE, None)
    st.rerun()
