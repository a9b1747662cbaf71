"""A body is decoded completely and under the cap, or raises."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import tracemalloc
import zlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.kalshi.body import BodyDecoder, OversizedBody, TruncatedBody, UnknownEncoding

MIB = 1024 * 1024


def chunks_of(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def decode_body(chunks: Iterable[bytes], content_encoding: str, *, max_bytes: int) -> bytes:
    decoder = BodyDecoder(content_encoding, max_bytes=max_bytes)
    for chunk in chunks:
        decoder.feed(chunk)
    return decoder.finish()


@given(st.binary(max_size=2000), st.integers(1, 300), st.sampled_from(["", "identity", "gzip", "x-gzip", " GZIP "]))
def test_round_trip_in_chunks_of_any_size(body: bytes, size: int, encoding: str) -> None:
    wire = gzip.compress(body) if "zip" in encoding.lower() else body
    assert decode_body(chunks_of(wire, size), encoding, max_bytes=4000) == body


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.integers(1, 50))
def test_several_gzip_members_are_one_body(bodies: list[bytes], size: int) -> None:
    wire = b"".join(gzip.compress(body) for body in bodies)
    assert decode_body(chunks_of(wire, size), "gzip", max_bytes=4000) == b"".join(bodies)


@given(st.binary(max_size=500), st.data())
def test_gzip_cut_anywhere_is_detected(body: bytes, data: st.DataObject) -> None:
    wire = gzip.compress(body)
    cut = data.draw(st.integers(0, len(wire) - 1))
    with pytest.raises(TruncatedBody):
        decode_body([wire[:cut]], "gzip", max_bytes=4000)


@given(st.binary(min_size=1, max_size=500), st.data())
def test_a_flipped_byte_in_gzip_never_gives_another_body(body: bytes, data: st.DataObject) -> None:
    wire = bytearray(gzip.compress(body, mtime=0))
    wire[data.draw(st.integers(0, len(wire) - 1))] ^= data.draw(st.integers(1, 255))
    # A flip in the header's time or system changes nothing; a wrong body must never result.
    with contextlib.suppress(TruncatedBody, OversizedBody):
        assert decode_body([bytes(wire)], "gzip", max_bytes=4000) == body


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(gzip.compress(b"{}")[:-8], id="no-trailer"),
        pytest.param(gzip.compress(b"{}") + b"garbage", id="garbage-after-the-end"),
        pytest.param(zlib.compress(b"{}"), id="zlib-instead"),
        pytest.param(b"{}", id="plain-instead"),
        pytest.param(b"", id="empty"),
    ],
)
def test_incomplete_or_corrupt_gzip(wire: bytes) -> None:
    with pytest.raises(TruncatedBody, match="gzip"):
        decode_body([wire] if wire else [], "gzip", max_bytes=4000)


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "gzip,identity", "\x1b[31m"])
def test_encodings_that_were_not_requested(encoding: str) -> None:
    with pytest.raises(UnknownEncoding) as caught:
        BodyDecoder(encoding, max_bytes=10)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_the_cap_is_exact(encoding: str) -> None:
    def wire(size: int) -> bytes:
        return gzip.compress(b"x" * size) if encoding else b"x" * size

    assert len(decode_body([wire(1000)], encoding, max_bytes=1000)) == 1000
    decoder = BodyDecoder(encoding, max_bytes=1000)
    with pytest.raises(OversizedBody):
        decoder.feed(wire(1001))
    assert decoder.so_far() == b"x" * 1000


def test_a_decompression_bomb_costs_no_more_memory_than_the_cap() -> None:
    compressor = zlib.compressobj(9, wbits=31)
    bomb = b"".join(compressor.compress(bytes(MIB)) for _ in range(50)) + compressor.flush()
    tracemalloc.start()
    try:
        with pytest.raises(OversizedBody):
            decode_body(chunks_of(bomb, 65536), "gzip", max_bytes=2 * MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(bomb) < MIB
    assert peak < 8 * MIB


def test_endless_gzip_without_content_ends_at_the_cap() -> None:
    compressor = zlib.compressobj(wbits=31)
    start = compressor.compress(b"") + compressor.flush(zlib.Z_FULL_FLUSH)
    endless_empty_blocks = itertools.chain([start], itertools.repeat(b"\x00\x00\x00\xff\xff" * 1000))
    with pytest.raises(OversizedBody):
        decode_body(endless_empty_blocks, "gzip", max_bytes=100_000)
