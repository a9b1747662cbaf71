"""Loads landed sweeps again, in order, into a warehouse that lacks them.

What is recovered is what retention kept: the versions that these sweeps saw. A sweep with damaged pages is replayed
without them, as one that was stopped early: it proves no absence and moves no watermark, and neither does an
incremental sweep after it or after a missing one, until a whole full sweep follows. So the next `milestones ingest`
fetches everything that may be missing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb
from msgspec.structs import replace

from pipelines.contract import Contract, ContractMode
from pipelines.endpoints.refresh import MODES
from pipelines.endpoints.stage import stage_pages
from pipelines.errors import SweepDamaged
from pipelines.staging.files import Staging
from pipelines.staging.stage_records import stage_records
from pipelines.storage.home import Home
from pipelines.storage.landing import Landing, Sweep, sweep_ids
from pipelines.sweep.staged_sweep import StagedSweep
from pipelines.sweep.stages import Stages
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.endpoints import EndpointLedgerRow, load_endpoint
from pipelines.warehouse.ledger import newest_loaded_sweep_id
from schemas.endpoint import Endpoint
from schemas.endpoints import ENDPOINTS


@dataclass
class Replayed:
    """What was replayed: sweeps of milestones, the start of the first, and sweeps of other endpoints.

    `damaged_pages` were left out. `has_full` says that a whole full sweep of milestones was among them.
    """

    sweeps: int = 0
    since: datetime | None = None
    endpoint_sweeps: int = 0
    damaged_pages: list[Path] = field(default_factory=list)
    has_full: bool = False


def replay(raw: Home, into: Home, *, contract: Contract) -> Replayed:
    """Load the sweeps landed in `raw` into the warehouse of `into`, if they are newer than those that it has."""
    replayed = Replayed()
    with Warehouse(into).reading() as connection:
        newest = newest_loaded_sweep_id(connection)
    # Sweeps that failed or were interrupted have a number too, so a gap is a lost sweep.
    previous, is_continuous = newest, newest is not None
    for landing in _landings(raw.raw, after=newest):
        sweep = landing.sweep
        is_continuous = is_continuous and _number(sweep.sweep_id) == _number(previous) + 1
        previous = sweep.sweep_id
        if sweep.state == "loaded":
            is_continuous = _replay(landing, into, contract, replayed, is_continuous=is_continuous)
    with Warehouse(into).writing() as connection:
        for endpoint in ENDPOINTS:
            _replay_endpoint(connection, endpoint, raw, into, replayed)
    return replayed


def _landings(raw: Path, *, after: str | None) -> Iterator[Landing]:
    """The landed sweeps after one, in order, without those whose state cannot be read."""
    for name in sweep_ids(raw):
        if name > (after or ""):
            try:
                yield Landing.open(raw, name)
            except (FileNotFoundError, SweepDamaged):
                continue


def _number(sweep_id: str | None) -> int:
    return int(sweep_id.partition("-")[0]) if sweep_id else 0


def _replay(landing: Landing, into: Home, contract: Contract, replayed: Replayed, *, is_continuous: bool) -> bool:
    """Load one sweep; whether everything up to it is then in the warehouse."""
    sweep = landing.sweep
    # The times of the ledger are those of the fetch: when it was loaded first is not known any more.
    stages = Stages(into, now=lambda: sweep.landed_at or sweep.started_at, contract=_as_loaded(contract))
    staging = Staging(into.staging(sweep.sweep_id))
    damaged: list[int] = []
    decoded = stage_records(staging, sweep.sweep_id, landing.intact_pages(damaged))
    StagedSweep(decoded, is_retry=sweep.mode == "retry").save(staging.folder)
    is_whole = not damaged and _has_conclusions(landing)
    is_continuous = is_whole and (is_continuous or sweep.mode == "full")
    if not is_whole or (sweep.mode == "incremental" and not is_continuous):
        landing.sweep = _as_partial(sweep, is_cut=not is_whole)
    stages.stage_tables(landing)
    stages.load(landing)
    shutil.rmtree(staging.folder)
    replayed.sweeps += 1
    replayed.since = replayed.since or sweep.started_at
    replayed.has_full = replayed.has_full or (is_whole and sweep.mode == "full")
    replayed.damaged_pages += [landing.page_file(number) for number in damaged]
    return is_continuous


def _has_conclusions(landing: Landing) -> bool:
    """Whether what a full sweep concluded is intact."""
    try:
        landing.absent()
        landing.archived()
    except SweepDamaged:
        return False
    return True


def _as_partial(sweep: Sweep, *, is_cut: bool) -> Sweep:
    """A copy that proves no absence and moves no watermark."""
    return sweep if sweep.mode in ("by_id", "retry") else replace(sweep, mode="partial", is_cut=is_cut)


def _as_loaded(contract: Contract) -> Contract:
    """A contract without `freeze`: these sweeps passed it when they were loaded first."""
    modes: dict[str, ContractMode] = {
        type_: "evolve" if mode == "freeze" else mode for type_, mode in contract.by_type.items()
    }
    return Contract("evolve" if contract.default == "freeze" else contract.default, modes)


def _replay_endpoint(
    connection: duckdb.DuckDBPyConnection, endpoint: Endpoint, raw: Home, into: Home, replayed: Replayed
) -> None:
    """Load the landed sweeps of an endpoint. Which keys they requested is not landed: the next refresh finds out."""
    staging = Staging(into.staging(endpoint.name))
    modes = {landed: mode for mode, landed in MODES.items()}
    newest = connection.execute("SELECT max(sweep_id) FROM endpoint_sweeps WHERE endpoint = ?", [endpoint.name])
    for landing in _landings(raw.raw_of(endpoint.name), after=newest.fetchall()[0][0]):
        sweep = landing.sweep
        if sweep.state != "loaded":
            continue
        damaged: list[int] = []
        decoded = stage_pages(endpoint, staging, sweep.sweep_id, landing.intact_pages(damaged))
        row = EndpointLedgerRow(
            endpoint=endpoint.name,
            sweep_id=sweep.sweep_id,
            mode=modes[sweep.mode],
            started_at=sweep.started_at,
            finished_at=sweep.landed_at or sweep.started_at,
            pages=sweep.pages,
            records=decoded.received,
            quarantined=decoded.refused,
            requests=sweep.traffic.requests,
            retries=sweep.traffic.retries,
            rate_limited=sweep.traffic.rate_limited,
            bytes=sweep.traffic.bytes,
        )
        load_endpoint(connection, endpoint, staging, row, [])
        replayed.endpoint_sweeps += 1
        replayed.damaged_pages += [landing.page_file(number) for number in damaged]
    shutil.rmtree(staging.folder, ignore_errors=True)
