"""One milestone below a table: its events, from which one goes to the page Events, and its details."""

from __future__ import annotations

import streamlit as st

from board.answers import ask
from board.queries import milestone


def milestone_panel(milestone_id: str, title: str) -> None:
    """Title, id, events and details."""
    from board.pages import events

    with st.container(border=True, key="panel"):
        st.text(title)
        st.code(milestone_id, language=None)
        found = ask(milestone.tickers, milestone_id)
        if found:
            roles = {ticker.event_ticker: ticker.role for ticker in found}
            choose, go = st.columns([4, 1], vertical_alignment="bottom")
            ticker = choose.selectbox(
                f"Its {len(found)} events" if len(found) > 1 else "Its event",
                list(roles),
                format_func=lambda name: f"{name} ({roles[name]})",
                key="panel-event",
            )
            if go.button("Open event", icon=":material/arrow_forward:", width="stretch"):
                st.switch_page(events.place(), query_params={"event": ticker})
        else:
            st.caption("It names no event.")
        details = ask(milestone.details, milestone_id)
        if details and details != "{}":
            with st.expander("Details"):
                st.json(details, expanded=2)
