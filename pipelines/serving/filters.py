"""Filters that several routes share: a parameter and its SQL condition each, over rows with a milestone's columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.serving.parameters import Parameter

_OF_EVENTS = (
    "milestone_id IN (SELECT milestone_id FROM milestone_events {join} WHERE list_contains(${name}, lower({column})))"
)

TYPE = Parameter("type", "texts", "Type of the milestones; repeat it for several.")
CATEGORY = Parameter("category", "texts", "Category or category group; repeat it for several.")
LEAGUE = Parameter("league", "texts", "League; repeat it for several.")
COMPETITION = Parameter("competition", "texts", "Competition of an event of the milestone; repeat it for several.")
SERIES = Parameter("series", "texts", "Ticker of the series of an event of the milestone; repeat it for several.")
EVENT = Parameter("event", "texts", "Ticker of an event of the milestone; repeat it for several.")
SIMULATED = Parameter("simulated", "flag", "Whether to include simulated games.", default=False)

FILTERS = (TYPE, CATEGORY, LEAGUE, COMPETITION, SERIES, EVENT)

_CONDITIONS = {
    "type": "list_contains($type, lower(type))",
    "category": "(list_contains($category, lower(category)) OR list_contains($category, lower(category_group)))",
    "league": "list_contains($league, lower(league))",
    "competition": _OF_EVENTS.format(join="JOIN events USING (event_ticker)", name="competition", column="competition"),
    "series": _OF_EVENTS.format(join="JOIN events USING (event_ticker)", name="series", column="series_ticker"),
    "event": _OF_EVENTS.format(join="", name="event", column="event_ticker"),
}


def conditions(values: Mapping[str, Any], others: Sequence[str] = ()) -> tuple[str, dict[str, Any]]:
    """The condition of the filters that are given and of `others`, and the parameters that the filters bind."""
    given = {name: list(values[name]) for name in _CONDITIONS if values.get(name)}
    return " AND ".join([*others, *(_CONDITIONS[name] for name in given)]) or "true", given
