"""Disk usage of a home, by part."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipelines.storage.home import Home


def sizes(home: Home) -> dict[str, int]:
    """Bytes by part of the home: raw, warehouse, staging, published_duckdb, published_parquet, dagster.

    Hard links within a part are counted once; files that disappear meanwhile are not counted.
    """
    staging = home.staging("any").parent
    return {
        "raw": bytes_of(files_below(home.raw)),
        "warehouse": bytes_of(files_below(home.warehouse, excluded=staging)),
        "staging": bytes_of(files_below(staging)),
        "published_duckdb": home.published_duckdb.stat().st_size if home.published_duckdb.exists() else 0,
        "published_parquet": bytes_of(files_below(home.snapshots)),
        "dagster": bytes_of(files_below(home.dagster)),
    }


def bytes_of(files: Iterable[os.stat_result]) -> int:
    """Total size of the files; hard links to one file are counted once."""
    return sum({(file.st_dev, file.st_ino): file.st_size for file in files}.values())


def files_below(folder: Path, *, excluded: Path | None = None) -> Iterator[os.stat_result]:
    """Every file below a folder except those in `excluded`; symbolic links are not followed."""
    for parent, folders, names in os.walk(folder):
        if excluded is not None and Path(parent) == excluded:
            folders.clear()
            continue
        for name in names:
            try:
                yield Path(parent, name).lstat()
            except FileNotFoundError:
                # Dagster and publishing may remove files meanwhile.
                continue
