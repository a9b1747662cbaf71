"""The five stations of a sweep, without Dagster: land pages, stage records, stage tables, load, publish.

Every station can be done again: it finds its input on disk, and what it leaves behind replaces what was there.
The writer's lock must be held by the caller.
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
from pipelines.errors import ContractBroken, MilestonesError, NothingToDo
from pipelines.flatten.validate import prove_validation_works
from pipelines.kalshi.client import KalshiClient
from pipelines.machine import cores, memory_limit
from pipelines.publish.snapshot import Snapshot, publish
from pipelines.settings import CONTRACT_VARIABLE, DEFAULTS
from pipelines.staging.files import Staging
from pipelines.staging.stage_records import Decoded, DecodingAhead, stage_records
from pipelines.staging.stage_tables import Flattened, stage_tables, workers_to_flatten
from pipelines.storage.home import Home
from pipelines.storage.landing import Landing, Sweep
from pipelines.storage.retention import Retention, prune
from pipelines.storage.temporary import REBUILD_STAGING, remove_unpublished
from pipelines.sweep.fetch import Fetch, Progress, SweepRequest, Together, begin
from pipelines.warehouse import load as warehouse
from pipelines.warehouse.database import open_warehouse
from pipelines.warehouse.load import Fates, LedgerRow, Outcome
from pipelines.warehouse.typed_tables import Drift

MAX_REFUSED_SHARE = 0.01
"""Of a sweep's records. A few bad ones are the API's daily life; more means that it, or we, changed."""

SUMMARY_FILE = "summary.json"

_LOG = logging.getLogger(__name__)


class Summary(msgspec.Struct):
    """What the stations before the load found, kept beside the staged tables.

    `reasons` are the most frequent ones of refusals, in words.
    `pages_ahead`: how many pages were decoded while they were fetched, until the station of records has taken note.
    """

    decoded: Decoded
    fates: Fates = msgspec.field(default_factory=Fates)
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
        """Of the records received, those that are refused and were in no sweep loaded before; 0 where there were none.

        A bad record comes back with every poll until Kalshi mends it: once a sweep could bear it, it stops no other.
        """
        return (self.quarantined - self.refused_before) / self.decoded.received if self.decoded.received else 0.0

    @property
    def refusal(self) -> str | None:
        """Why the sweep must not be loaded, if it must not."""
        if self.is_retry or self.refused_share <= MAX_REFUSED_SHARE:
            return None
        return (
            f"{self.quarantined - self.refused_before} of {self.decoded.received} records were refused "
            f"({self.refused_share:.1%}, at most {MAX_REFUSED_SHARE:.0%} may be): "
            f"the API's answers have changed. Most often: {'; '.join(self.reasons)}. "
            "List the records with milestones quarantine"
        )


class Stations:
    """The stations over one home. `now` gives aware UTC times, `contract` says how details may change.

    Incremental sweeps reach back `overlap_seconds` before the watermark.
    """

    def __init__(
        self,
        home: Home,
        *,
        now: Callable[[], datetime],
        contract: Contract = EVOLVE,
        retention: Retention | None = None,
        overlap_seconds: int = DEFAULTS.overlap_seconds,
    ) -> None:
        self.home = home
        self._now = now
        self._contract = contract
        self.retention = retention or Retention()
        self._overlap_seconds = overlap_seconds

    def land(self, api: KalshiClient, request: SweepRequest, progress: Progress) -> Landing:
        """Fetch every page of a sweep and land it; an interrupted sweep of the same kind is taken up."""
        landing = begin(self.home, request, now=self._now(), overlap_seconds=self._overlap_seconds)
        # Staged files carry no checksums: the run that makes them reads them. What another one left is made again.
        shutil.rmtree(self._staging(landing).folder, ignore_errors=True)
        with self._accounted(landing), DecodingAhead(self._staging(landing), landing) as ahead:
            told = Together(progress, ahead)
            Fetch(self.home, landing, api, told, now=self._now).run(allow_shrink=request.allow_shrink)
            if decoded := ahead.finish():
                self._keep(landing, Summary(decoded, pages_ahead=landing.sweep.pages))
        return landing

    def stage_records(self) -> tuple[Sweep, Decoded]:
        """Decode the newest sweep's pages, unless that was done while they were fetched."""
        landing = self._newest()
        with self._accounted(landing):
            decoded = self._decoded_ahead(landing) or stage_records(
                self._staging(landing), landing.sweep.sweep_id, landing.pages()
            )
            self._keep(landing, Summary(decoded, is_retry=landing.sweep.mode == "retry"))
        return landing.sweep, decoded

    def stage_tables(self) -> tuple[Sweep, Summary]:
        """Find what is new in the newest sweep, flatten and validate it. See `Summary.refusal`."""
        landing = self._newest()
        staging = self._staging(landing)
        with self._accounted(landing):
            prove_validation_works()
            summary = self._summary(landing)
            with open_warehouse(self.home.warehouse_file) as connection:
                summary.fates = warehouse.settle_fates(connection, staging, is_retry=summary.is_retry)
                warehouse.stage_touched(connection, staging)
                latest = warehouse.latest_of_sweep(connection, staging, landing.sweep.sweep_id)
                summary.flattened = stage_tables(
                    staging,
                    landing.sweep.sweep_id,
                    latest,
                    workers=workers_to_flatten(
                        summary.fates.new + summary.fates.changed, cores=cores(), memory=memory_limit()
                    ),
                )
                drift = warehouse.drift_of(connection, staging)
                summary.refused_before = warehouse.refused_before(connection, staging)
                summary.reasons = warehouse.reasons_of_refusals(connection, staging)
            summary.drift = [str(one) for one in drift]
            self._hold_contract(drift)
            summary.are_tables_staged = True
            self._keep(landing, summary)
        if summary.refusal:
            self._fail(landing, summary.refusal)
        return landing.sweep, summary

    def load(self) -> LedgerRow:
        """Put the newest sweep into the warehouse; one that refused too much has failed and is not found here."""
        landing = self._newest()
        with self._accounted(landing):
            summary = self._summary(landing)
            if not summary.are_tables_staged:
                raise NothingToDo(f"sweep {landing.sweep.sweep_id} has no staged tables: materialize them first")
            with open_warehouse(self.home.warehouse_file) as connection:
                ledger = self._ledger_row(landing.sweep, summary, warehouse.newest_watermark(connection))
                outcome = self._outcome(landing, warehouse.known_types(connection))
                warehouse.load(connection, self._staging(landing), ledger, outcome)
            landing.sweep.state = "loaded"
            landing.save()
        return ledger

    def rows(self) -> dict[str, int]:
        """Rows by published table, as they stand in the warehouse."""
        with open_warehouse(self.home.warehouse_file) as connection:
            return warehouse.row_counts(connection)

    def publish(self) -> Snapshot:
        """Publish the warehouse as it stands, then remove what retention does not keep."""
        try:
            snapshot = publish(self.home, now=self._now())
        except BaseException:
            # On a full disk a half-made copy would be in the way of every later run, which need the room.
            with _logged("remove what the failed publish left behind"):
                remove_unpublished(self.home)
                prune(self.home, self.retention, now=self._now())
            raise
        prune(self.home, self.retention, now=self._now())
        return snapshot

    def rebuild(self) -> dict[str, int]:
        """Derive every table again from the version log; rows by table."""
        staging = Staging(self.home.staging(REBUILD_STAGING))
        try:
            with open_warehouse(self.home.warehouse_file) as connection:
                warehouse.rebuild(connection, staging)
                return warehouse.row_counts(connection)
        finally:
            shutil.rmtree(staging.folder, ignore_errors=True)

    def _hold_contract(self, drift: list[Drift]) -> None:
        frozen = self._contract.types_in("freeze", (one.type for one in drift))
        broken = [str(one) for one in drift if one.type in frozen]
        if broken:
            more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
            raise ContractBroken(
                f"the contract of details is frozen, and {'; '.join(broken[:3])}{more}: "
                f"allow it in {CONTRACT_VARIABLE}, then run again"
            )

    def _outcome(self, landing: Landing, types: list[str]) -> Outcome:
        sweep = landing.sweep
        return Outcome(
            gone=tuple(sweep.gone),
            landed_at=sweep.landed_at,
            absent=str(absent) if (absent := landing.absent()) else None,
            archived=str(archived) if (archived := landing.archived()) else None,
            discarding=tuple(self._contract.types_in("discard", types)),
            retried=tuple(sweep.retried),
        )

    def _newest(self) -> Landing:
        landing = Landing.newest(self.home.raw)
        if landing is None or not landing.sweep.is_complete:
            raise NothingToDo("no landed sweep to work on: materialize pages first, or run milestones ingest")
        return landing

    def _staging(self, landing: Landing) -> Staging:
        return Staging(self.home.staging(landing.sweep.sweep_id))

    def _keep(self, landing: Landing, summary: Summary) -> None:
        (self._staging(landing).folder / SUMMARY_FILE).write_bytes(msgspec.json.encode(summary))

    def _decoded_ahead(self, landing: Landing) -> Decoded | None:
        """What was decoded while the pages were fetched, all of them. Asked for a second time, it is done anew."""
        with suppress(NothingToDo):
            summary = self._summary(landing)
            return summary.decoded if summary.pages_ahead == landing.sweep.pages else None
        return None

    def _summary(self, landing: Landing) -> Summary:
        try:
            text = (self._staging(landing).folder / SUMMARY_FILE).read_bytes()
            return msgspec.json.decode(text, type=Summary)
        except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise NothingToDo(
                f"sweep {landing.sweep.sweep_id} has no staged records: materialize records first"
            ) from error

    def _ledger_row(self, sweep: Sweep, summary: Summary, watermark: datetime | None) -> LedgerRow:
        fates, refused = summary.fates, summary.flattened.refused
        return LedgerRow(
            **self._account(sweep),
            status="loaded",
            records=summary.decoded.received,
            new=fates.new - refused.get("new", 0),
            changed=fates.changed - refused.get("changed", 0),
            unchanged=fates.unchanged,
            superseded=fates.superseded,
            quarantined=summary.quarantined,
            vanished=len(sweep.gone),
            watermark=_watermark(sweep, summary.decoded.newest_update, watermark),
            is_complete=True,
        )

    def _account(self, sweep: Sweep) -> dict[str, Any]:
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
    def _accounted(self, landing: Landing) -> Iterator[None]:
        """A sweep that fails says so in its ledger row; an interrupted one stays as it is, to be taken up again."""
        try:
            yield
        except NothingToDo:
            # Asked for too early: no fault of the sweep.
            raise
        except Exception as error:
            with _logged(f"note that sweep {landing.sweep.sweep_id} failed"):
                self._fail(landing, str(error))
            raise

    def _fail(self, landing: Landing, reason: str) -> None:
        sweep = landing.sweep
        if sweep.state == "loaded":
            # What is in the warehouse stays in it, whatever fails afterwards.
            return
        staging = self._staging(landing)
        try:
            sweep.error, sweep.state = reason, "failed"
            landing.save()
            received = quarantined = 0
            # A summary that cannot be read may be why it fails.
            with suppress(NothingToDo):
                summary = self._summary(landing)
                received, quarantined = summary.decoded.received, summary.quarantined
            row = LedgerRow(
                **self._account(sweep), status="failed", records=received, quarantined=quarantined, error=reason
            )
            with open_warehouse(self.home.warehouse_file) as connection:
                warehouse.record_failure(connection, staging, row)
        finally:
            # No station reads it again; of sweeps that fail every five minutes it would fill the disk.
            shutil.rmtree(staging.folder, ignore_errors=True)


@contextmanager
def _logged(what: str) -> Iterator[None]:
    """For what is done because of a fault: a second one, as on a full disk, must not hide the first."""
    try:
        yield
    except (MilestonesError, OSError, duckdb.Error) as error:
        _LOG.warning("could not %s: %s", what, " ".join(str(error).split()))


def _watermark(sweep: Sweep, newest_update: datetime | None, before: datetime | None) -> datetime | None:
    """Up to where all updates have been read: never beyond the sweep's start, whatever the API's clock says."""
    if sweep.mode not in ("full", "incremental"):
        return None
    if newest_update is None:
        return before
    reached = min(newest_update, sweep.started_at)
    return max(reached, before) if before else reached
