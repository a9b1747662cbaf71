"""Checks landed sweeps: each page and each file of a sweep against its checksum.

A page of a loaded sweep is spare: its records are in the warehouse, and it cannot be fetched again as it was. A page of
a sweep that is not loaded is fetched again by the command that resumes the sweep.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipelines.errors import SweepDamaged
from pipelines.recovery.faults import INGEST, RESTORE, Checked, Fault
from pipelines.storage.durable import make_private, replace_durably
from pipelines.storage.home import Home
from pipelines.storage.landing import MAX_AGE_TO_RESUME, SWEEP_FILE, Landing, sweep_ids
from pipelines.wording import counted
from schemas.endpoints import ENDPOINTS

DAMAGED = "damaged"
"""The folder below `raw` to which damaged sweeps are moved."""


@dataclass(frozen=True)
class DamagedSweep:
    """A landed sweep with damage, and what mends it."""

    folder: Path
    fault: Fault


@dataclass
class _Seen:
    sweeps: int = 0
    pages: int = 0


def check_pages(home: Home, *, now: datetime) -> Checked:
    """Verify every landed sweep of a home."""
    seen = _Seen()
    faults = [damaged.fault for damaged in _damaged(home, now, seen)]
    return Checked(
        f"landed pages: {counted(seen.pages, 'page')} of {counted(seen.sweeps, 'sweep')}, all as landed", faults
    )


def damaged_sweeps(home: Home, *, now: datetime) -> Iterator[DamagedSweep]:
    """Every landed sweep with damage."""
    return _damaged(home, now, _Seen())


def set_aside(home: Home, damaged: DamagedSweep, *, now: datetime) -> Path:
    """Move a damaged sweep to where nothing reads it; its new path. The caller holds the writer's lock."""
    kind = damaged.folder.parent.name if damaged.folder.parent != home.raw else "milestones"
    target = home.raw / DAMAGED / kind / f"{damaged.folder.name}-found-{now:%Y%m%dT%H%M%SZ}"
    make_private(target.parent)
    replace_durably(damaged.folder, target)
    return target


def _damaged(home: Home, now: datetime, seen: _Seen) -> Iterator[DamagedSweep]:
    yield from _damaged_in(home.raw, None, now, seen)
    for endpoint in ENDPOINTS:
        yield from _damaged_in(home.raw_of(endpoint.name), endpoint.name, now, seen)


def _damaged_in(raw: Path, endpoint: str | None, now: datetime, seen: _Seen) -> Iterator[DamagedSweep]:
    for name in sweep_ids(raw):
        seen.sweeps += 1
        # A run may land, remove or fetch pages again meanwhile: damage is there the second time too.
        damage = _damage(raw, name, seen) and _damage(raw, name, _Seen())
        if damage:
            yield DamagedSweep(raw / name, Fault(damage, _command(raw, name, endpoint, now)))


def _damage(raw: Path, name: str, seen: _Seen) -> str | None:
    """What is damaged in a landed sweep; None if it is intact, or gone."""
    try:
        landing = Landing.open(raw, name)
        for _ in landing.pages():
            seen.pages += 1
        landing.absent()
        landing.archived()
    except FileNotFoundError:
        # A killed run may leave an empty folder; the next one removes it.
        has_pages = any((raw / name).glob("*.parquet"))
        return f"{raw / name / SWEEP_FILE} is missing" if has_pages else None
    except SweepDamaged as error:
        # Its own advice is for a sweep that is being fetched.
        return str(error).rpartition(": ")[0] if (raw / name).exists() else None
    return None


def _command(raw: Path, name: str, endpoint: str | None, now: datetime) -> str:
    """The command that fetches damaged pages again; RESTORE where no run will read or fetch them."""
    try:
        sweep = Landing.open(raw, name).sweep
    except (FileNotFoundError, SweepDamaged):
        return RESTORE
    newest = Landing.newest(raw)
    if newest is None or newest.sweep.sweep_id != sweep.sweep_id:
        return RESTORE
    if endpoint is not None:
        return f"{INGEST} --only {endpoint}" if sweep.is_interrupted else RESTORE
    if now - sweep.started_at > MAX_AGE_TO_RESUME:
        return RESTORE
    return sweep.command_to_resume or RESTORE
