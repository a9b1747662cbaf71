"""From the bytes on the wire to the bytes that were meant: content decoding under a cap, complete or not at all.

The libraries accept a gzip stream without its trailer and inflate a bomb before anybody can count; here
zlib is asked directly, for no more than the cap, and must say that it saw the end.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from pipelines.kalshi.server_text import quoted

_GZIP = 16 + zlib.MAX_WBITS
ACCEPT_ENCODING = "gzip"


class CutBody(Exception):
    """The body is not whole or not what it claims to be: the connection's fault, worth another try."""


class OversizedBody(Exception):
    """The body passes the cap; another try would too."""


class UnknownEncoding(Exception):
    """The body is encoded in a way that was not asked for (or in several, as bombs are)."""


class BodyDecoder:
    """Takes a body piece by piece, counts what it becomes, and gives it out once it is complete.

    `max_bytes` bounds both sides: the decoded bytes, and those on the wire (endless empty gzip blocks).
    """

    def __init__(self, content_encoding: str, *, max_bytes: int) -> None:
        encoding = content_encoding.strip().lower()
        if encoding not in {"", "identity", "gzip", "x-gzip"}:
            raise UnknownEncoding(f"the answer is encoded as `{quoted(encoding)}`, asked for was `{ACCEPT_ENCODING}`")
        self._inflater = zlib.decompressobj(_GZIP) if encoding.endswith("gzip") else None
        self._max_bytes = max_bytes
        self._pieces: list[bytes] = []
        self.decoded_bytes = 0
        self.wire_bytes = 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece. Raises OversizedBody, CutBody."""
        self.wire_bytes += len(piece)
        if self._inflater is None:
            self._keep(piece)
            return
        # What cannot be compressed grows by less than a thousandth.
        if self.wire_bytes > self._max_bytes * 1.001 + 1024:
            raise OversizedBody
        try:
            self._inflate(piece)
        except zlib.error as error:
            raise CutBody(f"corrupt gzip ({error})") from error

    def finish(self) -> bytes:
        """The whole decoded body, after the last piece. Raises CutBody where gzip's end was never seen."""
        if self._inflater is not None and not self._inflater.eof:
            raise CutBody("the gzip stream has no end: the body was cut")
        return self.so_far()

    def so_far(self) -> bytes:
        """What has been decoded, whole or not, never more than the cap."""
        return b"".join(self._pieces)

    def _inflate(self, piece: bytes) -> None:
        while piece:
            assert self._inflater is not None  # noqa: S101 - told to the type checker; feed() looked
            if self._inflater.eof:
                # RFC 1952 allows several members in a row; anything else behind the end is corrupt and says so.
                self._inflater = zlib.decompressobj(_GZIP)
            # One byte over the cap is enough to know, and the bomb's rest is never inflated.
            self._keep(self._inflater.decompress(piece, self._max_bytes - self.decoded_bytes + 1))
            piece = self._inflater.unconsumed_tail or self._inflater.unused_data

    def _keep(self, piece: bytes) -> None:
        self._pieces.append(piece[: self._max_bytes - self.decoded_bytes])
        self.decoded_bytes += len(piece)
        if self.decoded_bytes > self._max_bytes:
            raise OversizedBody


def decode_body(pieces: Iterable[bytes], content_encoding: str, *, max_bytes: int) -> bytes:
    """The whole body at once. Raises what BodyDecoder raises."""
    decoder = BodyDecoder(content_encoding, max_bytes=max_bytes)
    for piece in pieces:
        decoder.feed(piece)
    return decoder.finish()
