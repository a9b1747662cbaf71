"""What to fetch, and which sweep to run for it: a new one, or the newest one if it can be resumed or reused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pipelines.kalshi.scans import OVERLAP_SECONDS, seconds_before
from pipelines.storage.home import Home
from pipelines.storage.lake import Lake
from pipelines.storage.landing import MAX_AGE_TO_RESUME, Filters, Landing, Mode, Sweep
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.ledger import newest_sweep_id, newest_watermark


@dataclass(frozen=True, kw_only=True)
class SweepRequest:
    """What to fetch. `auto` is incremental once a full sweep was loaded, else full; `retry` fetches nothing and
    processes the quarantine again.

    `category`, `type`, `event` (an event ticker), `source_id` (a provider's id), `competition`, `since` (starts at or
    after it) and `until` (starts before it) limit a sweep, `ids` requests single milestones: such sweeps update what
    they see, conclude no absence and move no watermark. `max_pages` stops a sweep after so many pages; if it stops, it
    counts as such a sweep too, and is not complete. `allow_shrink` accepts a full sweep that lists far fewer milestones
    than are stored; `start_anew` makes a new warehouse where the previous one was lost.
    """

    mode: Literal["auto", "full", "incremental", "retry"] = "auto"
    ids: tuple[str, ...] = ()
    category: str | None = None
    type: str | None = None
    event: str | None = None
    source_id: str | None = None
    competition: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    max_pages: int | None = None
    allow_shrink: bool = False
    start_anew: bool = False

    @property
    def filters(self) -> Filters:
        """The filters of the API request."""
        return Filters(
            category=self.category,
            type=self.type,
            related_event_ticker=self.event,
            source_id=self.source_id,
            competition=self.competition,
            minimum_start_date=self.since,
            maximum_start_date=self.until,
        )

    def mode_after(self, watermark: datetime | None) -> Mode:
        """The mode of the sweep; `watermark` is None before the first full sweep."""
        if self.mode == "retry":
            return "retry"
        if self.ids:
            return "by_id"
        if self.filters != Filters():
            return "partial"
        return "full" if self.mode == "full" or watermark is None else "incremental"


@dataclass(frozen=True, kw_only=True)
class PlannedSweep:
    """The sweep that a request comes to: a new one, or `resumed`, which was interrupted or not loaded."""

    mode: Mode
    filters: Filters
    resumed: Landing | None = None


def plan_sweep(
    home: Home,
    request: SweepRequest,
    *,
    watermark: datetime | None,
    newest: str | None,
    now: datetime,
    overlap_seconds: int = OVERLAP_SECONDS,
    lake: Lake | None = None,
) -> PlannedSweep:
    """The sweep to run: the newest one if it was never loaded and matches the request, else a new one. Writes nothing.

    `watermark` and `newest`, a sweep_id, are those of the ledger. An incremental sweep reaches back `overlap_seconds`
    before the watermark. `lake` is the copy of `raw/` for the sweep that is resumed.
    """
    mode, filters = request.mode_after(watermark), request.filters
    if mode == "incremental" and watermark is not None:
        filters.min_updated_ts = seconds_before(watermark, overlap_seconds)
    landing = Landing.newest(home.raw, lake)
    if landing is not None and _is_reusable(landing.sweep, request, mode, filters, now):
        sweep = landing.sweep
        if sweep.is_interrupted or sweep.sweep_id > (newest or ""):
            return PlannedSweep(mode=sweep.mode, filters=sweep.filters, resumed=landing)
    return PlannedSweep(mode=mode, filters=filters)


def begin(
    home: Home,
    warehouse: Warehouse,
    request: SweepRequest,
    *,
    now: datetime,
    overlap_seconds: int = OVERLAP_SECONDS,
    lake: Lake | None = None,
) -> Landing:
    """Begin the sweep that `plan_sweep` plans, or reopen the one that it resumes. `lake` is the copy of `raw/`.

    Raises WarehouseLost, LakeUnusable.
    """
    if not request.start_anew:
        warehouse.check_not_lost()
    with warehouse.reading() as connection:
        watermark = newest_watermark(connection)
        newest = newest_sweep_id(connection)
    planned = plan_sweep(
        home, request, watermark=watermark, newest=newest, now=now, overlap_seconds=overlap_seconds, lake=lake
    )
    if (resumed := planned.resumed) is not None:
        if resumed.sweep.is_interrupted:
            resumed.reopen()
        return resumed
    return Landing.begin(
        home.raw, mode=planned.mode, filters=planned.filters, ids=list(request.ids), now=now, after=newest, lake=lake
    )


def _is_reusable(sweep: Sweep, request: SweepRequest, mode: Mode, filters: Filters, now: datetime) -> bool:
    """Whether a sweep that was not loaded matches a request; `auto` also resumes a full sweep.

    A request for some pages begins a sweep of its own: it would end an interrupted one as partial.
    """
    if (
        sweep.command_to_resume is None
        or mode in ("by_id", "retry")
        or request.max_pages is not None
        or now - sweep.started_at > MAX_AGE_TO_RESUME
    ):
        return False
    is_full_wanted = request.mode == "auto" and mode == "incremental" and sweep.mode == "full"
    return is_full_wanted or (sweep.mode, sweep.filters) == (mode, filters)
