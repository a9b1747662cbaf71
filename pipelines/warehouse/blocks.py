"""Verifies the blocks of a closed DuckDB file against the checksum stored in each block.

DuckDB verifies a block only when it reads it. Copying or hashing a file verifies nothing: damage would be copied and
get a valid sha256 in the manifest. So a file is read once before it is published, to hash it and verify its blocks.

The format (in DuckDB's source: `single_file_block_manager.cpp`, `checksum.cpp`): three headers of 4 KiB, which DuckDB
verifies when it opens the file, then blocks of 256 KiB. The first word of a block (64 bits) is 5381 XOR the other
words, each multiplied by a constant.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

HEADER_BYTES = 3 * 4_096
BLOCK_BYTES = 256 * 1_024
BLOCKS_PER_READ = 16

_WORDS = BLOCK_BYTES // 8
_SEED = 5_381
_FACTOR = 0xBF58476D1CE4E5B9
_WORD = (1 << 64) - 1
_FOLDED_WORDS = 256
"""Arrow folds a block down to this many words; below it, XORing one long integer is cheaper than another call."""


def read_through(file: Path) -> tuple[str, bool]:
    """The sha256 of the file in hexadecimal, and whether all its blocks are intact.

    Both are of the same bytes, read once, and are computed at the same time.
    """
    digest = hashlib.sha256()
    are_whole = True
    with file.open("rb") as opened, ThreadPoolExecutor(1) as hashing:
        digest.update(opened.read(HEADER_BYTES))
        while blocks := opened.read(BLOCK_BYTES * BLOCKS_PER_READ):
            hashed = hashing.submit(digest.update, blocks)
            view = memoryview(blocks)
            are_whole = are_whole and all(
                is_block_whole(view[start : start + BLOCK_BYTES]) for start in range(0, len(view), BLOCK_BYTES)
            )
            hashed.result()
    return digest.hexdigest(), are_whole


def is_block_whole(block: bytes | memoryview) -> bool:
    """Whether the checksum of a block matches the one in its first word."""
    if len(block) != BLOCK_BYTES:
        return False
    stored = int.from_bytes(block[:8], "little")
    words = pa.Array.from_buffers(pa.uint64(), _WORDS, [None, pa.py_buffer(block)])
    # The stored checksum is one of the multiplied words: XORing its product again removes it.
    return _xor(pc.multiply(words, pa.scalar(_FACTOR, pa.uint64()))) ^ (stored * _FACTOR & _WORD) == _SEED ^ stored


def _xor(words: pa.Array) -> int:
    """XOR all words of an array by folding it in half until one word is left. Its length must be a power of two."""
    while len(words) > _FOLDED_WORDS:
        half = len(words) // 2
        words = pc.bit_wise_xor(words[:half], words[half:])
    value = int.from_bytes(words.buffers()[1][: 8 * len(words)], "little")
    bits = 64 * len(words)
    while bits > 64:
        bits //= 2
        value = (value >> bits) ^ (value & ((1 << bits) - 1))
    return value
