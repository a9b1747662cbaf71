"""Where one sweep's records and tables lie on their way into the warehouse: Parquet files below `warehouse/staging/`.

Work is done in batches, so that memory is bounded by a batch and not by the crawl. What a helping process made (see
`pipelines.staging.worker`) stands beside this process's own file of the same name.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from schemas.table import Table

ROWS_PER_BATCH = 10_000

COMPRESSION = "lz4"
"""Of files that live for minutes on the same disk: cheap to write counts for more than small."""


class Staging:
    """The staged files of one sweep."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, table: Table) -> Path:
        """This process's staged file of a table."""
        return self.folder / f"{table.name}.parquet"

    def files(self, table: Table) -> list[str]:
        """All staged files of a table."""
        return self._with_parts(self.file(table))

    @property
    def touched(self) -> Path:
        """Milestones of which only last_updated_ts moved."""
        return self.folder / "touched.parquet"

    @property
    def refused_by_decoding(self) -> Path:
        """Records that could not be decoded, as quarantine rows."""
        return self.folder / "refused_by_decoding.parquet"

    @property
    def refused_by_rules(self) -> Path:
        """Records whose rows break a rule, as quarantine rows."""
        return self.folder / "refused_by_rules.parquet"

    @property
    def refused_files(self) -> list[str]:
        """All files of quarantine rows."""
        return [
            file
            for first in (self.refused_by_decoding, self.refused_by_rules)
            if first.exists()
            for file in self._with_parts(first)
        ]

    def clear(self) -> None:
        """Remove everything that was staged before."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def adopt(self, other: Staging, *, part: bool = False) -> None:
        """Move what a helping process made in here: as the files themselves, or as one more part of each."""
        for file in other.folder.iterdir():
            number = len(self._with_parts(self.folder / file.name))
            name = f"{file.stem}-part{number:03d}{file.suffix}" if part else file.name
            file.rename(self.folder / name)

    def discard_parts(self) -> None:
        """Remove the parts that an earlier attempt adopted."""
        for file in self.folder.glob("*-part*.parquet"):
            file.unlink()

    def _with_parts(self, first: Path) -> list[str]:
        return [str(first), *sorted(map(str, self.folder.glob(f"{first.stem}-part*.parquet")))]
