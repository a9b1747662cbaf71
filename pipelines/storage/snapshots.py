"""The published snapshots of a home: folders with a number and the time of the publish in their names."""

from __future__ import annotations

import re
from pathlib import Path

from pipelines.errors import NothingToDo
from pipelines.storage.home import Home

_NAME = re.compile(r"(\d{6})-\d{8}T\d{6}Z", re.ASCII)


def check_is_published(home: Home) -> None:
    """Check that the home has a newest snapshot. Raises NothingToDo."""
    if not home.latest_snapshot.exists():
        raise NothingToDo(f"nothing is published in {home.published}: run milestones ingest first")


def snapshot_folders(home: Home) -> list[Path]:
    """The folders of all snapshots, newest first."""
    folders = home.snapshots.iterdir() if home.snapshots.exists() else ()
    return sorted((path for path in folders if _NAME.fullmatch(path.name) and path.is_dir()), reverse=True)


def next_number(home: Home) -> int:
    """The number of the next snapshot of a home that has the folder of snapshots."""
    names = (_NAME.fullmatch(path.name) for path in home.snapshots.iterdir())
    return max((int(match[1]) for match in names if match), default=0) + 1
