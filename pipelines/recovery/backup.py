"""Backups: copies a home into a folder that is a home itself, also while a sweep runs, whose lock it does not take.

The parts are copied in this order: published files, warehouse, landed sweeps. Published files and landed pages never
change, so they are copied as they are; the warehouse is copied as it is at one instant. So the backup is a home that
was killed then: its warehouse has all that it published, perhaps a sweep more, and a sweep that was not loaded resumes.
What is not needed (Dagster's storage, staged rows) is left out.

A later backup into the same folder replaces it part by part, by renames, the warehouse first: whenever it is killed, it
leaves a home without damage. Landed sweeps that the folder has already, intact, are not copied again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from pipelines.errors import (
    DiskFull,
    HomeUnusable,
    NothingToDo,
    PublishedDiffers,
    SweepDamaged,
    WrongUse,
    is_disk_full,
)
from pipelines.publish.manifest import MANIFEST_FILE, MAX_RESTARTS, Manifest, PublishedFile, sha256_of
from pipelines.publish.snapshot import link_newest
from pipelines.storage.disk_usage import bytes_of, files_below
from pipelines.storage.durable import (
    TEMPORARY_SUFFIX,
    copy_file,
    make_private,
    replace_durably,
    sync,
    write_durably,
)
from pipelines.storage.home import Home
from pipelines.storage.landing import SWEEP_FILE, Landing, sweep_ids
from pipelines.storage.leftovers import remove_leftovers
from pipelines.storage.lock import writer_lock
from pipelines.storage.snapshots import snapshot_folders
from pipelines.warehouse.blocks import read_through
from pipelines.warehouse.compaction import rewrite
from pipelines.warehouse.connection import explain_damage, open_writing
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.undisturbed import copy_undisturbed
from schemas.endpoints import ENDPOINTS

MAX_TRIES = 3
"""How often a landed sweep is copied that a run changes meanwhile."""


class Marker(msgspec.Struct):
    """The content of `backup.json`, by which a folder is known as a backup. `finished_at` is None before the first end.

    The first command that writes to the folder as to a home removes it: a backup must never replace such a home.
    """

    home: str
    finished_at: datetime | None = None
    snapshot: str | None = None


@dataclass
class BackedUp:
    """A finished backup: its folder, snapshot, size, landed sweeps copied now, and damaged ones that were left out."""

    folder: Path
    snapshot: str | None = None
    copied_sweeps: int = 0
    bytes: int = 0
    left_out: list[Path] = field(default_factory=list)


def unfinished_backup_of(folder: Home) -> str | None:
    """The home of which a first backup into this folder was begun and has not ended; None for every other folder."""
    try:
        marker = msgspec.json.decode(folder.backup_marker.read_bytes(), type=Marker)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return marker.home if marker.finished_at is None else None


def backup(home: Home, folder: Path, *, now: Callable[[], datetime]) -> BackedUp:
    """Copy a home into a folder: a new or empty one, or an earlier backup, which it replaces.

    Raises WrongUse for another folder, NothingToDo, WarehouseLost, WarehouseUnusable, PublishedDiffers,
    WarehouseDisturbed, WarehouseBusy (another process works in the folder), DiskFull, HomeUnusable.
    """
    target = Home(folder)
    _check(home, target)
    with _explained(folder):
        # Readers may be other users, as in any home.
        folder.mkdir(parents=True, exist_ok=True)
        for private in (target.warehouse, target.raw):
            make_private(private)
        if not target.backup_marker.exists():
            _mark(target, Marker(str(home.root)))
        with writer_lock(target, purpose="milestones backup"):
            remove_leftovers(target)
            try:
                done = _back_up(home, target)
            except BaseException:
                remove_leftovers(target)
                raise
            _mark(target, Marker(str(home.root), now(), done.snapshot))
    done.bytes = bytes_of(files_below(folder))
    return done


def _check(home: Home, target: Home) -> None:
    if not home.warehouse_file.exists():
        Warehouse(home).check_not_lost()
        raise NothingToDo(f"there is no warehouse at {home.warehouse_file} to back up: run milestones ingest first")
    own, other = home.root.resolve(), target.root.resolve()
    if own == other or own in other.parents or other in own.parents:
        raise WrongUse(f"one of {target.root} and the home {home.root} contains the other: choose a folder elsewhere")
    if target.root.exists() and not target.root.is_dir():
        raise WrongUse(f"{target.root} is not a folder: choose another")
    if target.root.exists() and any(target.root.iterdir()) and not target.backup_marker.exists():
        raise WrongUse(
            f"{target.root} is not empty and no backup (a backup that was used as a home is none any more): choose a "
            "new or empty folder"
        )


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise DiskFull(folder) from error
        raise HomeUnusable(
            f"cannot back up: {error.filename or folder}: {error.strerror or error}: choose a folder that this user "
            "can write"
        ) from error


def _mark(target: Home, marker: Marker) -> None:
    text = msgspec.json.format(msgspec.json.encode(marker), indent=2)
    write_durably(target.backup_marker, lambda path: path.write_bytes(text))


def _back_up(home: Home, target: Home) -> BackedUp:
    done = BackedUp(target.root)
    manifest = _copy_published(home, target)
    warehouse = _copy_warehouse(home, target)
    scratch = target.raw / f"sweep{TEMPORARY_SUFFIX}"
    for raw, into in _raw_folders(home, target):
        _copy_sweeps(raw, into, scratch, done)
    shutil.rmtree(scratch, ignore_errors=True)
    replace_durably(warehouse, target.warehouse_file)
    if manifest is not None:
        done.snapshot = manifest.snapshot
        _swap_in(target, manifest)
    for raw, into in _raw_folders(home, target):
        _remove_all_but(into, set(sweep_ids(raw)))
    return done


def _next_duckdb(target: Home) -> Path:
    return target.published_duckdb.with_name(target.published_duckdb.name + TEMPORARY_SUFFIX)


def _copy_published(home: Home, target: Home) -> Manifest | None:
    """Copy the newest snapshot and its DuckDB file under temporary names; None if nothing is published."""
    if not home.latest_snapshot.exists():
        return None
    fault = None
    for _ in range(MAX_RESTARTS):
        try:
            return _copy_snapshot(home, target)
        except (PublishedDiffers, FileNotFoundError) as error:
            # A publish or the retention of snapshots may have come between.
            fault = error
    what = f"{fault.filename} is missing" if isinstance(fault, FileNotFoundError) else fault
    raise PublishedDiffers(f"the published files are damaged ({what}): run milestones verify") from fault


def _copy_snapshot(home: Home, target: Home) -> Manifest:
    file = _next_duckdb(target)
    file.parent.mkdir(exist_ok=True)
    copy_file(home.published_duckdb, file)
    sync(file)
    manifest = _manifest_of(home, sha256_of(file))
    folder = target.snapshots / manifest.snapshot
    if folder.exists() and all(_is_copied(target.published / one.path, one) for one in _of_snapshot(home, manifest)):
        return manifest
    building = folder.with_name(folder.name + TEMPORARY_SUFFIX)
    shutil.rmtree(building, ignore_errors=True)
    for one in _of_snapshot(home, manifest):
        into = building / Path(one.path).relative_to(folder.relative_to(target.published))
        into.parent.mkdir(parents=True, exist_ok=True)
        copy_file(home.published / one.path, into)
        sync(into)
        if not _is_copied(into, one):
            raise PublishedDiffers(f"{home.published / one.path} differs from its manifest")
    copy_file(home.snapshots / manifest.snapshot / MANIFEST_FILE, building / MANIFEST_FILE)
    sync(building / MANIFEST_FILE)
    for path in (building, *building.rglob("*")):
        if path.is_dir():
            sync(path)
    return manifest


def _manifest_of(home: Home, sha256: str) -> Manifest:
    """The newest manifest with this DuckDB file: that of `latest`, or of a publish that was killed before its end."""
    for folder in snapshot_folders(home):
        manifest = Manifest.read(folder)
        if any(file.path == home.published_duckdb.name and file.sha256 == sha256 for file in manifest.files):
            return manifest
    raise PublishedDiffers(f"{home.published_duckdb} differs from its manifest")


def _of_snapshot(home: Home, manifest: Manifest) -> list[PublishedFile]:
    return [file for file in manifest.files if file.path != home.published_duckdb.name]


def _is_copied(file: Path, described: PublishedFile) -> bool:
    try:
        return sha256_of(file) == described.sha256
    except FileNotFoundError:
        return False


def _copy_warehouse(home: Home, target: Home) -> Path:
    """Copy the warehouse under a temporary name, without a write-ahead log. Raises WarehouseUnusable for damage."""
    file = target.warehouse_file.with_name(target.warehouse_file.name + TEMPORARY_SUFFIX)
    copy_undisturbed(home.warehouse_file, file)
    with explain_damage(file), open_writing(file) as connection:
        # Replays the log of a killed load.
        connection.execute("CHECKPOINT")
    if not read_through(file)[1]:
        rewrite(file)
    return file


def _swap_in(target: Home, manifest: Manifest) -> None:
    folder = target.snapshots / manifest.snapshot
    building = folder.with_name(folder.name + TEMPORARY_SUFFIX)
    if building.exists():
        # Damaged, or of another home.
        shutil.rmtree(folder, ignore_errors=True)
        replace_durably(building, folder)
    replace_durably(_next_duckdb(target), target.published_duckdb)
    link_newest(target, manifest.snapshot)
    for other in snapshot_folders(target):
        if other != folder:
            shutil.rmtree(other)


def _raw_folders(home: Home, target: Home) -> list[tuple[Path, Path]]:
    of_endpoints = [(home.raw_of(one.name), target.raw_of(one.name)) for one in ENDPOINTS]
    return [(home.raw, target.raw), *((raw, into) for raw, into in of_endpoints if raw.exists() or into.exists())]


def _copy_sweeps(raw: Path, into: Path, scratch: Path, done: BackedUp) -> None:
    into.mkdir(exist_ok=True)
    for name in sweep_ids(raw):
        if _has_sweep(raw, into, name):
            continue
        try:
            _copy_sweep(raw / name, scratch, into)
            done.copied_sweeps += 1
        except SweepDamaged:
            done.left_out.append(raw / name)
        except FileNotFoundError:
            # Removed by the retention, or left empty by a killed run; else its `sweep.json` is lost.
            if any((raw / name).glob("*.parquet")):
                done.left_out.append(raw / name)


def _has_sweep(raw: Path, into: Path, name: str) -> bool:
    """Whether a sweep is in the backup, intact and finished, so that its files do not change any more."""
    try:
        if (into / name / SWEEP_FILE).read_bytes() != (raw / name / SWEEP_FILE).read_bytes():
            return False
        landing = Landing.open(into, name)
        landing.check()
    except (FileNotFoundError, SweepDamaged):
        return False
    return landing.sweep.state == "loaded"


def _copy_sweep(folder: Path, scratch: Path, into: Path) -> None:
    """Copy a landed sweep. Raises SweepDamaged, FileNotFoundError."""
    building = scratch / folder.name
    for attempt in range(1, MAX_TRIES + 1):
        shutil.rmtree(scratch, ignore_errors=True)
        building.mkdir(parents=True)
        try:
            # Its state first, then the pages in order: the copy is that of a fetch that ended at some page.
            for name in (SWEEP_FILE, *sorted(path.name for path in folder.glob("*.parquet"))):
                copy_file(folder / name, building / name)
                sync(building / name)
            Landing.open(scratch, folder.name).check()
            break
        except SweepDamaged:
            # A run that resumes it may fetch pages again.
            if attempt == MAX_TRIES:
                raise
    sync(building)
    shutil.rmtree(into / folder.name, ignore_errors=True)
    replace_durably(building, into / folder.name)


def _remove_all_but(raw: Path, names: set[str]) -> None:
    for name in set(sweep_ids(raw)) - names:
        shutil.rmtree(raw / name)
