"""What unattended running leaves behind, and how much of it is kept: snapshots, landed sweeps, staged tables.

Call `prune` with the writer's lock held, after publishing: under the lock nobody lands, stages or publishes.
Readers hold no lock, and need none:

- A reader that has a file of a removed snapshot open is not harmed: POSIX keeps the bytes of an unlinked file until
  the last descriptor is closed.
- A reader that followed `latest` and opens files a while later is protected by `snapshot_age`, which counts from the
  moment the snapshot was replaced: a snapshot that was `latest` for a day is not old a second after it.

Something to be removed is first renamed, then deleted: killed in between, no folder is left that looks whole and is
not, and the next prune (for a snapshot also the next publish) deletes the rest.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from pipelines.errors import SweepDamaged
from pipelines.storage.disk_usage import bytes_of, files_below
from pipelines.storage.durable import TEMPORARY_SUFFIX, replace_durably
from pipelines.storage.home import Home
from pipelines.storage.landing import MAX_AGE_TO_RESUME, SWEEP_FILE, Landing, Sweep
from pipelines.storage.leftovers import removal_faults_named, stale_staging
from pipelines.storage.temporary import REBUILD_STAGING

PRUNED_SUFFIX = f".pruned{TEMPORARY_SUFFIX}"
"""Told from what publishing is building (`.tmp` alone), and swept by publishing all the same."""

_DATED_NAME = re.compile(r"\d{6}-(\d{8}T\d{6}Z)", re.ASCII)


@dataclass(frozen=True)
class Retention:
    """What is kept: whatever is among the newest so many OR younger than the age.

    The age of a snapshot counts from when a newer one replaced it, that of a sweep from its start.
    """

    snapshots: int = 3
    snapshot_age: timedelta = timedelta(hours=1)
    sweeps: int = 20
    sweep_age: timedelta = timedelta(days=7)


@dataclass(frozen=True)
class Pruned:
    """Names of what was removed, the oldest first, and the bytes that are free again.

    Bytes of a file that something kept links to are not free. What a killed prune had begun to remove is listed by
    the prune that finished it.
    """

    snapshots: list[str] = field(default_factory=list)
    sweeps: list[str] = field(default_factory=list)
    staging: list[str] = field(default_factory=list)
    bytes: int = 0


def prune(home: Home, retention: Retention, *, now: datetime) -> Pruned:
    """Remove what need not be kept; with the writer's lock held. `now` is aware. Raises HomeUnusable.

    Never removed, whatever the retention: the snapshot that `latest` points to and every newer one (all of them where
    it points nowhere); the newest sweep, the newest loaded one, and one that may still be gone on from. Folders of
    other names and symbolic links are left alone.
    """
    with removal_faults_named():
        # Sweeps go before staging, so that the staging of a sweep goes with it.
        snapshots, of_snapshots = _remove(home.snapshots, _old_snapshots(home, retention, now))
        sweeps, of_sweeps = _remove(home.raw, _old_sweeps(home, retention, now))
        staged, of_staging = _remove(home.staging(REBUILD_STAGING).parent, stale_staging(home))
    return Pruned(snapshots, sweeps, staged, of_snapshots + of_sweeps + of_staging)


class _Dated(NamedTuple):
    """A folder named for its number and its time; the number orders, as clocks are set back."""

    name: str
    at: datetime


def _old_snapshots(home: Home, retention: Retention, now: datetime) -> list[str]:
    found = _dated(home.snapshots)
    latest = _latest(home)
    if latest not in {one.name for one in found}:
        return []
    return [
        one.name
        for rank, (newer, one) in enumerate(pairwise(found), start=1)
        if one.name < latest and rank >= retention.snapshots and now - newer.at >= retention.snapshot_age
    ]


def _latest(home: Home) -> str:
    """The name of the snapshot that `latest` points to; "" where it is no link to a neighbour."""
    if not home.latest_snapshot.is_symlink():
        return ""
    target = home.snapshots / home.latest_snapshot.readlink()
    return target.name if target.parent == home.snapshots else ""


def _old_sweeps(home: Home, retention: Retention, now: datetime) -> list[str]:
    found = _dated(home.raw)
    known = {one: sweep for one in found if (sweep := _sweep(home, one.name))}
    loaded = [one for one, sweep in known.items() if _is_loaded(sweep)]
    # The newest folder carries the numbers on, though it may have been killed before it was a sweep.
    kept = {*found[:1], *list(known)[:1], *loaded[:1]}
    kept |= {one for one, sweep in known.items() if sweep.is_interrupted and now - one.at <= MAX_AGE_TO_RESUME}
    return [
        one.name
        for rank, one in enumerate(found)
        if one not in kept and rank >= retention.sweeps and now - one.at >= retention.sweep_age
    ]


def _is_loaded(sweep: Sweep | None) -> bool:
    return sweep is not None and sweep.state == "loaded"


def _sweep(home: Home, name: str) -> Sweep | None:
    """The state of a landed sweep; None where it has none that can be read, as after a kill."""
    if not (home.raw / name / SWEEP_FILE).exists():
        return None
    try:
        return Landing.open(home.raw, name).sweep
    except SweepDamaged:
        return None


def _dated(folder: Path) -> list[_Dated]:
    """The folders of a folder that are named as sweeps and snapshots are, the newest first."""
    return sorted(_dated_in(folder), reverse=True)


def _dated_in(folder: Path) -> Iterator[_Dated]:
    for entry in folder.iterdir() if folder.exists() else ():
        match = _DATED_NAME.fullmatch(entry.name)
        if match is None or not _is_folder(entry):
            continue
        try:
            at = datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            # The fortieth of a month: not ours.
            continue
        yield _Dated(entry.name, at)


def _is_folder(path: Path) -> bool:
    """A folder that stands here: what a link leads to is not ours to remove."""
    return path.is_dir() and not path.is_symlink()


def _remove(parent: Path, names: Iterable[str]) -> tuple[list[str], int]:
    """Remove the named folders and what an earlier prune left of others; all names, and the bytes freed."""
    condemned = [path for path in parent.glob(f"*{PRUNED_SUFFIX}") if _is_folder(path)]
    freed = sum(map(_delete, condemned))
    for name in sorted(names):
        path = parent / f"{name}{PRUNED_SUFFIX}"
        replace_durably(parent / name, path)
        freed += _delete(path)
        condemned.append(path)
    return sorted(path.name.removesuffix(PRUNED_SUFFIX) for path in condemned), freed


def _delete(folder: Path) -> int:
    """Delete a folder; the bytes of its files, without those that have a name elsewhere."""
    files = list(files_below(folder))
    names = Counter((file.st_dev, file.st_ino) for file in files)
    freed = bytes_of(file for file in files if file.st_nlink <= names[file.st_dev, file.st_ino])
    shutil.rmtree(folder)
    return freed
