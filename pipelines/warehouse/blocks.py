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
"""Checked together: the XOR of several sums costs less than each sum for itself, and misses no more."""

_WORDS = BLOCK_BYTES // 8
_SEED = 5_381
_FACTOR = pa.scalar(0xBF58476D1CE4E5B9, pa.uint64())


def read_through(file: Path) -> tuple[str, bool]:
    """The file's sha256 in hexadecimal digits, and whether all its blocks are whole."""
    digest = hashlib.sha256()
    are_whole = True
    with file.open("rb") as opened:
        digest.update(opened.read(HEADER_BYTES))
        while blocks := opened.read(BLOCK_BYTES * BLOCKS_PER_READ):
            digest.update(blocks)
            are_whole = are_whole and are_blocks_whole(blocks)
    return digest.hexdigest(), are_whole


def are_blocks_whole(blocks: bytes) -> bool:
    """Whether each of these blocks has the sum that stands in its first word."""
    count, rest = divmod(len(blocks), BLOCK_BYTES)
    if rest:
        return False
    words = pa.Array.from_buffers(pa.uint64(), count * _WORDS, [None, pa.py_buffer(blocks)])
    sums = words.take(pa.array(range(0, count * _WORDS, _WORDS)))
    # The sums themselves are among the words that are multiplied: their share is taken out again.
    found = _xor(pc.multiply(words, _FACTOR)) ^ _xor(pc.multiply(sums, _FACTOR)) ^ _xor(sums)
    return found == (_SEED if count % 2 else 0)


def _xor(words: pa.Array) -> int:
    """All words of an array, XORed: it is folded in two until one is left."""
    while len(words) > 1:
        half = len(words) // 2
        odd = words[2 * half :]
        words = pc.bit_wise_xor(words[:half], words[half : 2 * half])
        if len(odd):
            words = pa.concat_arrays([words, odd])
    result: int = words[0].as_py()
    return result
