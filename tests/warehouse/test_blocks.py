"""A bit that flips in any block of a DuckDB file is noticed; a file that nothing happened to is whole."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import duckdb
import pytest

from pipelines.warehouse.blocks import BLOCK_BYTES, BLOCKS_PER_READ, HEADER_BYTES, is_block_whole, read_through
from pipelines.warehouse.database import open_warehouse

FLIPS = 200
SEED = 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More blocks than are read at once, some of them free again."""
    file = tmp_path_factory.mktemp("whole") / "warehouse.duckdb"
    with open_warehouse(file) as connection:
        connection.execute("CREATE TABLE t AS SELECT hash(i) AS h, md5(i::VARCHAR) AS s FROM range(300000) AS r (i)")
        connection.execute("CHECKPOINT")
        connection.execute("DELETE FROM t WHERE h % 3 = 0")
    return file


@pytest.mark.slow
def test_an_intact_file_is_whole_and_has_its_sha256(whole: Path) -> None:
    content = whole.read_bytes()
    blocks = (len(content) - HEADER_BYTES) / BLOCK_BYTES
    assert blocks == int(blocks) > BLOCKS_PER_READ
    assert read_through(whole) == (hashlib.sha256(content).hexdigest(), True)


@pytest.mark.parametrize("blocks", [1, 2, BLOCKS_PER_READ - 1, BLOCKS_PER_READ, BLOCKS_PER_READ + 1])
def test_an_intact_file_of_any_number_of_blocks_is_whole(whole: Path, tmp_path: Path, blocks: int) -> None:
    part = tmp_path / "part"
    part.write_bytes(whole.read_bytes()[: HEADER_BYTES + blocks * BLOCK_BYTES])
    assert read_through(part)[1]


def test_every_flipped_bit_is_detected(whole: Path) -> None:
    draw = random.Random(SEED)  # noqa: S311 - places, not secrets
    content = whole.read_bytes()
    starts = range(HEADER_BYTES, len(content), BLOCK_BYTES)
    for _ in range(FLIPS):
        start, place, bit = draw.choice(starts), draw.randrange(BLOCK_BYTES), 1 << draw.randrange(8)
        block = bytearray(content[start : start + BLOCK_BYTES])
        assert is_block_whole(bytes(block))
        block[place] ^= bit
        assert not is_block_whole(bytes(block)), f"bit {bit} of byte {place} of the block at {start}"


@pytest.mark.parametrize("fill", [b"\0", b"\xff", b"a"], ids=repr)
@pytest.mark.parametrize("blocks", [1, 2, 3, 16])
def test_overwritten_blocks_are_detected(whole: Path, tmp_path: Path, fill: bytes, blocks: int) -> None:
    content = bytearray(whole.read_bytes())
    content[HEADER_BYTES : HEADER_BYTES + blocks * BLOCK_BYTES] = fill * blocks * BLOCK_BYTES
    file = tmp_path / "overwritten"
    file.write_bytes(content)
    assert not read_through(file)[1]


@pytest.mark.slow
def test_a_truncated_file_is_not_whole(whole: Path, tmp_path: Path) -> None:
    file = tmp_path / "cut"
    file.write_bytes(whole.read_bytes()[:-1])
    assert not read_through(file)[1]


@pytest.mark.slow
def test_duckdb_reports_the_same_blocks_as_damaged(whole: Path, tmp_path: Path) -> None:
    """What is noticed here is what readers would meet: a flip in a block that holds rows."""
    content = bytearray(whole.read_bytes())
    draw = random.Random(SEED)  # noqa: S311 - places, not secrets
    met = 0
    file = tmp_path / "read.duckdb"
    for _ in range(20):
        place = draw.randrange(HEADER_BYTES, len(content))
        content[place] ^= 1
        file.write_bytes(content)
        content[place] ^= 1
        try:
            with duckdb.connect(str(file), read_only=True) as connection:
                connection.execute("SELECT max(h), max(s) FROM t").fetchall()
        except duckdb.Error:
            met += 1
    assert met > 0
