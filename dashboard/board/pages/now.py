"""Now: what is live, and what starts within the next 48 hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from board import widgets
from board.charts.lanes import Window
from board.charts.timeline import starts_by_hour, timeline
from board.pages.navigation import open_milestone
from board.queries.now import CurrentMilestone, Filters, current_milestones
from board.query_cache import run_cached_for_a_minute
from board.theme import ViewSettings, sorted_groups
from board.times import relative

HOURS = {"6 h": 6, "12 h": 12, "24 h": 24, "48 h": 48}
HOURS_MAX = max(HOURS.values())


def page() -> None:
    """Show the page."""
    view = widgets.page_header("Now", "Live and upcoming milestones, without simulated games")
    now = datetime.now(UTC)
    everything = run_cached_for_a_minute(current_milestones, HOURS_MAX)
    wanted, hours = _filters(everything)
    limit = now + timedelta(hours=hours)
    matching = wanted.apply(everything)
    _metrics(matching, now)
    found = [milestone for milestone in matching if milestone.starts_at <= limit]
    if not everything:
        widgets.empty_state(
            f"Nothing is live, and nothing starts within {HOURS_MAX} hours.",
            "If you expect some, fetch the latest updates.",
            icon="event_busy",
            command="milestones ingest",
        )
        return
    if not found:
        widgets.empty_state(
            "Nothing matches these filters.", "Remove a filter, or choose more hours.", icon="filter_alt_off"
        )
        return
    if not widgets.figures_are_drawn():
        return
    window = Window(now, hours)
    widgets.chart(starts_by_hour(found, window, view), key="starts")
    if clicked := widgets.clickable_chart(timeline(found, window, view), key="timeline"):
        open_milestone(clicked)
    st.caption(
        f"Time zone: {view.zone_name}. The red line is now. A paler bar has a guessed end: the usual "
        "duration of its type. Click a bar or a row to open the milestone."
    )
    _table(found, now, view)
    if any(milestone.observed_at for milestone in found):
        st.caption(
            "Score and live status are the newest that were fetched, and Observed is when they were first seen. "
            "The score begins with the home side or the first competitor, as the participants do."
        )


def _filters(everything: Sequence[CurrentMilestone]) -> tuple[Filters, int]:
    with widgets.filters():
        groups = widgets.multi_choice(
            "Category", sorted_groups(h.category_group for h in everything), "category", placeholder="All categories"
        )
        within = [h for h in everything if not groups or h.category_group in groups]
        types = widgets.multi_choice("Type", sorted({h.type for h in within}), "type", placeholder="All types")
        names = sorted({h.league for h in within if h.league and (not types or h.type in types)})
        leagues = widgets.multi_choice("League", names, "league", placeholder="All leagues")
        search = widgets.search_box("Search", "search", placeholder="Title, name, ticker", width=widgets.FILTER_PX)
        hours = widgets.single_choice("Hours ahead", HOURS, "hours", default="48 h")
    return Filters(groups, types, leagues, search), hours


def _metrics(found: Sequence[CurrentMilestone], now: datetime) -> None:
    live = [milestone for milestone in found if milestone.is_live]
    ahead = [milestone for milestone in found if not milestone.is_live]
    guessed = sum(milestone.end_is_guessed for milestone in live)
    in_hour = sum(milestone.starts_at <= now + timedelta(hours=1) for milestone in ahead)
    in_day = sum(milestone.starts_at <= now + timedelta(hours=24) for milestone in ahead)
    widgets.metrics(
        [
            widgets.Metric("Live now", f"{len(live):,}", f"{guessed:,} of them have a guessed end."),
            widgets.Metric("Next hour", f"{in_hour:,}"),
            widgets.Metric("Next 24 hours", f"{in_day:,}"),
            widgets.Metric("Next 48 hours", f"{len(ahead):,}"),
            widgets.Metric(
                "Next start",
                relative(ahead[0].starts_at, now) if ahead else "–",
                note=ahead[0].title if ahead else None,
            ),
        ]
    )


def _table(found: Sequence[CurrentMilestone], now: datetime, view: ViewSettings) -> None:
    chosen = widgets.table(
        {
            "Milestone": [h.title for h in found],
            **widgets.time_column("Start", [h.starts_at for h in found], view),
            "State": ["live" if h.is_live else relative(h.starts_at, now) for h in found],
            **widgets.known(
                {
                    "Score": [h.score for h in found],
                    "Live status": [h.live_status for h in found],
                    **widgets.time_column("Observed", [h.observed_at for h in found], view),
                    "Participants": [h.participants for h in found],
                }
            ),
            "Start tentative": [h.start_is_tentative for h in found],
            "Type": [h.type for h in found],
            "League": [h.league for h in found],
            "Category": [h.category_group for h in found],
            **widgets.time_column("End", [h.ends_at for h in found], view),
            "End guessed": [h.end_is_guessed for h in found],
            "Status group": [h.status_group for h in found],
            "Status": [h.status for h in found],
            "Main event": [h.main_event_ticker for h in found],
            **widgets.known({"Event title": [h.main_event_title for h in found]}),
        },
        view,
        key="current_milestones",
        time_format=widgets.NEAR_FORMAT,
        config={
            name: st.column_config.Column(width=width)
            for name, width in (
                ("State", 95),
                ("Score", 75),
                ("Live status", 110),
                ("Type", 185),
                ("League", 80),
                ("Category", 120),
            )
        }
        | {
            "Milestone": widgets.TITLE_COLUMN,
            "Participants": widgets.NAMES_COLUMN,
            "Event title": widgets.TITLE_COLUMN,
        },
        is_selectable=True,
    )
    if chosen is not None:
        open_milestone(found[chosen].milestone_id)
