"""The configuration of a run: which sweep to fetch.

No `from __future__ import annotations`: Dagster reads the annotations at run time.
"""

from datetime import UTC, datetime
from enum import Enum

import dagster as dg
from pydantic import Field

from pipelines.errors import WrongUse
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
    allow_shrink: bool = Field(default=False, description="Accept a full sweep that lists far fewer milestones.")
    start_anew: bool = Field(
        default=False, description="Create a new warehouse, without history, if the previous one was lost."
    )
    since: str | None = Field(
        default=None, description="Fetch milestones that start at or after this ISO 8601 date or time (UTC)."
    )

    def request(self) -> SweepRequest:
        """The request for the stages. Raises WrongUse."""
        if self.ids and (self.category or self.type or self.since):
            raise WrongUse("ids cannot be combined with filters: remove category, type and since")
        return SweepRequest(
            mode=self.mode.value,
            ids=tuple(dict.fromkeys(self.ids)),
            category=self.category,
            type=self.type,
            allow_shrink=self.allow_shrink,
            start_anew=self.start_anew,
            since=None if self.since is None else _parse_time(self.since),
        )


def _parse_time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise WrongUse(f"{text!r} is not a date or time: write 2026-11-23 or 2026-11-23T18:00:00Z") from error
