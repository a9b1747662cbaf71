"""The five stages of a sweep, without Dagster: land pages, stage records, stage tables, load, publish.

Every stage can be repeated: it finds its input on disk, and its output replaces what was there. The caller holds the
writer's lock.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import duckdb
import msgspec

from pipelines.contract import EVOLVE, Contract
from pipelines.errors import ContractViolated, LakeUnusable, MilestonesError, NothingToDo, WarehouseUnusable
from pipelines.kalshi.client import KalshiClient
from pipelines.machine import cores, memory_limit, workers_for
from pipelines.publish.lake import share
from pipelines.publish.snapshot import Snapshot, publish
from pipelines.settings import CONTRACT_VARIABLE, DEFAULTS
from pipelines.staging.files import Staging
from pipelines.staging.stage_records import Decoded, DecodingAhead, stage_records
from pipelines.staging.stage_tables import stage_tables, workers_to_flatten
from pipelines.storage.home import Home
from pipelines.storage.lake import RAW, Lake
from pipelines.storage.landing import Landing, Sweep
from pipelines.storage.retention import Retention, prune
from pipelines.storage.temporary import REBUILD_STAGING, remove_unpublished
from pipelines.sweep.fetch import Fetch
from pipelines.sweep.progress_listener import ProgressGroup, ProgressListener
from pipelines.sweep.request import SweepRequest, begin
from pipelines.sweep.staged_sweep import StagedSweep
from pipelines.warehouse import compare, ledger
from pipelines.warehouse.connection import limit_memory
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.ledger import LedgerRow
from pipelines.warehouse.load import Conclusions, load_sweep
from pipelines.warehouse.rebuild import StageLog, rebuild, stage_whole_log
from pipelines.warehouse.typed_tables import Drift, known_types, typed_columns
from pipelines.warehouse.version_logs import log_faults

_LOG = logging.getLogger(__name__)


class Stages:
    """The stages over one home. `now` gives aware UTC times, `contract` says how details may change.

    Incremental sweeps reach back `overlap_seconds` before the watermark. What is landed and published is copied to the
    `lake`, if there is one.
    """

    def __init__(
        self,
        home: Home,
        *,
        now: Callable[[], datetime],
        contract: Contract = EVOLVE,
        retention: Retention | None = None,
        overlap_seconds: int = DEFAULTS.overlap_seconds,
        lake: Lake | None = None,
    ) -> None:
        self.home = home
        self.warehouse = Warehouse(home)
        self.retention = retention or Retention()
        self._now = now
        self._contract = contract
        self._overlap_seconds = overlap_seconds
        self._lake = lake
        self._raw_in_lake = lake.below(RAW) if lake else None

    def land(self, api: KalshiClient, request: SweepRequest, progress: ProgressListener) -> Landing:
        """Fetch every page of a sweep and land it; an interrupted sweep of the same kind is resumed."""
        landing = begin(
            self.home,
            self.warehouse,
            request,
            now=self._now(),
            overlap_seconds=self._overlap_seconds,
            lake=self._raw_in_lake,
        )
        # Staged files carry no checksums: only the run that wrote them reads them.
        shutil.rmtree(self._staging(landing).folder, ignore_errors=True)
        workers = workers_for(cores(), memory_limit(), at_most=1)
        with (
            self._failure_recorded(landing),
            DecodingAhead(self._staging(landing), landing, workers=workers) as ahead,
        ):
            listeners = ProgressGroup(progress, ahead)
            Fetch(self.warehouse, landing, api, listeners, now=self._now).run(
                allow_shrink=request.allow_shrink, max_pages=request.max_pages
            )
            if decoded := ahead.finish():
                self._save(landing, StagedSweep(decoded, pages_ahead=landing.sweep.pages))
        return landing

    def stage_records(self) -> tuple[Sweep, Decoded]:
        """Decode the newest sweep's pages, unless they were decoded while they were fetched."""
        landing = self._newest()
        with self._failure_recorded(landing):
            decoded = self._decoded_ahead(landing) or stage_records(
                self._staging(landing), landing.sweep.sweep_id, landing.pages()
            )
            self._save(landing, StagedSweep(decoded, is_retry=landing.sweep.mode == "retry"))
        return landing.sweep, decoded

    def stage_tables(self, landing: Landing | None = None) -> tuple[Sweep, StagedSweep]:
        """Find what is new in a sweep, by default the newest, flatten and validate it. See `StagedSweep.refusal`."""
        landing = landing or self._newest()
        staging = self._staging(landing)
        with self._failure_recorded(landing):
            staged = self._staged(landing)
            with self.warehouse.reading() as connection:
                limit_memory(connection, arriving=staged.decoded.received)
                staged.counts = compare.classify_records(connection, staging, is_retry=staged.is_retry)
                compare.stage_updated_only(connection, staging)
                workers = workers_to_flatten(
                    staged.counts.new + staged.counts.changed, cores=cores(), memory=memory_limit()
                )
                latest = compare.latest_of_sweep(connection, staging, landing.sweep.sweep_id)
                staged.flattened = stage_tables(staging, landing.sweep.sweep_id, latest, workers=workers)
                drift = compare.drift_of(connection, staging)
                staged.refused_before = ledger.count_repeated_refusals(connection, staging)
                staged.reasons = ledger.reasons_of_refusals(connection, staging)
            staged.drift = [str(one) for one in drift]
            self._check_contract(drift)
            staged.are_tables_staged = True
            self._save(landing, staged)
        if staged.refusal:
            self._fail(landing, staged.refusal)
        return landing.sweep, staged

    def load(self, landing: Landing | None = None) -> LedgerRow:
        """Load a sweep, by default the newest; one that refused too much has failed and is not found here."""
        landing = landing or self._newest()
        with self._failure_recorded(landing):
            staged = self._staged(landing)
            if not staged.are_tables_staged:
                raise NothingToDo(f"sweep {landing.sweep.sweep_id} has no staged tables: materialize them first")
            with self.warehouse.writing() as connection:
                row = self._ledger_row(landing.sweep, staged, ledger.newest_watermark(connection))
                conclusions = self._conclusions(landing, known_types(connection))
                load_sweep(connection, self._staging(landing), row, conclusions)
            if landing.sweep.state != "loaded":
                landing.sweep.state = "loaded"
                landing.save()
        return row

    def loaded(self) -> tuple[dict[str, int], dict[str, dict[str, str]]]:
        """What the warehouse has: rows by published table; columns with their SQL types by typed table."""
        with self.warehouse.reading() as connection:
            return ledger.row_counts(connection), typed_columns(connection)

    def publish(self) -> Snapshot:
        """Publish the warehouse, at home and then in the lake, and remove what retention does not keep.

        Raises LakeUnusable, LakeAhead, with the snapshot published at home: the next publish copies what is missing.
        """
        try:
            snapshot = publish(self.home, now=self._now())
        except BaseException:
            # On a full disk a half-made copy would take the room that every later run needs.
            with _logged("remove what the failed publish left behind"):
                remove_unpublished(self.home)
                prune(self.home, self.retention, now=self._now())
            raise
        prune(self.home, self.retention, now=self._now())
        if self._lake is not None:
            share(self.home, self._lake, snapshot, self.retention, now=self._now())
        return snapshot

    def rebuild(self, stage: StageLog = stage_whole_log) -> dict[str, int]:
        """Derive every table again from the version log, which `stage` flattens; rows by table.

        Raises WarehouseUnusable for a damaged log.
        """
        staging = Staging(self.home.staging(REBUILD_STAGING))
        try:
            with self.warehouse.writing() as connection:
                if faults := log_faults(connection):
                    raise WarehouseUnusable(
                        f"{self.home.warehouse_file}: {'; '.join(map(str, faults))}: run milestones restore"
                    )
                rebuild(connection, staging, stage=stage)
                return ledger.row_counts(connection)
        finally:
            shutil.rmtree(staging.folder, ignore_errors=True)

    def _check_contract(self, drift: list[Drift]) -> None:
        frozen = self._contract.types_in("freeze", (one.type for one in drift))
        broken = [str(one) for one in drift if one.type in frozen]
        if broken:
            more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
            raise ContractViolated(
                f"the contract of details is frozen, and {'; '.join(broken[:3])}{more}: "
                f"allow it in {CONTRACT_VARIABLE}, then run again"
            )

    def _conclusions(self, landing: Landing, types: list[str]) -> Conclusions:
        sweep = landing.sweep
        # Only a sweep that listed everything proves absences.
        is_full = sweep.mode == "full"
        return Conclusions(
            vanished=tuple(sweep.gone),
            landed_at=sweep.landed_at,
            absent=str(absent) if is_full and (absent := landing.absent()) else None,
            archived=str(archived) if is_full and (archived := landing.archived()) else None,
            discarding=tuple(self._contract.types_in("discard", types)),
            retried=tuple(sweep.retried),
        )

    def _newest(self) -> Landing:
        landing = Landing.newest(self.home.raw, self._raw_in_lake)
        if landing is None or not landing.sweep.is_landed:
            raise NothingToDo("no landed sweep to work on: materialize pages first, or run milestones ingest")
        return landing

    def _staging(self, landing: Landing) -> Staging:
        return Staging(self.home.staging(landing.sweep.sweep_id))

    def _save(self, landing: Landing, staged: StagedSweep) -> None:
        staged.save(self._staging(landing).folder)

    def _staged(self, landing: Landing) -> StagedSweep:
        return StagedSweep.read(self._staging(landing).folder, landing.sweep.sweep_id)

    def _decoded_ahead(self, landing: Landing) -> Decoded | None:
        """What was decoded while the pages were fetched, if that is all of them; only the first call can use it."""
        with suppress(NothingToDo):
            staged = self._staged(landing)
            return staged.decoded if staged.pages_ahead == landing.sweep.pages else None
        return None

    def _ledger_row(self, sweep: Sweep, staged: StagedSweep, watermark: datetime | None) -> LedgerRow:
        counts, refused = staged.counts, staged.flattened.refused
        return LedgerRow(
            **self._common_columns(sweep),
            status="loaded",
            records=staged.decoded.received,
            new=counts.new - refused.get("new", 0),
            changed=counts.changed - refused.get("changed", 0),
            unchanged=counts.unchanged,
            superseded=counts.superseded,
            quarantined=staged.quarantined,
            vanished=len(sweep.gone),
            watermark=_watermark(sweep, staged.decoded.newest_update, watermark),
            is_complete=not sweep.is_cut,
        )

    def _common_columns(self, sweep: Sweep) -> dict[str, Any]:
        """The columns of the ledger that every sweep has, however it ended."""
        return {
            "sweep_id": sweep.sweep_id,
            "mode": sweep.mode,
            "started_at": sweep.started_at,
            "finished_at": self._now(),
            "filters": msgspec.json.encode(sweep.filters, order="sorted").decode(),
            "pages": sweep.pages,
            **msgspec.structs.asdict(sweep.traffic),
        }

    @contextmanager
    def _failure_recorded(self, landing: Landing) -> Iterator[None]:
        """Record in the ledger that a sweep failed; an interrupted one stays as it is, to be resumed."""
        try:
            yield
        except NothingToDo:
            # The stage was called too early: no fault of the sweep.
            raise
        except Exception as error:
            with _logged(f"note that sweep {landing.sweep.sweep_id} failed"):
                self._fail(landing, str(error))
            raise

    def _fail(self, landing: Landing, reason: str) -> None:
        sweep = landing.sweep
        if sweep.state == "loaded":
            # What is in the warehouse stays there, whatever fails afterwards.
            return
        staging = self._staging(landing)
        try:
            sweep.error, sweep.state = reason, "failed"
            try:
                landing.save()
            except LakeUnusable as error:
                # It may be why the sweep failed, and the ledger is here.
                _LOG.warning("the copy of sweep %s in the lake is not up to date: %s", sweep.sweep_id, error)
            received = quarantined = 0
            # That it cannot be read may be why the sweep failed.
            with suppress(NothingToDo):
                staged = self._staged(landing)
                received, quarantined = staged.decoded.received, staged.quarantined
            row = LedgerRow(
                **self._common_columns(sweep), status="failed", records=received, quarantined=quarantined, error=reason
            )
            with self.warehouse.writing() as connection:
                ledger.record_failure(connection, staging, row)
        finally:
            # No stage reads it again; of sweeps that fail every five minutes it would fill the disk.
            shutil.rmtree(staging.folder, ignore_errors=True)


@contextmanager
def _logged(what: str) -> Iterator[None]:
    """Log a second fault, as on a full disk, so that it does not hide the first."""
    try:
        yield
    except (MilestonesError, OSError, duckdb.Error) as error:
        _LOG.warning("could not %s: %s", what, " ".join(str(error).split()))


def _watermark(sweep: Sweep, newest_update: datetime | None, previous: datetime | None) -> datetime | None:
    """Up to where all updates have been read: never beyond the sweep's start, whatever the API's clock says."""
    if sweep.mode not in ("full", "incremental"):
        return None
    if newest_update is None:
        return previous
    reached = min(newest_update, sweep.started_at)
    return max(reached, previous) if previous else reached
