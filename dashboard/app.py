"""The dashboard's script, which `serve.py` runs for each session, with MILESTONES_HOME set to the home folder."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from board import garbage_collection, widgets
from board.pages import changes, coverage, health, milestone, now
from board.pages.navigation import chosen_milestone, events_page
from board.published import Unavailable

BOARD = Path(__file__).parent / "board"


def main() -> None:
    """Run the open page."""
    mark = str(BOARD / "mark.svg")
    st.set_page_config(page_title="Kalshi milestones", page_icon=mark, layout="wide")
    st.logo(mark, size="medium")
    st.html(BOARD / "style.css")
    page = st.navigation(
        [
            st.Page(now.page, title="Now", icon=":material/sensors:", url_path="now", default=True),
            events_page(),
            st.Page(changes.page, title="Changes", icon=":material/history:", url_path="changes"),
            st.Page(coverage.page, title="Coverage", icon=":material/calendar_month:", url_path="coverage"),
            st.Page(health.page, title="Health", icon=":material/monitor_heart:", url_path="health"),
        ],
        position="top",
    )
    milestone_id = chosen_milestone()
    try:
        if milestone_id:
            milestone.show(milestone_id, instead_of=page.title)
        else:
            page.run()
    except Unavailable as fault:
        widgets.unavailable_state(fault)
    # After the first page: Streamlit imports some modules late.
    garbage_collection.freeze_loaded_objects()


main()
