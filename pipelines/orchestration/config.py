"""The configuration of a run: which sweep to fetch. No postponed annotations: Dagster reads them as they are."""

from datetime import UTC, datetime
from enum import Enum

import dagster as dg
from pydantic import Field

from pipelines.errors import WrongUse
from pipelines.sweep.request import SweepRequest


class SweepMode(Enum):
    """Which sweep to run; Dagster's run configuration takes the names, so they are in lower case."""

    auto = "auto"
    full = "full"
    incremental = "incremental"
    retry = "retry"


class SweepConfig(dg.Config):
    """What to fetch; by default what changed since the last sweep, everything when there was none."""

    mode: SweepMode = Field(
        default=SweepMode.auto,
        description="auto: incremental once a full sweep was loaded; retry: the quarantine, not the API.",
    )
    ids: list[str] = Field(default_factory=list, description="Fetch just these milestones.")
    category: str | None = Field(default=None, description="Fetch just this category, as the API spells it.")
    type: str | None = Field(default=None, description="Fetch just this type.")
    allow_shrink: bool = Field(default=False, description="Believe a full sweep that brings far fewer milestones.")
    start_anew: bool = Field(
        default=False, description="Make a new warehouse, without history, where the one before was lost."
    )
    since: str | None = Field(
        default=None, description="Fetch what starts at or after this ISO 8601 date or time (UTC)."
    )

    def request(self) -> SweepRequest:
        """The request that the stages understand. Raises WrongUse."""
        if self.ids and (self.category or self.type or self.since):
            raise WrongUse("ids stand alone: leave category, type and since out")
        return SweepRequest(
            mode=self.mode.value,
            ids=tuple(dict.fromkeys(self.ids)),
            category=self.category,
            type=self.type,
            allow_shrink=self.allow_shrink,
            start_anew=self.start_anew,
            since=None if self.since is None else _time(self.since),
        )


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise WrongUse(f"{text!r} is not a date or time: write 2026-11-23 or 2026-11-23T18:00:00Z") from error
