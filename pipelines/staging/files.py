"""The staged records and tables of one sweep: Parquet files below `warehouse/staging/`, one part of a table a batch.

Work is done in batches, so that memory is bounded by a batch and not by the crawl. Parts are numbered: whichever
process writes one, its name is the same, and writing it again replaces it.
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
"""Of files that live for minutes on the same disk: cheap to write counts for more than small."""

REFUSED_BY_DECODING = "refused_by_decoding"
"""Records that could not be decoded, as quarantine rows."""

REFUSED_BY_RULES = "refused_by_rules"
"""Records whose rows break a rule, as quarantine rows."""


class Staging:
    """The staged files of one sweep."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(self, table: Table) -> list[str]:
        """Every part of a table, in order of their numbers."""
        return self.parts(table.name)

    def parts(self, name: str) -> list[str]:
        """Every part of that name, in order of their numbers."""
        return sorted(map(str, self.folder.glob(f"{name}-[0-9]*.parquet")))

    @property
    def refused_files(self) -> list[str]:
        """Every part with quarantine rows."""
        return self.parts(REFUSED_BY_DECODING) + self.parts(REFUSED_BY_RULES)

    @property
    def updated_only(self) -> Path:
        """Milestones of which only last_updated_ts moved."""
        return self.folder / "updated_only.parquet"

    def write(self, name: str, number: int, rows: pa.Table) -> None:
        """Write one part."""
        pq.write_table(rows, self.folder / f"{name}-{number:06d}.parquet", compression=COMPRESSION)

    def clear(self) -> None:
        """Remove everything that was staged before."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def remove(self, names: Iterable[str]) -> None:
        """Remove every part of these names."""
        for name in names:
            for part in self.parts(name):
                Path(part).unlink()
