"""One Parquet file: batches are merged into row groups, and rows are cast to the schema."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.publish.parquet_file import BYTES_PER_GROUP, ParquetFile

SCHEMA = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field("n", pa.int64())])


def batch(first: int, rows: int, *, width: int = 8) -> pa.RecordBatch:
    ids = [f"{number:0{width}d}" for number in range(first, first + rows)]
    return pa.record_batch({"id": ids, "n": pa.array(range(first, first + rows), pa.int32())})


def test_small_batches_become_one_row_group(tmp_path: Path) -> None:
    out = ParquetFile(tmp_path / "table" / "part.parquet", SCHEMA)
    for first in (0, 10, 20):
        out.write(batch(first, 10))
    out.close()
    metadata = pq.read_metadata(out.path)
    assert (metadata.num_rows, metadata.num_row_groups, out.rows) == (30, 1, 30)
    table = pq.read_table(out.path)
    assert table.schema.equals(SCHEMA)
    assert table["n"].to_pylist() == list(range(30))


def test_a_full_row_group_is_written_before_the_file_is_closed(tmp_path: Path) -> None:
    out = ParquetFile(tmp_path / "part.parquet", SCHEMA)
    rows = BYTES_PER_GROUP // 1_000
    for first in (0, rows, 2 * rows):
        out.write(batch(first, rows, width=1_000))
    out.close()
    metadata = pq.read_metadata(out.path)
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [rows] * 3


def test_batches_fill_a_row_group_together(tmp_path: Path) -> None:
    out = ParquetFile(tmp_path / "part.parquet", SCHEMA)
    rows = BYTES_PER_GROUP // 2_000
    for number in range(4):
        out.write(batch(number * rows, rows, width=1_000))
    out.close()
    metadata = pq.read_metadata(out.path)
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [2 * rows] * 2


def test_pages_are_compressed_and_have_checksums(tmp_path: Path) -> None:
    out = ParquetFile(tmp_path / "part.parquet", SCHEMA)
    out.write(batch(0, 1_000))
    out.close()
    column = pq.read_metadata(out.path).row_group(0).column(0)
    assert column.compression == "ZSTD"
    content = bytearray(out.path.read_bytes())
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    out.path.write_bytes(content)
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(out.path, page_checksum_verification=True)


def test_a_file_without_rows_has_the_schema(tmp_path: Path) -> None:
    out = ParquetFile(tmp_path / "part.parquet", SCHEMA)
    assert not out.path.exists()
    out.close()
    assert pq.read_table(out.path).schema.equals(SCHEMA)


def test_null_in_a_required_column_raises(tmp_path: Path) -> None:
    out = ParquetFile(tmp_path / "part.parquet", SCHEMA)
    rows = pa.record_batch({"id": pa.array([None], pa.string()), "n": pa.array([1], pa.int64())})
    with pytest.raises(ValueError, match="null"):
        out.write(rows)
