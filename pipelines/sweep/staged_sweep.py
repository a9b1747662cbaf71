"""The results of the stages before the load: counts and drift, stored as JSON next to the staged tables."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pipelines.errors import NothingToDo
from pipelines.staging.stage_records import Decoded
from pipelines.staging.stage_tables import Flattened
from pipelines.warehouse.compare import RecordCounts

FILE_NAME = "staged_sweep.json"

MAX_REFUSED_SHARE = 0.01
"""Maximum share of the records of a sweep. A few bad ones are normal; more mean that the API or this code changed."""


class StagedSweep(msgspec.Struct):
    """Counts of the records of a sweep.

    `counts` are the records by outcome, `refused_before` the refused records that a loaded sweep also refused,
    `reasons` the most frequent reasons of refusals. `pages_ahead` is the number of pages decoded during the fetch; None
    once the records are staged. `are_tables_staged` is set after all tables are staged.
    """

    decoded: Decoded
    counts: RecordCounts = msgspec.field(default_factory=RecordCounts)
    flattened: Flattened = msgspec.field(default_factory=Flattened)
    drift: list[str] = msgspec.field(default_factory=list)
    is_retry: bool = False
    refused_before: int = 0
    reasons: list[str] = msgspec.field(default_factory=list)
    pages_ahead: int | None = None
    are_tables_staged: bool = False

    @property
    def quarantined(self) -> int:
        """Records refused by decoding or by a rule."""
        return self.decoded.quarantined + sum(self.flattened.refused.values())

    @property
    def refused_share(self) -> float:
        """The share of received records that are refused for the first time; 0 if none were received.

        Every poll has a bad record until Kalshi corrects it, so one that a loaded sweep refused no longer counts.
        """
        return (self.quarantined - self.refused_before) / self.decoded.received if self.decoded.received else 0.0

    @property
    def refusal(self) -> str | None:
        """Why the sweep must not be loaded; None if it may."""
        if self.is_retry or self.refused_share <= MAX_REFUSED_SHARE:
            return None
        return (
            f"{self.quarantined - self.refused_before} of {self.decoded.received} records were refused "
            f"({self.refused_share:.1%}, at most {MAX_REFUSED_SHARE:.0%} may be): "
            f"the API's answers have changed. Most often: {'; '.join(self.reasons)}. "
            "List the records with milestones quarantine"
        )

    def save(self, folder: Path) -> None:
        """Write it to the staging folder."""
        (folder / FILE_NAME).write_bytes(msgspec.json.encode(self))

    @classmethod
    def read(cls, folder: Path, sweep_id: str) -> StagedSweep:
        """Read it from the staging folder. Raises NothingToDo if there is none that can be read."""
        try:
            return msgspec.json.decode((folder / FILE_NAME).read_bytes(), type=cls)
        except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise NothingToDo(f"sweep {sweep_id} has no staged records: materialize records first") from error
