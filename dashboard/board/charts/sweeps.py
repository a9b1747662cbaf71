"""The duration and the outcome of each sweep."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from board.queries.health import Sweep
from board.theme import MODE_COLOURS, OUTCOME_COLOURS, ViewSettings, colour_scale
from board.times import in_both, span

HEIGHT_PX = 190


def durations(sweeps: Sequence[Sweep], view: ViewSettings) -> alt.LayerChart:
    """One bar per sweep, oldest first: seconds, coloured by mode; a failed sweep is red."""
    values = [
        {
            "sweep": sweep.sweep_id,
            "mode": "failed" if sweep.status == "failed" else sweep.mode,
            "seconds": sweep.duration.total_seconds(),
            "took": span(sweep.duration),
            "begun": in_both(sweep.started_at, view.zone),
            "pages": sweep.pages,
            "records": sweep.records,
        }
        for sweep in reversed(sweeps)
    ]
    bars = (
        alt.Chart(alt.InlineData(values=values))
        .mark_bar(cornerRadiusTopLeft=2, cornerRadiusTopRight=2)
        .encode(
            x=_sweep_axis(values),
            y=alt.Y("seconds:Q", axis=alt.Axis(title="seconds", tickCount=4, domain=False, ticks=False)),
            color=alt.Color(
                "mode:N", scale=_of_used(MODE_COLOURS, {str(value["mode"]) for value in values}), legend=alt.Legend()
            ),
            tooltip=[
                alt.Tooltip("sweep:N"),
                alt.Tooltip("mode:N"),
                alt.Tooltip("begun:N"),
                alt.Tooltip("took:N"),
                alt.Tooltip("pages:Q", format=","),
                alt.Tooltip("records:Q", format=","),
            ],
        )
    )
    return view.apply_theme(alt.layer(bars), HEIGHT_PX)


def outcomes(sweeps: Sequence[Sweep], view: ViewSettings) -> alt.LayerChart:
    """Bars per sweep: new, changed, refused and vanished milestones. Unchanged ones are left out."""
    values = [
        {
            "sweep": sweep.sweep_id,
            "outcome": outcome,
            "milestones": getattr(sweep, outcome),
            "begun": in_both(sweep.started_at, view.zone),
        }
        for sweep in reversed(sweeps)
        for outcome in OUTCOME_COLOURS
    ]
    bars = (
        alt.Chart(alt.InlineData(values=values))
        .mark_bar(cornerRadius=1)
        .encode(
            x=_sweep_axis(values),
            # A first sweep brings all milestones, later ones very few.
            y=alt.Y(
                "milestones:Q",
                stack=None,
                scale=alt.Scale(type="symlog"),
                axis=alt.Axis(
                    title="milestones (log scale)",
                    values=[0, 1, 10, 100, 1_000, 10_000, 100_000],
                    domain=False,
                    ticks=False,
                ),
            ),
            xOffset=alt.XOffset("outcome:N", sort=list(OUTCOME_COLOURS)),
            color=alt.Color("outcome:N", scale=colour_scale(OUTCOME_COLOURS), legend=alt.Legend()),
            tooltip=[
                alt.Tooltip("sweep:N"),
                alt.Tooltip("begun:N"),
                alt.Tooltip("outcome:N"),
                alt.Tooltip("milestones:Q", format=","),
            ],
        )
    )
    return view.apply_theme(alt.layer(bars), HEIGHT_PX)


def _sweep_axis(values: Sequence[dict[str, object]]) -> alt.X:
    order = list(dict.fromkeys(str(value["sweep"]) for value in values))
    return alt.X(
        "sweep:O",
        sort=order,
        axis=alt.Axis(title=None, labelAngle=0, labelOverlap=True, labelExpr="slice(datum.label, 0, 6)", ticks=False),
        scale=alt.Scale(paddingInner=0.2),
    )


def _of_used(colours: dict[str, str], used: set[str]) -> alt.Scale:
    return colour_scale({name: colour for name, colour in colours.items() if name in used})
