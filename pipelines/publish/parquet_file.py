"""Writes one Parquet file of a declared schema, with small batches merged into row groups."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.storage.durable import sync

BYTES_PER_GROUP = 8 * 1024 * 1024
"""Uncompressed size of a row group. A writer holds one group in memory for each open range."""


class ParquetFile:
    """A Parquet file that is written row group by row group. `close` completes and syncs it."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.rows = 0
        self._schema = schema
        self._opened: pq.ParquetWriter | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows, cast to the schema."""
        self.rows += batch.num_rows
        self._waiting.append(batch.cast(self._schema))
        self._waiting_bytes += batch.nbytes
        if self._waiting_bytes >= BYTES_PER_GROUP:
            self.flush()

    def close(self) -> None:
        """Write the remaining rows, and sync the file."""
        self.flush()
        self._open().close()
        sync(self.path)

    def flush(self) -> None:
        """Write the pending rows as a row group."""
        if self._waiting:
            self._open().write_table(pa.Table.from_batches(self._waiting, self._schema))
        self._waiting, self._waiting_bytes = [], 0

    def _open(self) -> pq.ParquetWriter:
        """The writer of pyarrow. The file is created when it is first needed."""
        if self._opened is None:
            self.path.parent.mkdir(exist_ok=True)
            self._opened = pq.ParquetWriter(self.path, self._schema, compression="zstd", write_page_checksum=True)
        return self._opened
