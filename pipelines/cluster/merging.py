"""Makes one interrupted sweep of the pages that the workers landed; the job `ingest` then resumes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pipelines.recovery.take_up import take_up
from pipelines.storage.home import Home
from pipelines.storage.lake import Lake
from pipelines.storage.landing import Filters, Landing, Page, Traffic
from pipelines.storage.leftovers import writer_session
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.ledger import newest_sweep_id


def land_as_sweep(
    home: Home, lake: Lake, pages: Sequence[Page], traffic: Sequence[Traffic], *, started_at: datetime, now: datetime
) -> None:
    """Land the pages as a full sweep that began at `started_at`, or the rest of them if a killed merge landed some.

    Raises HomeUnusable, WarehouseBusy, LakeUnusable, LakeAhead.
    """
    home.preflight()
    with writer_session(home, purpose="merge of a cluster's run"):
        take_up(home, lake, now=now)
        landing = Landing.newest(home.raw)
        if landing is None or landing.sweep.started_at != started_at:
            with Warehouse(home).reading() as connection:
                after = newest_sweep_id(connection)
            landing = Landing.begin(home.raw, mode="full", filters=Filters(), ids=[], now=started_at, after=after)
        if not landing.sweep.is_interrupted:
            return
        for page in pages[landing.landed_pages :]:
            landing.land(page)
        landing.sweep.traffic = sum(traffic, Traffic())
        landing.save()
