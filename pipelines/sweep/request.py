"""What to fetch, and which sweep to run for it: a new one, or the newest one if it can be resumed or reused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pipelines.kalshi.scans import OVERLAP_SECONDS, seconds_before
from pipelines.storage.home import Home
from pipelines.storage.landing import MAX_AGE_TO_RESUME, Filters, Landing, Mode, Sweep
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.ledger import newest_sweep_id, newest_watermark


@dataclass(frozen=True, kw_only=True)
class SweepRequest:
    """What to fetch. `auto` is incremental once a full sweep was loaded, else full; `retry` fetches nothing and
    processes the quarantine again.

    `category`, `type` and `since` (starts at or after it) limit a sweep, `ids` requests single milestones: such
    sweeps update what they see, conclude no absence and move no watermark. `allow_shrink` accepts a full sweep that
    lists far fewer milestones than are stored; `start_anew` makes a new warehouse where the previous one was lost.
    """

    mode: Literal["auto", "full", "incremental", "retry"] = "auto"
    ids: tuple[str, ...] = ()
    category: str | None = None
    type: str | None = None
    since: datetime | None = None
    allow_shrink: bool = False
    start_anew: bool = False

    @property
    def filters(self) -> Filters:
        """The filters of the API request."""
        return Filters(category=self.category, type=self.type, minimum_start_date=self.since)

    def mode_after(self, watermark: datetime | None) -> Mode:
        """The mode of the sweep; `watermark` is None before the first full sweep."""
        if self.mode == "retry":
            return "retry"
        if self.ids:
            return "by_id"
        if self.filters != Filters():
            return "partial"
        return "full" if self.mode == "full" or watermark is None else "incremental"


def begin(
    home: Home, warehouse: Warehouse, request: SweepRequest, *, now: datetime, overlap_seconds: int = OVERLAP_SECONDS
) -> Landing:
    """The sweep to run: the newest one if it was never loaded and matches the request, else a new one.

    An incremental sweep reaches back `overlap_seconds` before the watermark. Raises WarehouseLost.
    """
    if not request.start_anew:
        warehouse.check_not_lost()
    with warehouse.reading() as connection:
        watermark = newest_watermark(connection)
        newest_loaded = newest_sweep_id(connection)
    mode, filters = request.mode_after(watermark), request.filters
    if mode == "incremental" and watermark is not None:
        filters.min_updated_ts = seconds_before(watermark, overlap_seconds)
    newest = Landing.newest(home.raw)
    if newest is not None and _is_reusable(newest.sweep, request, mode, filters, now):
        if newest.sweep.is_interrupted:
            newest.reopen()
            return newest
        if newest.sweep.sweep_id > (newest_loaded or ""):
            return newest
    return Landing.begin(home.raw, mode=mode, filters=filters, ids=list(request.ids), now=now, after=newest_loaded)


def _is_reusable(sweep: Sweep, request: SweepRequest, mode: Mode, filters: Filters, now: datetime) -> bool:
    """Whether a sweep that was not loaded matches a request; `auto` also resumes a full sweep."""
    if (
        not (sweep.is_interrupted or sweep.is_fetched_not_loaded)
        or mode in ("by_id", "retry")
        or now - sweep.started_at > MAX_AGE_TO_RESUME
    ):
        return False
    is_full_wanted = request.mode == "auto" and mode == "incremental" and sweep.mode == "full"
    return is_full_wanted or (sweep.mode, sweep.filters) == (mode, filters)
