"""One Parquet file of a declared schema, its rows gathered into row groups that are worth reading."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.storage.durable import sync

BYTES_PER_GROUP = 8 * 1024 * 1024
"""Of rows in memory: a reader of one column skips the others, and a writer holds one group for each open range."""


class ParquetFile:
    """Written row group by row group; `close` syncs it."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.rows = 0
        self._schema = schema
        self._opened: pq.ParquetWriter | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows."""
        self.rows += batch.num_rows
        self._waiting.append(batch.cast(self._schema))
        self._waiting_bytes += batch.nbytes
        if self._waiting_bytes >= BYTES_PER_GROUP:
            self.flush()

    def close(self) -> None:
        """Write what is left, and sync."""
        self.flush()
        self._open().close()
        sync(self.path)

    def flush(self) -> None:
        """Write the rows that wait, as a group."""
        if self._waiting:
            self._open().write_table(pa.Table.from_batches(self._waiting, self._schema))
        self._waiting, self._waiting_bytes = [], 0

    def _open(self) -> pq.ParquetWriter:
        """The writer; until there is something to write there is no file."""
        if self._opened is None:
            self.path.parent.mkdir(exist_ok=True)
            self._opened = pq.ParquetWriter(self.path, self._schema, compression="zstd", write_page_checksum=True)
        return self._opened
