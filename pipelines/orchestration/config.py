"""The configuration of a run: which sweep to fetch.

No `from __future__ import annotations`: Dagster reads the annotations at run time.
"""

from enum import Enum

import dagster as dg
from pydantic import Field

from pipelines.sweep.options import SweepOptions
from pipelines.sweep.request import SweepRequest


class SweepMode(Enum):
    """Which sweep to run. Dagster's run configuration uses the names of the members, so they are in lower case."""

    auto = "auto"
    full = "full"
    incremental = "incremental"
    retry = "retry"


class SweepConfig(dg.Config):
    """What to fetch. By default, the changes since the last sweep, or everything if there was none."""

    mode: SweepMode = Field(
        default=SweepMode.auto,
        description="auto: full until a full sweep is loaded, then incremental; retry: process the quarantine again.",
    )
    ids: list[str] = Field(default_factory=list, description="Fetch only these milestones.")
    category: str | None = Field(default=None, description="Fetch only this category, in the spelling of the API.")
    type: str | None = Field(default=None, description="Fetch only this type.")
    event: str | None = Field(default=None, description="Fetch only the milestones of this event ticker.")
    source_id: str | None = Field(default=None, description="Fetch only the milestones with this id of a provider.")
    competition: str | None = Field(default=None, description="Fetch only this competition, such as NFL.")
    since: str | None = Field(
        default=None, description="Fetch milestones that start at or after this ISO 8601 date or time (UTC)."
    )
    until: str | None = Field(
        default=None, description="Fetch milestones that start before this ISO 8601 date or time (UTC)."
    )
    max_pages: int | None = Field(
        default=None, ge=1, description="Stop after this many pages; what was fetched is loaded, as a partial sweep."
    )
    allow_shrink: bool = Field(default=False, description="Accept a full sweep that lists far fewer milestones.")
    start_anew: bool = Field(
        default=False, description="Create a new warehouse, without history, if the previous one was lost."
    )

    def request(self) -> SweepRequest:
        """The request for the stages. Raises WrongUse."""
        return SweepOptions(
            mode=self.mode.value,
            ids=tuple(self.ids),
            category=self.category,
            type=self.type,
            event=self.event,
            source_id=self.source_id,
            competition=self.competition,
            since=self.since,
            until=self.until,
            max_pages=self.max_pages,
            allow_shrink=self.allow_shrink,
            start_anew=self.start_anew,
        ).request()
