"""Health: freshness, sweeps, refusals, drift of details and data quality."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from board import parts
from board.answers import ask, ask_now
from board.charts.sweeps import durations, outcomes
from board.queries import health
from board.queries.health import Sweep
from board.theme import Look
from board.times import in_both, relative, span

SWEEPS_SHOWN = 30
REFUSED_SHOWN = 100
DRIFT_SHOWN = 100


def page() -> None:
    """The whole page."""
    look = parts.head("Health", "Is the data fresh, whole and as expected?")
    _freshness(look)
    _sweeps(look)
    _quality(look)
    _quarantine(look)
    _drift(look)


def _freshness(look: Look) -> None:
    fresh = ask(health.freshness)
    if fresh is None:
        return
    now = datetime.now(UTC)
    parts.figures(
        [
            parts.Figure("Last sweep", relative(fresh.last_sweep_at, now), in_both(fresh.last_sweep_at, look.zone)),
            parts.Figure(
                "Last full sweep", relative(fresh.last_full_sweep_at, now), in_both(fresh.last_full_sweep_at, look.zone)
            ),
            parts.Figure(
                "Watermark",
                relative(fresh.watermark, now),
                f"Everything that Kalshi updated up to {in_both(fresh.watermark, look.zone)} has been read.",
            ),
            parts.Figure("Newest update", relative(fresh.newest_update, now), in_both(fresh.newest_update, look.zone)),
            parts.Figure("Milestones", f"{fresh.milestones:,}"),
            parts.Figure("In quarantine", f"{fresh.quarantined:,}", "Refused records, kept whole with their reasons."),
        ]
    )


def _sweeps(look: Look) -> None:
    found = ask(health.sweeps, SWEEPS_SHOWN)
    st.subheader("Sweeps", anchor=False)
    if not found:
        parts.nothing(
            "No sweep has been loaded.", "Run the first one.", icon="sync_disabled", command="milestones ingest"
        )
        return
    left, right = st.columns(2, gap="medium")
    with left:
        st.caption("How long each took")
        parts.chart(durations(found, look), key="durations")
    with right:
        st.caption("What each brought")
        parts.chart(outcomes(found, look), key="outcomes")
    _sweep_table(found, look)


def _sweep_table(found: Sequence[Sweep], look: Look) -> None:
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
    parts.table(
        {
            "Sweep": [sweep.sweep_id for sweep in found],
            "Mode": [sweep.mode for sweep in found],
            "Status": [sweep.status for sweep in found],
            **parts.times("Begun", [sweep.started_at for sweep in found], look),
            "Took": [span(sweep.duration) for sweep in found],
            **{name.replace("_", " ").capitalize(): [getattr(sweep, name) for sweep in found] for name in numbers},
            "MB": [sweep.bytes / 1e6 for sweep in found],
            "Error": [sweep.error for sweep in found],
        },
        look,
        key="sweeps",
        rows_max=8,
        config={
            name.replace("_", " ").capitalize(): st.column_config.NumberColumn(format="localized") for name in numbers
        }
        | {"MB": st.column_config.NumberColumn(format="%.1f"), "Sweep": st.column_config.Column(width=170)},
    )


def _quality(look: Look) -> None:
    found = ask_now(health.quality)
    broken = sum(rule.milestones > 0 for rule in found)
    st.subheader("Data quality", anchor=False)
    st.caption(f"{broken} of {len(found)} rules are broken by some milestone. Kalshi sends it so; it is kept as sent.")
    parts.table(
        {
            "Rule": [rule.rule for rule in found],
            "Broken when": [rule.description for rule in found],
            "Milestones": [rule.milestones for rule in found],
            "Share": [100 * rule.share for rule in found],
            "Example": [rule.example for rule in found],
        },
        look,
        key="quality",
        rows_max=20,
        config={
            "Rule": st.column_config.Column(width=170),
            "Broken when": st.column_config.Column(width=420),
            "Milestones": st.column_config.NumberColumn(format="localized"),
            "Share": st.column_config.ProgressColumn(min_value=0, max_value=100, format="%.2f %%"),
        },
    )


def _quarantine(look: Look) -> None:
    reasons = ask(health.refusals)
    st.subheader("Quarantine", anchor=False)
    if not reasons:
        parts.all_well("Nothing was refused.")
        return
    parts.table(
        {
            "Reason": [reason.reason for reason in reasons],
            "Field": [reason.field for reason in reasons],
            "Records": [reason.records for reason in reasons],
            **parts.times("Last seen", [reason.last_seen_at for reason in reasons], look),
        },
        look,
        key="reasons",
        rows_max=8,
        config={"Reason": st.column_config.Column(width=360)},
    )
    with st.expander("The newest refused records"):
        refused = ask(health.refused, REFUSED_SHOWN)
        parts.table(
            {
                **parts.times("Seen", [record.seen_at for record in refused], look),
                "Reason": [record.reason for record in refused],
                "Field": [record.field for record in refused],
                "Id": [record.milestone_id for record in refused],
                "Record": [record.record for record in refused],
            },
            look,
            key="refused",
            config={"Record": st.column_config.Column(width=500)},
        )
    st.caption("After an update of the code, milestones quarantine retry puts them through again.")


def _drift(look: Look) -> None:
    found = ask(health.drift, DRIFT_SHOWN)
    st.subheader("Drift of details", anchor=False)
    if not found:
        parts.all_well("No type has a field that it did not have from its first sweep on.")
        return
    parts.table(
        {
            "Type": [field.type for field in found],
            "Field": [field.path for field in found],
            "Kinds": [field.kinds for field in found],
            "Column": [field.sql_type for field in found],
            "Records": [field.records for field in found],
            **parts.times("First seen", [field.first_seen_at for field in found], look),
            "Example": [field.example for field in found],
        },
        look,
        key="drift",
        rows_max=10,
    )
