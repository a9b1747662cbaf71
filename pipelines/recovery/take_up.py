"""Takes the state of an empty home from the lake: the published snapshot, the warehouse from it, and the newest sweeps.

So another machine continues where the last one ended: an interrupted sweep is resumed after its last page in the lake.
A home that lost only its published files takes those.
"""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

from pipelines.errors import SweepDamaged, WrongSetting
from pipelines.publish.lake import check_not_ahead, download, is_empty, read_pointer
from pipelines.publish.snapshot import link_newest
from pipelines.recovery.restore import Restored, restore
from pipelines.storage.home import Home
from pipelines.storage.lake import LAKE_VARIABLE, RAW, Lake
from pipelines.storage.landing import SWEEP_FILE, Landing, is_sweep_id, sweep_ids
from pipelines.storage.snapshots import snapshot_folders

_LOG = logging.getLogger(__name__)


def take_up(home: Home, lake: Lake | None, *, now: datetime) -> Restored | None:
    """Check the lake, and take from it what the home lacks. The caller holds the writer's lock.

    Returns how the warehouse was created, None if the home is not empty, or if there is no lake or no snapshot in it.
    Raises WrongSetting for a lake in the home, LakeUnusable, LakeAhead for a home with another state, PublishedDiffers
    for damage in the lake.
    """
    if lake is None:
        return None
    _check_apart(home, lake)
    lake.check()
    pointer = read_pointer(lake)
    if not is_empty(home):
        check_not_ahead(home, lake, pointer)
        if pointer is not None and not snapshot_folders(home):
            download(home, lake, pointer)
            link_newest(home, pointer.snapshot)
            _LOG.info("the published snapshot of %s was lost; it was downloaded from %s", home.root, lake)
        return None
    restored = None
    if pointer is not None:
        download(home, lake, pointer)
        restored = restore(home, now=now)
        # Until now a kill leaves an empty home, which begins again: one with a snapshot would begin a new history.
        link_newest(home, pointer.snapshot)
        _LOG.info("%s was created from the newest snapshot in %s", home.warehouse_file, lake)
    _download_sweeps(home, lake)
    return restored


def _check_apart(home: Home, lake: Lake) -> None:
    if lake.address.bucket is None and Path(lake.address.path).resolve().is_relative_to(home.root.resolve()):
        raise WrongSetting(f"{LAKE_VARIABLE} is in the home {home.root}: give a folder outside of it, or a bucket")


def _download_sweeps(home: Home, lake: Lake) -> None:
    """Download the newest sweep of milestones and of each other endpoint that the home has none of."""
    folders = lake.folders(RAW)
    _download_newest(home.raw, lake.below(RAW), folders)
    for endpoint in folders:
        if not is_sweep_id(endpoint):
            below = lake.below(f"{RAW}/{endpoint}")
            _download_newest(home.raw_of(endpoint), below, below.folders())


def _download_newest(raw: Path, lake: Lake, folders: list[str]) -> None:
    if sweep_ids(raw):
        return
    for sweep_id in sorted(filter(is_sweep_id, folders), reverse=True):
        names = [name for name in lake.sizes(sweep_id) if "/" not in name]
        # Written last: a folder without it is ignored.
        for name in sorted(names, key=lambda name: (name == SWEEP_FILE, name)):
            lake.download(f"{sweep_id}/{name}", raw / sweep_id / name)
        if SWEEP_FILE in names and _is_usable(raw, sweep_id):
            return


def _is_usable(raw: Path, sweep_id: str) -> bool:
    try:
        Landing.open(raw, sweep_id)
    except SweepDamaged as damage:
        _LOG.warning("an older sweep is taken from the lake: %s", damage)
        return False
    return True
