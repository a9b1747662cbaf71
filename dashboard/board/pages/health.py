"""Health: freshness, sweeps, refusals, drift of details and data quality."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from board import widgets
from board.charts.sweeps import durations, outcomes
from board.queries import health
from board.queries.health import Sweep
from board.query_cache import run_cached, run_cached_for_a_minute
from board.theme import ViewSettings
from board.times import in_both, relative, span

SWEEPS_SHOWN = 30
REFUSED_SHOWN = 100
DRIFT_SHOWN = 100


def page() -> None:
    """Show the page."""
    view = widgets.page_header("Health", "Is the data fresh, complete and as expected?")
    _freshness(view)
    _sweeps(view)
    _quality(view)
    _quarantine(view)
    _drift(view)


def _freshness(view: ViewSettings) -> None:
    fresh = run_cached(health.freshness)
    if fresh is None:
        return
    now = datetime.now(UTC)
    widgets.metrics(
        [
            widgets.Metric("Last sweep", relative(fresh.last_sweep_at, now), in_both(fresh.last_sweep_at, view.zone)),
            widgets.Metric(
                "Last full sweep", relative(fresh.last_full_sweep_at, now), in_both(fresh.last_full_sweep_at, view.zone)
            ),
            widgets.Metric(
                "Watermark",
                relative(fresh.watermark, now),
                f"Everything that Kalshi updated up to {in_both(fresh.watermark, view.zone)} has been read.",
            ),
            widgets.Metric(
                "Newest update", relative(fresh.newest_update, now), in_both(fresh.newest_update, view.zone)
            ),
            widgets.Metric("Milestones", f"{fresh.milestones:,}"),
            widgets.Metric(
                "In quarantine", f"{fresh.quarantined:,}", "Refused records, kept complete with their reasons."
            ),
        ]
    )


def _sweeps(view: ViewSettings) -> None:
    found = run_cached(health.sweeps, SWEEPS_SHOWN)
    st.subheader("Sweeps", anchor=False)
    if not found:
        widgets.empty_state(
            "No sweep has been loaded.", "Run the first one.", icon="sync_disabled", command="milestones ingest"
        )
        return
    left, right = st.columns(2, gap="medium")
    with left:
        st.caption("Duration of each sweep")
        widgets.chart(durations(found, view), key="durations")
    with right:
        st.caption("Milestones by outcome")
        widgets.chart(outcomes(found, view), key="outcomes")
    _sweep_table(found, view)


def _sweep_table(found: Sequence[Sweep], view: ViewSettings) -> None:
    numbers = (
        "pages",
        "records",
        "new",
        "changed",
        "unchanged",
        "superseded",
        "quarantined",
        "vanished",
        "requests",
        "retries",
        "rate_limited",
    )
    widgets.table(
        {
            "Sweep": [sweep.sweep_id for sweep in found],
            "Mode": [sweep.mode for sweep in found],
            "Status": [sweep.status for sweep in found],
            **widgets.time_column("Started", [sweep.started_at for sweep in found], view),
            "Duration": [span(sweep.duration) for sweep in found],
            **{name.replace("_", " ").capitalize(): [getattr(sweep, name) for sweep in found] for name in numbers},
            "MB": [sweep.bytes / 1e6 for sweep in found],
            "Error": [sweep.error for sweep in found],
        },
        view,
        key="sweeps",
        rows_max=8,
        config={
            name.replace("_", " ").capitalize(): st.column_config.NumberColumn(format="localized") for name in numbers
        }
        | {"MB": st.column_config.NumberColumn(format="%.1f"), "Sweep": st.column_config.Column(width=170)},
    )


def _quality(view: ViewSettings) -> None:
    found = run_cached_for_a_minute(health.quality)
    broken = sum(rule.milestones > 0 for rule in found)
    st.subheader("Data quality", anchor=False)
    st.caption(
        f"Some milestones break {broken} of {len(found)} rules. Kalshi sends them like this; they are stored as sent."
    )
    widgets.table(
        {
            "Rule": [rule.rule for rule in found],
            "Broken when": [rule.description for rule in found],
            "Milestones": [rule.milestones for rule in found],
            "Share": [100 * rule.share for rule in found],
            "Example": [rule.example for rule in found],
        },
        view,
        key="quality",
        rows_max=20,
        config={
            "Rule": st.column_config.Column(width=170),
            "Broken when": st.column_config.Column(width=420),
            "Milestones": st.column_config.NumberColumn(format="localized"),
            "Share": st.column_config.ProgressColumn(min_value=0, max_value=100, format="%.2f %%"),
        },
    )


def _quarantine(view: ViewSettings) -> None:
    reasons = run_cached(health.refusals)
    st.subheader("Quarantine", anchor=False)
    if not reasons:
        widgets.all_clear("No record was refused.")
        return
    widgets.table(
        {
            "Reason": [reason.reason for reason in reasons],
            "Field": [reason.field for reason in reasons],
            "Records": [reason.records for reason in reasons],
            **widgets.time_column("Last seen", [reason.last_seen_at for reason in reasons], view),
        },
        view,
        key="reasons",
        rows_max=8,
        config={"Reason": st.column_config.Column(width=360)},
    )
    with st.expander("The newest refused records"):
        refused = run_cached(health.refused, REFUSED_SHOWN)
        widgets.table(
            {
                **widgets.time_column("Seen", [record.seen_at for record in refused], view),
                "Reason": [record.reason for record in refused],
                "Field": [record.field for record in refused],
                "Id": [record.milestone_id for record in refused],
                "Record": [record.record for record in refused],
            },
            view,
            key="refused",
            config={"Record": st.column_config.Column(width=500)},
        )
    st.caption("After an upgrade, run milestones quarantine retry to process them again.")


def _drift(view: ViewSettings) -> None:
    found = run_cached(health.drift, DRIFT_SHOWN)
    st.subheader("New fields in details", anchor=False)
    if not found:
        widgets.all_clear("No type has a field that is newer than its first sweep.")
        return
    widgets.table(
        {
            "Type": [field.type for field in found],
            "Field": [field.path for field in found],
            "Kinds": [field.kinds for field in found],
            "Column": [field.sql_type for field in found],
            "Records": [field.records for field in found],
            **widgets.time_column("First seen", [field.first_seen_at for field in found], view),
            "Example": [field.example for field in found],
        },
        view,
        key="drift",
        rows_max=10,
    )
