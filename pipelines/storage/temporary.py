"""Temporary names below the home folder, beside TEMPORARY_SUFFIX: readers never open what has one."""

from __future__ import annotations

import shutil

from pipelines.storage.durable import TEMPORARY_SUFFIX
from pipelines.storage.home import Home

SPILL = "spill"
"""DuckDB's temporary folder, beside the warehouse."""


REBUILD_STAGING, MIGRATION_STAGING, RESTORE_STAGING = "rebuild", "migration", "restore"
"""Staging folders that belong to no sweep."""


def remove_unpublished(home: Home) -> None:
    """Remove what a killed or failed publish left."""
    for folder in (home.published, home.snapshots):
        for path in folder.glob(f"*{TEMPORARY_SUFFIX}*"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
