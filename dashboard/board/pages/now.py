"""Now: what is live, and what starts within the next 48 hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from board import parts
from board.answers import ask_now
from board.charts.lanes import Window
from board.charts.timeline import starts_by_hour, timeline
from board.pages.places import open_milestone
from board.queries.now import Filters, Happening, happenings
from board.theme import Look, in_order
from board.times import relative

HOURS = {"6 h": 6, "12 h": 12, "24 h": 24, "48 h": 48}
HOURS_MAX = max(HOURS.values())


def page() -> None:
    """The whole page."""
    look = parts.head("Now", "Live and next, simulated games left out")
    now = datetime.now(UTC)
    everything = ask_now(happenings, HOURS_MAX)
    wanted, hours = _filters(everything)
    limit = now + timedelta(hours=hours)
    matching = wanted.of(everything)
    _figures(matching, now)
    found = [happening for happening in matching if happening.starts_at <= limit]
    if not everything:
        parts.nothing(
            f"Nothing is live, and nothing starts within {HOURS_MAX} hours.",
            "If there should be something, fetch what was updated since the last sweep.",
            icon="event_busy",
            command="milestones ingest",
        )
        return
    if not found:
        parts.nothing(
            "Nothing matches these filters.", "Take a filter away, or look further ahead.", icon="filter_alt_off"
        )
        return
    window = Window(now, hours)
    parts.chart(starts_by_hour(found, window, look), key="starts")
    if clicked := parts.clickable_chart(timeline(found, window, look), key="timeline"):
        open_milestone(clicked)
    st.caption(
        f"Times on the line are {look.zone_name}. The red line is now; a paler bar has a guessed end, the usual "
        "duration of its type. Click a bar or a row to open the milestone."
    )
    _table(found, now, look)


def _filters(everything: Sequence[Happening]) -> tuple[Filters, int]:
    with parts.filters():
        groups = parts.choices(
            "Category", in_order(h.category_group for h in everything), "category", placeholder="All categories"
        )
        within = [h for h in everything if not groups or h.category_group in groups]
        types = parts.choices("Type", sorted({h.type for h in within}), "type", placeholder="All types")
        names = sorted({h.league for h in within if h.league and (not types or h.type in types)})
        leagues = parts.choices("League", names, "league", placeholder="All leagues")
        search = parts.search("Search", "search", placeholder="Title or ticker", width=parts.FILTER_PX)
        hours = parts.switch("Hours ahead", HOURS, "hours", default="48 h")
    return Filters(groups, types, leagues, search), hours


def _figures(found: Sequence[Happening], now: datetime) -> None:
    live = [happening for happening in found if happening.is_live]
    ahead = [happening for happening in found if not happening.is_live]
    guessed = sum(happening.end_is_guessed for happening in live)
    in_hour = sum(happening.starts_at <= now + timedelta(hours=1) for happening in ahead)
    in_day = sum(happening.starts_at <= now + timedelta(hours=24) for happening in ahead)
    parts.figures(
        [
            parts.Figure("Live now", f"{len(live):,}", f"{guessed:,} of them by a guessed end."),
            parts.Figure("Next hour", f"{in_hour:,}"),
            parts.Figure("Next 24 hours", f"{in_day:,}"),
            parts.Figure("Next 48 hours", f"{len(ahead):,}"),
            parts.Figure(
                "Next start",
                relative(ahead[0].starts_at, now) if ahead else "–",
                note=ahead[0].title if ahead else None,
            ),
        ]
    )


def _table(found: Sequence[Happening], now: datetime, look: Look) -> None:
    chosen = parts.table(
        {
            "Milestone": [h.title for h in found],
            **parts.times("Start", [h.starts_at for h in found], look),
            "State": ["live" if h.is_live else relative(h.starts_at, now) for h in found],
            "Start tentative": [h.start_is_tentative for h in found],
            "Type": [h.type for h in found],
            "League": [h.league for h in found],
            "Category": [h.category_group for h in found],
            **parts.times("End", [h.ends_at for h in found], look),
            "End guessed": [h.end_is_guessed for h in found],
            "Status group": [h.status_group for h in found],
            "Status": [h.status for h in found],
            "Main event": [h.main_event_ticker for h in found],
        },
        look,
        key="happenings",
        time_format=parts.NEAR_FORMAT,
        config={
            name: st.column_config.Column(width=width)
            for name, width in (("State", 95), ("Type", 185), ("League", 80), ("Category", 120))
        }
        | {"Milestone": parts.TITLE_COLUMN},
        is_selectable=True,
    )
    if chosen is not None:
        open_milestone(found[chosen].milestone_id)
