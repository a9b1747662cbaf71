"""One milestone as the sandbox serves it: its JSON bytes and the fields that scans compare."""

from __future__ import annotations

import sys

import msgspec

from sandbox.cursor import Position
from sandbox.rfc3339 import MICROS, parse_micros


class _Head(msgspec.Struct):
    """The fields that a row needs to be served."""

    id: str
    start_date: str
    last_updated_ts: str = "0001-01-01T00:00:00Z"
    category: str | None = None
    type: str = ""


# gc=False: millions of rows exist at once, and none can be part of a cycle.
class Row(msgspec.Struct, frozen=True, gc=False):
    """One milestone as it is served, and the fields that scans compare."""

    position: Position
    updated_micros: int
    category: str
    type: str
    body: bytes

    @classmethod
    def of(cls, body: bytes) -> Row:
        """Read the row's fields. Raises msgspec.DecodeError or ValueError if it cannot be served."""
        head = _head_decoder.decode(body)
        return cls(
            position=(parse_micros(head.start_date) // MICROS, head.id),
            updated_micros=parse_micros(head.last_updated_ts),
            category=sys.intern(head.category or ""),
            type=sys.intern(head.type),
            body=body,
        )


_head_decoder = msgspec.json.Decoder(_Head)
