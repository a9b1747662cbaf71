"""Temporary names below the home folder, in addition to TEMPORARY_SUFFIX. Readers never open such a file."""

from __future__ import annotations

import shutil

from pipelines.storage.durable import TEMPORARY_SUFFIX
from pipelines.storage.home import Home

SPILL = "spill"
"""DuckDB's temporary folder, next to the warehouse."""

REBUILD_STAGING, MIGRATION_STAGING, RESTORE_STAGING = "rebuild", "migration", "restore"
"""Staging folders that do not belong to a sweep."""

VERIFICATION = "verification-"
"""Begins the name of the folder in which `milestones verify` checks a copy of the warehouse, next to it."""


def remove_unpublished(home: Home) -> None:
    """Remove the temporary files of a killed or failed publish. Links are removed, not followed."""
    for folder in (home.published, home.snapshots):
        for path in folder.glob(f"*{TEMPORARY_SUFFIX}*"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
