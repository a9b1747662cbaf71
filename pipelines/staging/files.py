"""The staged files of one sweep: Parquet files below `warehouse/staging/`, one part of a table for each batch.

Batches bound the memory, for a sweep of any size. Parts are numbered by batch, so that their names do not depend on the
process that writes them, and writing a part again replaces it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.table import Table

ROWS_PER_BATCH = 10_000

COMPRESSION = "lz4"
"""Staged files exist for minutes on the same disk: fast writing matters more than size."""

REFUSED_BY_DECODING = "refused_by_decoding"
"""Records that could not be decoded, as quarantine rows."""

REFUSED_BY_RULES = "refused_by_rules"
"""Records whose rows break a rule, as quarantine rows."""


class Staging:
    """The staged files of one sweep."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(self, table: Table) -> list[str]:
        """The parts of a table, ordered by number."""
        return self.parts(table.name)

    def parts(self, name: str) -> list[str]:
        """The parts with this name, ordered by number."""
        return sorted(map(str, self.folder.glob(f"{name}-[0-9]*.parquet")))

    @property
    def refused_files(self) -> list[str]:
        """The parts with quarantine rows."""
        return self.parts(REFUSED_BY_DECODING) + self.parts(REFUSED_BY_RULES)

    @property
    def updated_only(self) -> Path:
        """The file of milestones with a newer last_updated_ts and unchanged content."""
        return self.folder / "updated_only.parquet"

    def write(self, name: str, number: int, rows: pa.Table) -> None:
        """Write a part, replacing an earlier one."""
        pq.write_table(rows, self.folder / f"{name}-{number:06d}.parquet", compression=COMPRESSION)

    def clear(self) -> None:
        """Remove all staged files, and create the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def remove(self, names: Iterable[str]) -> None:
        """Remove the parts with these names."""
        for name in names:
            for part in self.parts(name):
                Path(part).unlink()
