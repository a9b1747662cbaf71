"""Bodies: whole, under the cap, or not at all."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.kalshi.body import BodyDecoder, CutBody, OversizedBody, UnknownEncoding, decode_body

MIB = 1024 * 1024


def pieces_of(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@given(st.binary(max_size=2000), st.integers(1, 300), st.sampled_from(["", "identity", "gzip", "x-gzip", " GZIP "]))
def test_round_trip_in_pieces_of_any_size(body: bytes, size: int, encoding: str) -> None:
    wire = gzip.compress(body) if "zip" in encoding.lower() else body
    assert decode_body(pieces_of(wire, size), encoding, max_bytes=4000) == body


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.integers(1, 50))
def test_several_gzip_members_are_one_body(bodies: list[bytes], size: int) -> None:
    wire = b"".join(gzip.compress(body) for body in bodies)
    assert decode_body(pieces_of(wire, size), "gzip", max_bytes=4000) == b"".join(bodies)


@given(st.binary(max_size=500), st.data())
def test_gzip_cut_anywhere_is_noticed(body: bytes, data: st.DataObject) -> None:
    wire = gzip.compress(body)
    cut = data.draw(st.integers(0, len(wire) - 1))
    with pytest.raises(CutBody):
        decode_body([wire[:cut]], "gzip", max_bytes=4000)


@given(st.binary(min_size=1, max_size=500), st.data())
def test_a_flipped_byte_in_gzip_never_gives_another_body(body: bytes, data: st.DataObject) -> None:
    wire = bytearray(gzip.compress(body, mtime=0))
    wire[data.draw(st.integers(0, len(wire) - 1))] ^= data.draw(st.integers(1, 255))
    # A flip in the header's time or system changes nothing: what must not happen is a wrong body.
    with contextlib.suppress(CutBody, OversizedBody):
        assert decode_body([bytes(wire)], "gzip", max_bytes=4000) == body


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(gzip.compress(b"{}")[:-8], id="no-trailer"),
        pytest.param(gzip.compress(b"{}") + b"garbage", id="garbage-behind-the-end"),
        pytest.param(zlib.compress(b"{}"), id="zlib-instead"),
        pytest.param(b"{}", id="plain-instead"),
        pytest.param(b"", id="empty"),
    ],
)
def test_no_whole_gzip(wire: bytes) -> None:
    with pytest.raises(CutBody, match="gzip"):
        decode_body([wire] if wire else [], "gzip", max_bytes=4000)


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "gzip,identity", "\x1b[31m"])
def test_encodings_nobody_asked_for(encoding: str) -> None:
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


def test_a_bomb_costs_no_more_than_the_cap() -> None:
    squeezer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(squeezer.compress(bytes(MIB)) for _ in range(50)) + squeezer.flush()
    tracemalloc.start()
    try:
        with pytest.raises(OversizedBody):
            decode_body(pieces_of(bomb, 65536), "gzip", max_bytes=2 * MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(bomb) < MIB
    assert peak < 8 * MIB


def test_gzip_that_never_gives_a_byte_ends_at_the_cap() -> None:
    squeezer = zlib.compressobj(wbits=31)
    start = squeezer.compress(b"") + squeezer.flush(zlib.Z_FULL_FLUSH)
    endless_empty_blocks = itertools.chain([start], itertools.repeat(b"\x00\x00\x00\xff\xff" * 1000))
    with pytest.raises(OversizedBody):
        decode_body(endless_empty_blocks, "gzip", max_bytes=100_000)
