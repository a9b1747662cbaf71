"""Decompression of a response body under a byte cap: the complete body or an exception.

The HTTP libraries accept a gzip stream without its trailer, and inflate a decompression bomb before its size can be
checked. So zlib is called directly, for no more bytes than the cap, and must report the end of the stream.
"""

from __future__ import annotations

import zlib

from pipelines.kalshi.server_text import quoted

_GZIP = 16 + zlib.MAX_WBITS
ACCEPT_ENCODING = "gzip"


class TruncatedBody(Exception):
    """The body is incomplete or corrupt: the connection's fault, worth a retry."""


class OversizedBody(Exception):
    """The body exceeds the cap; a retry would get the same."""


class UnknownEncoding(Exception):
    """The body has an encoding that was not requested, or several, as decompression bombs have."""


class BodyDecoder:
    """Decodes a body chunk by chunk and returns it once it is complete.

    `max_bytes` caps the decoded bytes and also those on the wire: endless empty gzip blocks decode to nothing.
    """

    def __init__(self, content_encoding: str, *, max_bytes: int) -> None:
        encoding = content_encoding.strip().lower()
        if encoding not in {"", "identity", "gzip", "x-gzip"}:
            raise UnknownEncoding(
                f"the body is encoded as `{quoted(encoding)}`, but the request accepts only `{ACCEPT_ENCODING}`"
            )
        self._inflater = zlib.decompressobj(_GZIP) if encoding.endswith("gzip") else None
        self._max_bytes = max_bytes
        self._decoded: list[bytes] = []
        self.decoded_bytes = 0
        self.wire_bytes = 0

    def feed(self, chunk: bytes) -> None:
        """Decode the next chunk. Raises OversizedBody, TruncatedBody."""
        self.wire_bytes += len(chunk)
        if self._inflater is None:
            self._append(chunk)
            return
        # Incompressible data grows by less than a thousandth under gzip.
        if self.wire_bytes > self._max_bytes * 1.001 + 1024:
            raise OversizedBody
        try:
            self._inflate(chunk)
        except zlib.error as error:
            raise TruncatedBody(f"corrupt gzip ({error})") from error

    def finish(self) -> bytes:
        """The complete decoded body, after the last chunk. Raises TruncatedBody where the gzip stream did not end."""
        if self._inflater is not None and not self._inflater.eof:
            raise TruncatedBody("the gzip stream has no end: the body was cut")
        return self.so_far()

    def so_far(self) -> bytes:
        """What has been decoded, complete or not, never more than the cap."""
        return b"".join(self._decoded)

    def _inflate(self, chunk: bytes) -> None:
        while chunk:
            assert self._inflater is not None  # noqa: S101 - for the type checker; feed() has checked it
            if self._inflater.eof:
                # RFC 1952 allows several members in a row; anything else after the end fails as corrupt gzip.
                self._inflater = zlib.decompressobj(_GZIP)
            # One byte over the cap proves the excess; the rest of a bomb is never inflated.
            self._append(self._inflater.decompress(chunk, self._max_bytes - self.decoded_bytes + 1))
            chunk = self._inflater.unconsumed_tail or self._inflater.unused_data

    def _append(self, data: bytes) -> None:
        self._decoded.append(data[: self._max_bytes - self.decoded_bytes])
        self.decoded_bytes += len(data)
        if self.decoded_bytes > self._max_bytes:
            raise OversizedBody
