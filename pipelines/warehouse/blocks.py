"""Whether the blocks of a closed DuckDB file are what DuckDB wrote, told by the checksum that each block carries.

DuckDB checks a block when it reads it. Copying a file reads no block, and neither does hashing it: damage would be
copied and get a checksum of its own. So a file is read through once, for both, before it is published.

The format (in DuckDB's source: `single_file_block_manager.cpp`, `checksum.cpp`): three headers of 4 KiB, which DuckDB
checks whenever it opens the file, then blocks of 256 KiB. The first word of a block (64 bits) is 5381 XOR the other
words, each multiplied by a constant.
"""

from __future__ import annotations

import hashlib
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
"""How far Arrow folds a block: a call of it costs more than XORing what is left as one long integer."""


def read_through(file: Path) -> tuple[str, bool]:
    """The file's sha256 in hexadecimal digits, and whether all its blocks are whole."""
    digest = hashlib.sha256()
    are_whole = True
    with file.open("rb") as opened:
        digest.update(opened.read(HEADER_BYTES))
        while blocks := opened.read(BLOCK_BYTES * BLOCKS_PER_READ):
            digest.update(blocks)
            view = memoryview(blocks)
            are_whole = are_whole and all(
                is_block_whole(view[start : start + BLOCK_BYTES]) for start in range(0, len(view), BLOCK_BYTES)
            )
    return digest.hexdigest(), are_whole


def is_block_whole(block: bytes | memoryview) -> bool:
    """Whether a block has the sum that its first word says."""
    if len(block) != BLOCK_BYTES:
        return False
    stored = int.from_bytes(block[:8], "little")
    words = pa.Array.from_buffers(pa.uint64(), _WORDS, [None, pa.py_buffer(block)])
    # The sum itself is among the words that are multiplied: its share is taken out again.
    return _xor(pc.multiply(words, pa.scalar(_FACTOR, pa.uint64()))) ^ (stored * _FACTOR & _WORD) == _SEED ^ stored


def _xor(words: pa.Array) -> int:
    """All words of an array, XORed: it is folded in two until one is left. Their number is a power of two."""
    while len(words) > _FOLDED_WORDS:
        half = len(words) // 2
        words = pc.bit_wise_xor(words[:half], words[half:])
    value = int.from_bytes(words.buffers()[1][: 8 * len(words)], "little")
    bits = 64 * len(words)
    while bits > 64:
        bits //= 2
        value = (value >> bits) ^ (value & ((1 << bits) - 1))
    return value
