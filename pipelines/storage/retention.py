"""Retention: removes old snapshots, landed sweeps and staged tables.

Call `prune` after publishing, with the writer's lock held: then no other process lands, stages or publishes.
Readers need no lock:

- A reader with an open file of a removed snapshot can read on: POSIX keeps the content of an unlinked file until its
  last descriptor is closed.
- `snapshot_age` protects a reader that followed `latest` and opens files a while later. The age counts from the
  moment a newer snapshot replaced this one, so a snapshot that was `latest` for a day is not old a second later.

A folder is renamed before it is deleted. A kill in between leaves no incomplete folder under its old name, and the next
prune (for a snapshot also the next publish) deletes the rest.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from pipelines.errors import SweepDamaged
from pipelines.storage.disk_usage import bytes_of, files_below
from pipelines.storage.durable import TEMPORARY_SUFFIX, replace_durably
from pipelines.storage.home import Home
from pipelines.storage.lake import RAW, SNAPSHOTS, Lake
from pipelines.storage.landing import MAX_AGE_TO_RESUME, SWEEP_FILE, Landing, Sweep
from pipelines.storage.leftovers import explain_removal_errors, stale_staging
from pipelines.storage.temporary import REBUILD_STAGING

PRUNED_SUFFIX = f".pruned{TEMPORARY_SUFFIX}"
"""Differs from what a publish is building (`.tmp` alone), but a publish removes it too."""

_DATED_NAME = re.compile(r"\d{6}-(\d{8}T\d{6}Z)", re.ASCII)


@dataclass(frozen=True)
class Retention:
    """What to keep: the newest N, and all that are younger than the age.

    The age of a snapshot counts from when a newer one replaced it, the age of a sweep from its start.
    """

    snapshots: int = 3
    snapshot_age: timedelta = timedelta(hours=1)
    sweeps: int = 20
    sweep_age: timedelta = timedelta(days=7)


@dataclass(frozen=True)
class Pruned:
    """Names of the removed folders, oldest first, and the bytes that were freed.

    Files that a kept snapshot links to free no bytes. A folder whose removal was interrupted is listed by the prune
    that finishes it.
    """

    snapshots: list[str] = field(default_factory=list)
    sweeps: list[str] = field(default_factory=list)
    staging: list[str] = field(default_factory=list)
    bytes: int = 0


def prune(home: Home, retention: Retention, *, now: datetime) -> Pruned:
    """Remove what the retention does not keep. The caller holds the writer's lock; `now` is aware. Raises HomeUnusable.

    Never removed: the snapshot that `latest` points to and every newer one (all, if `latest` is broken); the newest
    sweep, the newest loaded sweep and every resumable one. Folders with other names and symbolic links are not touched.
    """
    with explain_removal_errors():
        # Sweeps before staging, so that the staging folder of a removed sweep is removed too.
        snapshots, snapshot_bytes = _remove(home.snapshots, _old_snapshots(home, retention, now))
        sweeps, sweep_bytes = _remove(home.raw, _old_sweeps(home.raw, retention, now))
        staged, staging_bytes = _remove(home.staging(REBUILD_STAGING).parent, stale_staging(home))
    return Pruned(snapshots, sweeps, staged, snapshot_bytes + sweep_bytes + staging_bytes)


def prune_endpoint(home: Home, endpoint: str, retention: Retention, *, now: datetime) -> list[str]:
    """Remove the landed sweeps of an endpoint beside milestones that the retention does not keep; their names.

    The age is a day at most: live data are fetched every minute.
    """
    raw = home.raw_of(endpoint)
    with explain_removal_errors():
        return _remove(raw, _old_sweeps(raw, _of_a_day(retention), now))[0] if raw.exists() else []


def prune_lake(home: Home, lake: Lake, retention: Retention, *, now: datetime) -> list[str]:
    """Remove from the lake what the retention does not keep; the removed folders. Raises LakeUnusable.

    Call it after the newest snapshot was copied there. A sweep that the home still has is kept. What an interrupted
    removal left is removed by the next one.
    """
    snapshots = _expired_snapshots(_dated(lake.folders(SNAPSHOTS)), retention, now)
    removed = [f"{SNAPSHOTS}/{name}" for name in sorted(snapshots)]
    removed += _expired_in_lake(lake, RAW, home.raw, retention, now)
    for folder in removed:
        lake.remove_folder(folder)
    return removed


def prune_endpoint_in_lake(home: Home, lake: Lake, endpoint: str, retention: Retention, *, now: datetime) -> list[str]:
    """Like `prune_endpoint`, for the lake. Raises LakeUnusable."""
    removed = _expired_in_lake(lake, f"{RAW}/{endpoint}", home.raw_of(endpoint), _of_a_day(retention), now)
    for folder in removed:
        lake.remove_folder(folder)
    return removed


def _expired_in_lake(lake: Lake, raw: str, here: Path, retention: Retention, now: datetime) -> list[str]:
    expired = _expired_sweeps(_dated(lake.folders(raw)), retention, now)
    return [f"{raw}/{sweep.name}" for sweep in reversed(expired) if not (here / sweep.name).exists()]


def _of_a_day(retention: Retention) -> Retention:
    return replace(retention, sweep_age=min(retention.sweep_age, timedelta(days=1)))


class _Dated(NamedTuple):
    """A folder whose name holds a number and a time. The number orders: a clock may be set back."""

    name: str
    at: datetime


def _old_snapshots(home: Home, retention: Retention, now: datetime) -> list[str]:
    found = _dated(_folders(home.snapshots))
    latest = _latest(home)
    if latest not in {snapshot.name for snapshot in found}:
        return []
    return [name for name in _expired_snapshots(found, retention, now) if name < latest]


def _expired_snapshots(found: list[_Dated], retention: Retention, now: datetime) -> list[str]:
    """Those of the snapshots, newest first, that are too many and too old."""
    return [
        snapshot.name
        for rank, (newer, snapshot) in enumerate(pairwise(found), start=1)
        if rank >= retention.snapshots and now - newer.at >= retention.snapshot_age
    ]


def _latest(home: Home) -> str:
    """The name of the snapshot that `latest` points to; "" unless it is a link within its folder."""
    if not home.latest_snapshot.is_symlink():
        return ""
    target = home.snapshots / home.latest_snapshot.readlink()
    return target.name if target.parent == home.snapshots else ""


def _old_sweeps(raw: Path, retention: Retention, now: datetime) -> list[str]:
    found = _dated(_folders(raw))
    if not (expired := _expired_sweeps(found, retention, now)):
        return []
    kept = _needed(raw, found, now)
    return [folder.name for folder in expired if folder not in kept]


def _needed(raw: Path, found: list[_Dated], now: datetime) -> set[_Dated]:
    """Sweeps to keep at any age, of these, newest first: the newest, the newest loaded, those that can be resumed.

    Opens no sweep that cannot be one of them: a week of polls leaves two thousand.
    """
    # The newest folder is kept even without a `sweep.json`: the next sweep takes its number from it.
    kept = set(found[:1])
    is_known = is_loaded = False
    for folder in found:
        can_be_resumed = now - folder.at <= MAX_AGE_TO_RESUME
        if is_loaded and not can_be_resumed:
            break
        if (sweep := _sweep(raw, folder.name)) is None:
            continue
        is_first_loaded = sweep.state == "loaded" and not is_loaded
        if not is_known or is_first_loaded or (sweep.is_interrupted and can_be_resumed):
            kept.add(folder)
        is_known, is_loaded = True, is_loaded or is_first_loaded
    return kept


def _expired_sweeps(found: list[_Dated], retention: Retention, now: datetime) -> list[_Dated]:
    """Those of the sweeps, newest first, that are too many and too old."""
    return [
        sweep for rank, sweep in enumerate(found) if rank >= retention.sweeps and now - sweep.at >= retention.sweep_age
    ]


def _sweep(raw: Path, name: str) -> Sweep | None:
    """A landed sweep; None where its `sweep.json` is missing (after a kill) or damaged."""
    if not (raw / name / SWEEP_FILE).exists():
        return None
    try:
        return Landing.open(raw, name).sweep
    except SweepDamaged:
        return None


def _folders(folder: Path) -> list[str]:
    """The names of the subfolders."""
    if not folder.exists():
        return []
    with os.scandir(folder) as entries:
        # Unlike `Path.is_dir`, it asks the system for nothing more about each of thousands.
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


def _dated(names: Iterable[str]) -> list[_Dated]:
    """Names of sweeps and snapshots, newest first; others are left out."""
    return sorted(_with_dates(names), reverse=True)


def _with_dates(names: Iterable[str]) -> Iterator[_Dated]:
    for name in names:
        match = _DATED_NAME.fullmatch(name)
        if match is None:
            continue
        try:
            at = datetime.fromisoformat(match[1])
        except ValueError:
            # Not a date, such as the fortieth of a month, so not ours.
            continue
        yield _Dated(name, at)


def _is_folder(path: Path) -> bool:
    """Whether it is a folder and not a link: the target of a link is not ours to remove."""
    return path.is_dir() and not path.is_symlink()


def _remove(parent: Path, names: Iterable[str]) -> tuple[list[str], int]:
    """Remove these folders, and those that an earlier prune left unfinished; all their names, and the bytes freed."""
    renamed = [path for path in parent.glob(f"*{PRUNED_SUFFIX}") if _is_folder(path)]
    freed = sum(map(_delete, renamed))
    for name in sorted(names):
        path = parent / f"{name}{PRUNED_SUFFIX}"
        replace_durably(parent / name, path)
        freed += _delete(path)
        renamed.append(path)
    return sorted(path.name.removesuffix(PRUNED_SUFFIX) for path in renamed), freed


def _delete(folder: Path) -> int:
    """Delete a folder; the bytes freed, without files that have a hard link elsewhere."""
    files = list(files_below(folder))
    names = Counter((file.st_dev, file.st_ino) for file in files)
    freed = bytes_of(file for file in files if file.st_nlink <= names[file.st_dev, file.st_ino])
    shutil.rmtree(folder)
    return freed
