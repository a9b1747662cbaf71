"""How much of the disk the parts of a home take."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipelines.storage.home import Home


def sizes(home: Home) -> dict[str, int]:
    """Bytes by part of the home: raw, warehouse, staging, published_duckdb, published_parquet, dagster.

    A file with several names in a part is counted once; what vanishes while it is counted is not counted.
    """
    staging = home.staging("of a sweep").parent
    return {
        "raw": bytes_of(files_below(home.raw)),
        "warehouse": bytes_of(files_below(home.warehouse, apart=staging)),
        "staging": bytes_of(files_below(staging)),
        "published_duckdb": home.published_duckdb.stat().st_size if home.published_duckdb.exists() else 0,
        "published_parquet": bytes_of(files_below(home.snapshots)),
        "dagster": bytes_of(files_below(home.dagster)),
    }


def bytes_of(files: Iterable[os.stat_result]) -> int:
    """Their sizes together, a file with several names counted once."""
    return sum({(file.st_dev, file.st_ino): file.st_size for file in files}.values())


def files_below(folder: Path, *, apart: Path | None = None) -> Iterator[os.stat_result]:
    """Every file below a folder, without the folder `apart`; links below it are not followed."""
    for parent, folders, names in os.walk(folder):
        if apart is not None and Path(parent) == apart:
            folders.clear()
            continue
        for name in names:
            try:
                yield Path(parent, name).lstat()
            except FileNotFoundError:
                # Dagster and publishing go on while we count.
                continue
