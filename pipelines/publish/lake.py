"""Published snapshots in the lake: `published/parquet/<snapshot>/...` as at home, and one pointer object, written last.

A reader reads the pointer, then the snapshot that it names: files are never written again. A file that the previous
snapshot has too is copied within the lake. The DuckDB file stays at home: each publish writes all of it.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec

from pipelines.errors import LakeAhead, LakeObjectMissing, PublishedDiffers
from pipelines.publish.manifest import MANIFEST_FILE, Manifest, PublishedFile, Verified
from pipelines.publish.snapshot import Snapshot
from pipelines.storage.durable import TEMPORARY_SUFFIX, replace_durably, sync
from pipelines.storage.home import Home
from pipelines.storage.lake import LAKE_VARIABLE, SNAPSHOTS, Lake
from pipelines.storage.landing import sweep_ids
from pipelines.storage.retention import Retention, prune_lake
from pipelines.storage.snapshots import snapshot_folders

PUBLISHED = "published"
POINTER = f"{SNAPSHOTS}/latest.json"

THREADS = 8
"""Files that are copied at once: a request to object storage mostly waits."""

_LOG = logging.getLogger(__name__)
_R = TypeVar("_R")


class Pointer(msgspec.Struct, frozen=True):
    """The newest snapshot of a lake; `checksum` is the one in its manifest."""

    snapshot: str
    checksum: str
    created_at: datetime
    sweep_id: str | None


@dataclass(frozen=True)
class Uploaded:
    """How many files of a snapshot were uploaded, with their bytes, and how many were copied within the lake."""

    uploaded: int
    bytes: int
    copied: int


def read_pointer(lake: Lake) -> Pointer | None:
    """The newest snapshot of a lake; None before the first one. Raises LakeUnusable, PublishedDiffers."""
    try:
        return msgspec.json.decode(lake.read(POINTER), type=Pointer)
    except LakeObjectMissing:
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PublishedDiffers(
            f"{lake}/{POINTER} is damaged ({error}): remove it, then run milestones ingest, which writes it again"
        ) from error


def check_not_ahead(home: Home, lake: Lake, pointer: Pointer | None) -> None:
    """Check that the home has, or had, the newest snapshot of the lake. Raises LakeAhead.

    Snapshots are numbered: of two homes that publish into one lake, one would replace what the other published.
    """
    if pointer is None:
        return
    known = [folder.name for folder in snapshot_folders(home)]
    if pointer.snapshot in known:
        is_own = _may_be_published_by(home, pointer)
    elif known:
        # Retention removed it here.
        is_own = _number(pointer.snapshot) < _number(known[-1])
    else:
        # What it published was lost; the pages that it made it of were not.
        is_own = pointer.sweep_id in sweep_ids(home.raw)
    if not is_own:
        raise LakeAhead(
            f"{lake} has the snapshot {pointer.snapshot}, which {home.root} did not publish, or lost: set "
            f"MILESTONES_HOME to an empty folder to continue from the lake, or {LAKE_VARIABLE} to another prefix"
        )


def _may_be_published_by(home: Home, pointer: Pointer) -> bool:
    try:
        return Manifest.read(home.snapshots / pointer.snapshot).checksum == pointer.checksum
    except PublishedDiffers:
        # A damaged manifest proves nothing, and the publish that replaces it must reach the lake.
        return True


def share(home: Home, lake: Lake, snapshot: Snapshot, retention: Retention, *, now: datetime) -> Uploaded:
    """Copy a published snapshot to the lake, then remove there what retention does not keep.

    The caller holds the writer's lock. Raises LakeUnusable, LakeAhead, PublishedDiffers.
    """
    pointer = read_pointer(lake)
    check_not_ahead(home, lake, pointer)
    uploaded = _upload(home, lake, snapshot, pointer)
    prune_lake(home, lake, retention, now=now)
    _LOG.info(
        "snapshot %s is in %s: %d files uploaded (%d bytes), %d copied there",
        snapshot.manifest.snapshot,
        lake,
        uploaded.uploaded,
        uploaded.bytes,
        uploaded.copied,
    )
    return uploaded


def verify_lake(lake: Lake) -> Verified:
    """Compare every object of the newest snapshot with its manifest; all of them are read.

    Raises LakeUnusable, PublishedDiffers.
    """
    lake.check()
    pointer = read_pointer(lake)
    if pointer is None:
        raise PublishedDiffers(f"nothing is published in {lake}: run milestones ingest, which uploads the snapshot")
    files = list(_in_lake(_manifest(lake, pointer)))

    def difference(file: PublishedFile) -> str | None:
        name = f"{PUBLISHED}/{file.path}"
        try:
            return None if lake.sha256_of(name) == file.sha256 else f"{lake}/{name} differs from its manifest"
        except LakeObjectMissing:
            return f"{lake}/{name} is missing"

    found = [line for line in _in_parallel(difference, files) if line]
    return Verified(pointer.snapshot, len(files), sum(file.bytes for file in files), found)


def download(home: Home, lake: Lake, pointer: Pointer) -> None:
    """Download the newest snapshot of the lake into a home without snapshots; `link_newest` then publishes it there.

    The caller holds the writer's lock. Raises LakeUnusable, PublishedDiffers.
    """
    manifest = _manifest(lake, pointer)
    home.snapshots.mkdir(parents=True, exist_ok=True)
    building = home.snapshots / (pointer.snapshot + TEMPORARY_SUFFIX)
    prefix = f"{home.snapshots.name}/{pointer.snapshot}/"

    def fetch(file: PublishedFile) -> None:
        name = f"{PUBLISHED}/{file.path}"
        if lake.download(name, building / file.path.removeprefix(prefix)) != file.sha256:
            raise PublishedDiffers(_remedy(f"{lake}/{name} differs from its manifest"))

    try:
        list(_in_parallel(fetch, _in_lake(manifest)))
    except LakeObjectMissing as error:
        raise PublishedDiffers(_remedy(str(error))) from error
    manifest.write(building)
    sync(building)
    folder = home.snapshots / pointer.snapshot
    # Of a run that was killed before it made a warehouse of it.
    shutil.rmtree(folder, ignore_errors=True)
    replace_durably(building, folder)


def _upload(home: Home, lake: Lake, snapshot: Snapshot, pointer: Pointer | None) -> Uploaded:
    manifest = snapshot.manifest
    if pointer is not None and pointer.snapshot == manifest.snapshot:
        return Uploaded(0, 0, 0)
    files = list(_in_lake(manifest))
    reusable = _reusable(lake, pointer)

    def transfer(file: PublishedFile) -> int | None:
        """The bytes uploaded; None if the file was copied within the lake."""
        name = f"{PUBLISHED}/{file.path}"
        if file.sha256 in reusable:
            lake.copy(reusable[file.sha256], name)
            return None
        # The disk may have damaged it since it was published.
        if lake.upload(name, home.published / file.path) != file.sha256:
            raise PublishedDiffers(
                f"{home.published / file.path} differs from its manifest, so it is not the newest of {lake}: run "
                "milestones ingest again, which publishes anew"
            )
        return file.bytes

    sizes = [size for size in _in_parallel(transfer, files) if size is not None]
    lake.upload(f"{SNAPSHOTS}/{manifest.snapshot}/{MANIFEST_FILE}", snapshot.folder / MANIFEST_FILE)
    newest = Pointer(manifest.snapshot, manifest.checksum, manifest.created_at, manifest.sweep_id)
    lake.write(POINTER, msgspec.json.format(msgspec.json.encode(newest), indent=2))
    return Uploaded(len(sizes), sum(sizes), len(files) - len(sizes))


def _reusable(lake: Lake, pointer: Pointer | None) -> dict[str, str]:
    """The objects of the newest snapshot in the lake by sha256, without those that are missing or have another size."""
    if pointer is None:
        return {}
    try:
        manifest = _manifest(lake, pointer)
    except PublishedDiffers as damage:
        _LOG.warning("every file is uploaded: %s", damage)
        return {}
    sizes = lake.sizes(f"{SNAPSHOTS}/{pointer.snapshot}")
    prefix = f"parquet/{pointer.snapshot}/"
    return {
        file.sha256: f"{PUBLISHED}/{file.path}"
        for file in _in_lake(manifest)
        if sizes.get(file.path.removeprefix(prefix)) == file.bytes
    }


def _manifest(lake: Lake, pointer: Pointer) -> Manifest:
    name = f"{SNAPSHOTS}/{pointer.snapshot}/{MANIFEST_FILE}"
    try:
        manifest = Manifest.decode(lake.read(name), f"{lake}/{name}")
    except LakeObjectMissing as error:
        raise PublishedDiffers(_remedy(str(error))) from error
    if manifest.checksum != pointer.checksum:
        raise PublishedDiffers(_remedy(f"{lake}/{name} is not the manifest that {POINTER} names"))
    return manifest


def _in_lake(manifest: Manifest) -> Iterator[PublishedFile]:
    """The files of a snapshot that are in the lake: all but the DuckDB file."""
    return (file for file in manifest.files if file.path.startswith(f"parquet/{manifest.snapshot}/"))


def _in_parallel(function: Callable[[PublishedFile], _R], items: Iterable[PublishedFile]) -> Iterator[_R]:
    with ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(function, items)


def _remedy(what: str) -> str:
    return f"{what}: run milestones ingest with the home that published it, which uploads what is missing"


def _number(snapshot: str) -> int:
    return int(snapshot.partition("-")[0])


def is_empty(home: Home) -> bool:
    """Whether a home has no state of its own: no warehouse, nothing published, no landed sweep of milestones."""
    return not (home.warehouse_file.exists() or home.latest_snapshot.exists() or sweep_ids(home.raw))
