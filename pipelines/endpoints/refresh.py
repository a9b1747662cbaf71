"""Refreshes one endpoint beside milestones: resumes what was landed, plans, fetches, loads and publishes."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from pipelines.endpoints.fetch import EndpointFetch, Fetched
from pipelines.endpoints.plan import Plan, plan, unknown_plan
from pipelines.endpoints.stage import stage_pages
from pipelines.errors import MilestonesError, SweepDamaged
from pipelines.kalshi.client import KalshiClient
from pipelines.kalshi.errors import KalshiError
from pipelines.publish.lake import share
from pipelines.publish.manifest import published_sweep
from pipelines.publish.snapshot import Snapshot, publish
from pipelines.records.decode import UndecodablePage
from pipelines.settings import DEFAULTS
from pipelines.staging.files import Staging
from pipelines.storage.home import Home
from pipelines.storage.lake import RAW, Lake
from pipelines.storage.landing import Filters, Landing, Mode, Traffic
from pipelines.storage.leftovers import writer_session
from pipelines.storage.lock import REFRESH, endpoint_lock
from pipelines.storage.retention import Retention, prune, prune_endpoint, prune_endpoint_in_lake
from pipelines.storage.temporary import remove_unpublished
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.endpoints import (
    INTERRUPTED,
    EndpointLedgerRow,
    load_endpoint,
    write_endpoint_ledger,
)
from pipelines.warehouse.ledger import newest_loaded_sweep_id
from pipelines.warehouse.statements import transaction
from schemas.endpoint import Endpoint

WAIT_SECONDS = 120.0
"""How long to wait for the writer's lock after the fetch. What was landed is loaded by the next refresh otherwise."""

MODES: dict[str, Mode] = {"full": "full", "incremental": "incremental", "by_key": "by_id"}
"""The mode of a landed sweep by its mode in the ledger of the endpoints."""

_LOG = logging.getLogger(__name__)


class MilestonesUnpublished(MilestonesError):
    """The warehouse has milestones that were not audited and published: a refresh must not publish them."""

    def __init__(self, endpoint: Endpoint, sweep_id: str | None) -> None:
        super().__init__(
            f"the {endpoint.title} are stored, but not published, as sweep {sweep_id} of milestones was loaded and not "
            "published: run milestones ingest, which audits and publishes all"
        )


class EndpointRefresh:
    """Refreshes one endpoint of a home. `now` gives aware UTC times; a sweep sends about `max_requests` requests.

    The writer's lock is held only to load and to publish; another process that fetches the same endpoint is an error.
    What is landed and published is copied to the `lake`, if there is one.
    """

    def __init__(
        self,
        home: Home,
        endpoint: Endpoint,
        *,
        now: Callable[[], datetime],
        max_requests: int = DEFAULTS.endpoint_requests,
        overlap_seconds: int = DEFAULTS.overlap_seconds,
        retention: Retention | None = None,
        lake: Lake | None = None,
    ) -> None:
        self.home = home
        self.endpoint = endpoint
        self._now = now
        self._max_requests = max_requests
        self._overlap_seconds = overlap_seconds
        self._retention = retention or Retention()
        self._lake = lake
        self._raw_in_lake = lake.below(f"{RAW}/{endpoint.name}") if lake else None
        self._warehouse = Warehouse(home)
        self._raw = home.raw_of(endpoint.name)
        self._staging = Staging(home.staging(endpoint.name))

    def plan(self) -> Plan:
        """What the next sweep would request. Raises NothingPublished."""
        return plan(self.home, self.endpoint, now=self._now(), overlap_seconds=self._overlap_seconds)

    def unknown_plan(self) -> Plan:
        """What a sweep of milestones made unknown. Raises NothingPublished."""
        return unknown_plan(self.home, self.endpoint, now=self._now())

    def is_due(self) -> bool:
        """Whether there is something to request, or landed pages to load. Raises NothingPublished."""
        landing = Landing.newest(self._raw)
        return (landing is not None and landing.sweep.is_interrupted) or not self.plan().is_empty

    def run(self, api: KalshiClient, planned: Plan | None = None) -> tuple[EndpointLedgerRow, Snapshot] | None:
        """Run one sweep, by default of `plan()`; None if there is nothing to request.

        Raises KalshiError (after what was landed has been loaded), WarehouseBusy, NothingPublished, EndpointUnsound,
        MilestonesUnpublished, LakeUnusable, LakeAhead.
        """
        with endpoint_lock(self.home, self.endpoint.name, purpose=f"{REFRESH} {self.endpoint.name}"):
            resumed = self._load_interrupted()
            planned = planned or self.plan()
            if planned.is_empty:
                return resumed
            return self._sweep(api, planned)

    def _load_interrupted(self) -> tuple[EndpointLedgerRow, Snapshot] | None:
        """Load the pages of a sweep that was killed: every landed page is whole. What is missing is planned again."""
        landing = Landing.newest(self._raw, self._raw_in_lake)
        if landing is None or not landing.sweep.is_interrupted:
            return None
        landing.reopen()
        try:
            for _ in landing.pages():
                pass
        except SweepDamaged as damage:
            _LOG.warning("%s: the pages before it are loaded, the rest is requested again", damage)
            landing.reopen(pages=damage.good_pages)
        if not landing.sweep.pages:
            self._close(landing, error=INTERRUPTED)
            return None
        _LOG.info("loading %d landed pages of an interrupted sweep of %s", landing.sweep.pages, self.endpoint.title)
        try:
            return self._load(landing, Fetched(), watermark=None, error=INTERRUPTED)
        except UndecodablePage as error:
            self._close(landing, error=str(error))
            return None

    def _sweep(self, api: KalshiClient, planned: Plan) -> tuple[EndpointLedgerRow, Snapshot]:
        landing = Landing.begin(
            self._raw,
            mode=MODES[planned.mode],
            filters=Filters(min_updated_ts=planned.list.min_updated_ts if planned.list else None),
            ids=[],
            now=self._now(),
            after=planned.newest_sweep_id,
            lake=self._raw_in_lake,
        )
        fetch = EndpointFetch(self.endpoint, api, landing, max_requests=self._max_requests)
        try:
            fetch.run(planned)
        except KalshiError as error:
            self._count_traffic(landing, api)
            if landing.sweep.pages:
                self._load(landing, fetch.reached, watermark=None, error=str(error))
            else:
                self._record_failure(landing, str(error))
            raise
        self._count_traffic(landing, api)
        return self._load(landing, fetch.reached, watermark=self._watermark(landing, fetch.reached), error=None)

    def _watermark(self, landing: Landing, reached: Fetched) -> datetime | None:
        """Up to where updates are known: the beginning of a list that was read to its end.

        During partial outages the API returns empty lists: a whole list without a record is read again.
        """
        is_whole = landing.sweep.mode == "full"
        return reached.list_began_at if reached.list_ended and (reached.listed or not is_whole) else None

    def _load(
        self, landing: Landing, reached: Fetched, *, watermark: datetime | None, error: str | None
    ) -> tuple[EndpointLedgerRow, Snapshot]:
        sweep = landing.sweep
        # Saved first: after a kill from here on, the next refresh loads the pages.
        landing.save()
        try:
            decoded = stage_pages(self.endpoint, self._staging, sweep.sweep_id, landing.pages())
            with writer_session(self.home, purpose=f"{REFRESH} {self.endpoint.name}", wait_seconds=WAIT_SECONDS):
                row = self._ledger_row(landing, reached)
                row.records, row.quarantined = decoded.received, decoded.refused
                row.watermark, row.error = watermark, error
                with self._warehouse.writing() as connection:
                    row = load_endpoint(connection, self.endpoint, self._staging, row, reached.unknown)
                    newest = newest_loaded_sweep_id(connection)
                self._close(landing)
                if newest != published_sweep(self.home):
                    raise MilestonesUnpublished(self.endpoint, newest)
                snapshot = self._publish()
        finally:
            shutil.rmtree(self._staging.folder, ignore_errors=True)
        return row, snapshot

    def _publish(self) -> Snapshot:
        try:
            snapshot = publish(self.home, now=self._now())
        except BaseException:
            with suppress(OSError):
                remove_unpublished(self.home)
            raise
        prune(self.home, self._retention, now=self._now())
        prune_endpoint(self.home, self.endpoint.name, self._retention, now=self._now())
        if self._lake is not None:
            share(self.home, self._lake, snapshot, self._retention, now=self._now())
            prune_endpoint_in_lake(self.home, self._lake, self.endpoint.name, self._retention, now=self._now())
        return snapshot

    def _record_failure(self, landing: Landing, error: str) -> None:
        """Record a sweep that landed nothing; a busy warehouse must not hide why it failed."""
        self._close(landing, error=error)
        row = self._ledger_row(landing, Fetched())
        row.status, row.error = "failed", error
        try:
            with (
                writer_session(self.home, purpose=f"{REFRESH} {self.endpoint.name}", wait_seconds=1),
                self._warehouse.writing() as connection,
                transaction(connection),
            ):
                write_endpoint_ledger(connection, None, row)
        except MilestonesError as busy:
            _LOG.warning("could not record that sweep %s of %s failed: %s", row.sweep_id, self.endpoint.title, busy)

    def _close(self, landing: Landing, *, error: str | None = None) -> None:
        """End a sweep: loaded, or failed for a reason."""
        sweep = landing.sweep
        sweep.state = "failed" if error else "loaded"
        sweep.error, sweep.is_resumable = error, False
        landing.save()

    def _count_traffic(self, landing: Landing, api: KalshiClient) -> None:
        landing.sweep.traffic = Traffic.of(api.stats)

    def _ledger_row(self, landing: Landing, reached: Fetched) -> EndpointLedgerRow:
        sweep = landing.sweep
        return EndpointLedgerRow(
            endpoint=self.endpoint.name,
            sweep_id=sweep.sweep_id,
            mode={mode: name for name, mode in MODES.items()}[sweep.mode],
            started_at=sweep.started_at,
            finished_at=self._now(),
            pages=sweep.pages,
            requested_keys=reached.requested,
            unknown_keys=len(reached.unknown),
            remaining_keys=reached.remaining,
            requests=sweep.traffic.requests,
            retries=sweep.traffic.retries,
            rate_limited=sweep.traffic.rate_limited,
            bytes=sweep.traffic.bytes,
            next_cursor=reached.next_cursor,
            list_began_at=reached.list_began_at,
        )
